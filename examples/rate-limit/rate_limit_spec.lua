local testing = require "kong.response.testing"


describe("rate-limit", function()
  -- A worker of its own for each case: its requests share the counters and the clock.
  local run

  before_each(function()
    run = testing.worker {
      plugin = "examples.rate-limit.plugin",
      config = { limit = 2 },
      shared = { "rate_limit" },
      clock = 999999972.5, -- 47.5 seconds before the end of a minute
      upstream = { headers = { ["Content-Type"] = "text/plain" }, body = "espresso" },
    }
  end)

  it("tells how many requests are left", function()
    local result = run()
    assert.response(result).has.status(200)
    assert.response(result).has.body("espresso")
    assert.response(result).has.header("RateLimit-Limit", 2)
    assert.response(result).has.header("RateLimit-Remaining", 1)
    assert.response(result).has.header("RateLimit-Reset", 48)
    assert.response(result).has_no.header("Retry-After")
  end)

  it("refuses one too many, and tells when to come back", function()
    run()
    run()
    local result = run { request = { id = "4711" } }
    assert.response(result).has.status(429)
    assert.response(result).has.header("Retry-After", 48)
    assert.response(result).has.header("RateLimit-Remaining", 0)
    assert.response(result).has.jsonbody {
      message = "Too many requests: 2 in 60 seconds are allowed",
      request_id = "4711",
    }
    assert.is_false(result.upstream_called)
  end)

  it("refuses in the format that the client asks for", function()
    run()
    run()
    local result = run { request = { headers = { Accept = "text/html" } } }
    assert.response(result).has.header("Content-Type", "text/html; charset=utf-8")
    assert.matches("<p>Too many requests: 2 in 60 seconds are allowed.</p>", result.body, 1, true)
    result = run { request = { id = "4711", headers = { Accept = "text/plain" } } }
    assert.response(result).has.body(
      "Too many requests: 2 in 60 seconds are allowed\nrequest_id: 4711\n")
    result = run {
      request = { http_version = 2, headers = { ["Content-Type"] = "application/grpc" } },
    }
    assert.response(result).has.header("grpc-status", 8) -- RESOURCE_EXHAUSTED
  end)

  it("counts anew in the next window", function()
    run()
    run()
    testing.advance(47.5)
    local result = run()
    assert.response(result).has.status(200)
    assert.response(result).has.header("RateLimit-Reset", 60)
  end)

  it("counts each address on its own", function()
    run()
    run()
    assert.response(run { request = { client = { ip = "192.0.2.7" } } }).has.status(200)
  end)

  it("lets requests pass that it cannot count", function()
    local full = { incr = function() return nil, "no memory" end }
    local result = run { ngx = { shared = { rate_limit = full } } }
    assert.response(result).has.status(200)
    assert.response(result).has_no.header("RateLimit-Limit")
    assert.same({ "requests cannot be counted: no memory" }, result.log.err)
  end)
end)
