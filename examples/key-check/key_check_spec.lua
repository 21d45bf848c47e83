local testing = require "kong.response.testing"


describe("key-check", function()
  local run = testing.with {
    plugin = "examples.key-check.plugin",
    config = {
      header = "apikey",
      keys = {
        ["key-of-alice"] = { name = "alice" },
        ["key-of-bob"] = { name = "bob", disabled = true },
      },
    },
    upstream = { headers = { ["Content-Type"] = "text/plain" }, body = "espresso" },
  }

  it("asks for a key", function()
    local result = run()
    assert.response(result).has.status(401)
    assert.response(result).has.header("WWW-Authenticate", 'Key realm="coffee"')
    assert.response(result).has.header("Cache-Control", { "no-store", "private" })
    assert.response(result).has.jsonbody { message = "No API key found in request" }
  end)

  it("does not let a request without a key reach the upstream", function()
    local result = run()
    assert.is_false(result.upstream_called)
    assert.is_true(result.exited)
    assert.equal("exit", result.source)
    assert.same({ "rewrite", "access", "header_filter", "body_filter", "log" }, result.phases)
  end)

  it("lets a key pass", function()
    local result = run { request = { headers = { apikey = "key-of-alice" } } }
    assert.response(result).has.status(200)
    assert.response(result).has.body("espresso")
    assert.is_true(result.upstream_called)
  end)

  it("tells whose key it is", function()
    local result = run { request = { headers = { apikey = "key-of-alice" } } }
    assert.response(result).has.header("X-Consumer", "alice")
    assert.response(result).has.header("Vary", "apikey")
  end)

  it("keeps the upstream's Vary", function()
    local result = run {
      request = { headers = { apikey = "key-of-alice" } },
      upstream = { headers = { Vary = "Accept" } },
    }
    assert.response(result).has.header("Vary", { "Accept", "apikey" })
  end)

  it("refuses a key that it does not know, as JSON", function()
    local result = run { request = { id = "4711", headers = { apikey = "wrong" } } }
    assert.response(result).has.status(403)
    assert.response(result).has.header("Cache-Control", "no-store")
    assert.response(result).has.jsonbody {
      message = 'The key "wrong" is not known here',
      request_id = "4711",
    }
  end)

  it("refuses it in the format that the client asks for, with no way to inject markup", function()
    local result = run { request = { headers = { apikey = "<b>", Accept = "text/html" } } }
    assert.response(result).has.header("Content-Type", "text/html; charset=utf-8")
    assert.matches('The key "&lt;b&gt;" is not known here', result.body, 1, true)
  end)

  it("refuses a key that is no longer in use", function()
    local result = run { request = { headers = { apikey = "key-of-bob" } } }
    assert.response(result).has.status(403)
    assert.response(result).has_no.header("X-Consumer")
    assert.response(result).has.jsonbody { message = "This key is no longer in use" }
  end)

  it("refuses two keys", function()
    local result = run { request = { headers = { apikey = { "key-of-alice", "key-of-bob" } } } }
    assert.response(result).has.status(400)
  end)

  it("leaves the answer alone when the upstream is down", function()
    local result = run {
      request = { headers = { apikey = "key-of-alice" } },
      upstream = { failure = "refused" },
    }
    assert.response(result).has.status(502)
    assert.equal("error", result.source)
  end)
end)
