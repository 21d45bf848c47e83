local testing = require "kong.response.testing"
local zlib = require "zlib"


local function gzip(text)
  return (zlib.deflate(9, 31)(text, "finish"))
end


local JSON = '{"internal":1,"name":"espresso"}'


local function packed(body, headers)
  local all = { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" }
  for name, value in pairs(headers or {}) do
    all[name] = value
  end
  return { headers = all, body = body }
end


describe("gunzip", function()
  local run = testing.with {
    plugin = "examples.gunzip.plugin",
    config = { max_size = 100000 },
  }

  it("unpacks a body, and says so", function()
    local result = run { upstream = packed(gzip(JSON)) }
    assert.response(result).has.body(JSON)
    assert.response(result).has_no.header("Content-Encoding")
    assert.response(result).has_no.header("Content-Length")
  end)

  it("unpacks a body that comes in pieces", function()
    local body, pieces = gzip(JSON), {}
    for i = 1, #body, 5 do
      pieces[#pieces + 1] = body:sub(i, i + 4)
    end
    assert.response(run { upstream = packed(pieces) }).has.body(JSON)
  end)

  it("unpacks a body of several members", function()
    local long = ("espresso "):rep(5000)
    assert.response(run { upstream = packed(gzip("one ") .. gzip(long) .. gzip("two")) })
      .has.body("one " .. long .. "two")
  end)

  it("lets plugins behind it read the body", function()
    local result = testing.run {
      plugins = {
        { plugin = "examples.json-transform.plugin", config = { remove = { "internal" } } },
        { plugin = "examples.gunzip.plugin" },
      },
      upstream = packed(gzip(JSON)),
    }
    assert.response(result).has.jsonbody { name = "espresso" }
  end)

  it("weakens the ETag: the bytes are others", function()
    local result = run {
      upstream = packed(gzip(JSON), { ETag = '"1"', ["Accept-Ranges"] = "bytes" }),
    }
    assert.response(result).has.header("ETag", 'W/"1"')
    assert.response(result).has_no.header("Accept-Ranges")
    result = run { upstream = packed(gzip(JSON), { ETag = 'W/"1"' }) }
    assert.response(result).has.header("ETag", 'W/"1"')
  end)

  it("unpacks exactly as much as is allowed", function()
    assert.response(run { upstream = packed(gzip(("x"):rep(100000))) }).has.body(("x"):rep(100000))
  end)

  it("does not unpack a bomb", function()
    -- It fails on purpose, which strict mode finds.
    local result = run { upstream = packed(gzip(("x"):rep(10000000))), strict = false }
    assert.is_true(result.truncated)
    assert.response(result).has.body("")
    assert.matches("cannot be unpacked: it has more than 100000 bytes", result.log.err[1], 1, true)
  end)

  it("breaks off what is no gzip, or not all of it", function()
    local result = run { upstream = packed("espresso"), strict = false }
    assert.is_true(result.truncated)
    assert.response(result).has.body("")
    result = run { upstream = packed(gzip(JSON):sub(1, -9)), strict = false }
    assert.is_true(result.truncated)
    assert.matches("cannot be unpacked: it ends too early", result.log.err[1], 1, true)
  end)

  it("leaves a part of a packed body alone", function()
    local upstream = packed(gzip(JSON):sub(1, 10), { ["Content-Range"] = "bytes 0-9/50" })
    upstream.status = 206
    local result = testing.run { plugin = "examples.gunzip.plugin", upstream = upstream }
    assert.response(result).has.body(gzip(JSON):sub(1, 10))
    assert.response(result).has.header("Content-Encoding", "gzip")
  end)

  it("leaves other bodies alone", function()
    local result = run { upstream = { headers = { ["Content-Encoding"] = "br" }, body = "\139" } }
    assert.response(result).has.header("Content-Encoding", "br")
    assert.response(result).has.header("Content-Length", 1)
    result = run { upstream = { body = JSON } }
    assert.response(result).has.header("Content-Length", #JSON)
  end)

  it("answers HEAD without a body", function()
    local result = run { request = { method = "HEAD" }, upstream = packed(gzip(JSON)) }
    assert.response(result).has.status(200)
    assert.response(result).has_no.header("Content-Encoding")
    assert.is_false(result.truncated)
  end)
end)
