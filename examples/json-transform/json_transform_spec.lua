local testing = require "kong.response.testing"


local JSON = { ["Content-Type"] = "application/json" }


describe("json-transform", function()
  local run = testing.with {
    plugin = "examples.json-transform.plugin",
    config = { remove = { "internal" }, add = { served_by = "gateway" } },
  }

  it("removes and adds fields", function()
    local result = run { upstream = { headers = JSON, body = '{"internal":1,"name":"espresso"}' } }
    assert.response(result).has.status(200)
    assert.response(result).has.jsonbody { name = "espresso", served_by = "gateway" }
  end)

  it("leaves no Content-Length of the old body", function()
    local result = run { upstream = { headers = JSON, body = '{"internal":1}' } }
    assert.response(result).has_no.header("Content-Length")
    assert.response(result).has.header("Transfer-Encoding", "chunked")
  end)

  it("reads a body that comes in pieces", function()
    local result = run {
      upstream = { headers = JSON, body = { '{"intern', 'al":{"ip":"10.0.0.7"},', '"name":"x"}' } },
    }
    assert.response(result).has.jsonbody { name = "x", served_by = "gateway" }
  end)

  it("leaves other values as they are", function()
    local function sent(body)
      local result = run { upstream = { headers = JSON, body = body }, config = {} }
      assert.response(result).has.status(200)
      return result.body
    end
    assert.equal('{"a":null}', sent '{"a":null}')
    assert.equal('{"a":[1,0.1,"x",true]}', sent '{"a":[1,0.1,"x",true]}')
    assert.equal('{"a":{}}', sent '{"a":{}}')
    assert.equal('{"a":12345678901234}', sent '{"a":12345678901234}')
    assert.equal('{"a":[]}', sent '{"a":[]}')
    assert.equal('{"a":1234567890123456}', sent '{"a":1234567890123456}')
  end)

  it("knows JSON by its suffix, too", function()
    local result = run {
      upstream = {
        headers = { ["Content-Type"] = "application/hal+JSON; charset=utf-8" },
        body = '{"internal":1}',
      },
    }
    assert.response(result).has.jsonbody { served_by = "gateway" }
  end)

  it("refuses a gzipped body, and does not pass it on", function()
    local result = run {
      upstream = {
        headers = { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" },
        body = "\31\139\8\0\0\0\0\0",
      },
    }
    assert.response(result).has.status(502)
    assert.response(result).has_no.header("Content-Encoding")
    assert.response(result).has.jsonbody {
      message = "The upstream has answered with an encoding that is not understood: gzip",
    }
  end)

  it("leaves an answer alone that has no body", function()
    for _, status in ipairs { 204, 304 } do
      local headers = {
        ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip", ETag = '"1"',
      }
      local result = run { upstream = { status = status, headers = headers } }
      assert.response(result).has.status(status)
      assert.response(result).has.header("Content-Encoding", "gzip")
    end
  end)

  it("leaves no ETag of the upstream's body in a 304", function()
    local headers = { ["Content-Type"] = "application/json", ETag = '"1"' }
    local result = run { upstream = { status = 304, headers = headers } }
    assert.response(result).has.status(304)
    assert.response(result).has_no.header("ETag")
    result = run { request = { method = "HEAD" }, upstream = { headers = headers } }
    assert.response(result).has_no.header("ETag")
    assert.response(result).has_no.header("Content-Length")
  end)

  it("leaves other bodies alone", function()
    local result = run {
      upstream = { headers = { ["Content-Type"] = "text/plain" }, body = '{"internal":1}' },
    }
    assert.response(result).has.body('{"internal":1}')
    assert.response(result).has.header("Content-Length", 14)
  end)

  it("leaves the answers of plugins alone", function()
    local result = testing.run {
      plugins = {
        { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {} } },
        { plugin = "examples.json-transform.plugin", config = { remove = { "message" } } },
      },
    }
    assert.response(result).has.jsonbody { message = "No API key found in request" }
  end)

  it("does not pass on what it cannot read", function()
    local result = run { upstream = { headers = JSON, body = '{"internal":' } }
    assert.response(result).has.jsonbody { message = "The upstream has not answered with JSON" }
  end)

  it("sends nothing of a body that is cut off", function()
    local result = run {
      upstream = { headers = JSON, body = { '{"internal":1,', '"a":2}' }, failure = "cut_off" },
    }
    assert.response(result).has.body("")
    assert.is_true(result.truncated)
  end)
end)
