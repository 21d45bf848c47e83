local testing = require "kong.response.testing"


local TRACE = "<pre>java.lang.NullPointerException at com.example.Espresso</pre>"


describe("upstream-errors", function()
  local run = testing.with {
    plugin = "examples.upstream-errors.plugin",
    config = { messages = { [503] = "We are back at noon" } },
  }

  local function failing(status, headers)
    headers = headers or { ["Content-Type"] = "text/html" }
    return { status = status, headers = headers, body = TRACE }
  end

  it("replaces the page by one in the client's format", function()
    local result = run {
      request = { id = "4711", headers = { Accept = "text/html" } },
      upstream = failing(500),
    }
    assert.response(result).has.status(500)
    assert.response(result).has.header("Content-Type", "text/html; charset=utf-8")
    assert.response(result).has.header("Content-Length", #result.body)
    assert.is_nil(result.body:find("java", 1, true))
    assert.matches("<p>An unexpected error occurred.</p>", result.body, 1, true)
    assert.matches("<p>request_id: 4711</p>", result.body, 1, true)

    result = run { request = { id = "4711" }, upstream = failing(502) }
    assert.response(result).has.jsonbody {
      message = "An invalid response was received from the upstream server",
      request_id = "4711",
    }
  end)

  it("says what the configuration says", function()
    local result = run {
      request = { id = "4711", headers = { Accept = "text/plain" } },
      upstream = failing(503, { ["Retry-After"] = "120" }),
    }
    assert.response(result).has.body("We are back at noon\nrequest_id: 4711\n")
    assert.response(result).has.header("Retry-After", 120)
  end)

  it("keeps no header that is about the old page", function()
    local result = run {
      upstream = failing(500, {
        ["Content-Type"] = "text/html", ["Content-Encoding"] = "gzip", ["Content-Language"] = "de",
        ETag = '"1"', ["Last-Modified"] = "Thu, 01 Jan 1970 00:00:00 GMT",
        ["Cache-Control"] = "max-age=600", Expires = "Thu, 01 Jan 1970 00:00:00 GMT",
        ["Set-Cookie"] = "a=1",
      }),
    }
    for _, name in ipairs {
      "Content-Encoding", "Content-Language", "ETag", "Last-Modified", "Cache-Control", "Expires",
    } do
      assert.response(result).has_no.header(name)
    end
    assert.response(result).has.header("Set-Cookie", "a=1")
  end)

  it("replaces a page that comes in pieces", function()
    local result = run { upstream = { status = 500, body = { "java", ".lang", "." } } }
    assert.is_nil(result.body:find("java", 1, true))
    assert.equal("An unexpected error occurred", result.json().message)
  end)

  it("tells the log", function()
    assert.same({ "the upstream has answered 500" }, run { upstream = failing(500) }.log.warn)
  end)

  it("leaves other responses alone", function()
    local result = run { upstream = failing(404) }
    assert.response(result).has.body(TRACE)
    result = run { upstream = failing(200) }
    assert.response(result).has.body(TRACE)
  end)

  it("leaves the pages of plugins and of the gateway alone", function()
    local result = testing.run {
      plugins = {
        { plugin = "examples.upstream-errors.plugin", config = {} },
        { plugin = { access = function() return kong.response.exit(503, "closed") end } },
      },
    }
    assert.response(result).has.body("closed")
    result = run { upstream = { failure = "timeout" } }
    assert.response(result).has.status(504)
    assert.equal("error", result.source)
  end)
end)
