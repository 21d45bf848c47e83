local testing = require "kong.response.testing"


local SHOP = "https://shop.example"


describe("cors", function()
  local CONFIG = {
    origins = { SHOP, "https://other.example" },
    methods = { "GET", "DELETE" },
    headers = { "Content-Type", "apikey" },
    exposed_headers = { "X-Consumer", "X-Trace-Id" },
    credentials = true,
    max_age = 600,
  }

  local run = testing.with { plugin = "examples.cors.plugin", config = CONFIG }

  local function preflight(origin)
    return {
      method = "OPTIONS",
      headers = { Origin = origin, ["Access-Control-Request-Method"] = "DELETE" },
    }
  end

  it("answers what a browser asks beforehand", function()
    local result = run { request = preflight(SHOP) }
    assert.response(result).has.status(204)
    assert.response(result).has.header("Access-Control-Allow-Origin", SHOP)
    assert.response(result).has.header("Access-Control-Allow-Methods", "GET, DELETE")
    assert.response(result).has.header("Access-Control-Allow-Headers", "Content-Type, apikey")
    assert.response(result).has.header("Access-Control-Allow-Credentials", "true")
    assert.response(result).has.header("Access-Control-Max-Age", 600)
    assert.response(result).has.header("Vary", "Origin")
    assert.response(result).has.body("")
    assert.response(result).has_no.header("Content-Length")
    assert.is_false(result.upstream_called)
  end)

  it("answers before a plugin that wants a key, which browsers do not send then", function()
    local result = testing.run {
      plugins = {
        { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {} } },
        { plugin = "examples.cors.plugin", config = CONFIG },
      },
      request = preflight(SHOP),
    }
    assert.response(result).has.status(204)
  end)

  it("lets a page read the response", function()
    local result = run { request = { headers = { Origin = SHOP } }, upstream = { body = "x" } }
    assert.response(result).has.body("x")
    assert.response(result).has.header("Access-Control-Allow-Origin", SHOP)
    assert.response(result).has.header("Access-Control-Expose-Headers", "X-Consumer, X-Trace-Id")
    assert.response(result).has_no.header("Access-Control-Allow-Methods")
  end)

  it("lets a page read the answers of plugins and of the gateway", function()
    local refused = testing.run {
      plugins = {
        { plugin = "examples.cors.plugin", config = CONFIG },
        { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {} } },
      },
      request = { headers = { Origin = SHOP } },
    }
    assert.response(refused).has.status(401)
    assert.response(refused).has.header("Access-Control-Allow-Origin", SHOP)
    local failed = run { request = { headers = { Origin = SHOP } },
                         upstream = { failure = "timeout" } }
    assert.response(failed).has.status(504)
    assert.response(failed).has.header("Access-Control-Allow-Origin", SHOP)
  end)

  it("sets one origin where the upstream has set one, too, and keeps its Vary", function()
    local result = run {
      request = { headers = { Origin = SHOP } },
      upstream = { headers = { ["Access-Control-Allow-Origin"] = "*", Vary = "Accept" } },
    }
    assert.response(result).has.header("Access-Control-Allow-Origin", { SHOP })
    assert.response(result).has.header("Vary", { "Accept", "Origin" })
  end)

  it("allows nothing to pages of other origins", function()
    for _, request in ipairs {
      preflight("https://evil.example"),
      { headers = { Origin = "https://evil.example" } },
      { headers = { Origin = "null" } },
      { headers = { Origin = SHOP .. ".evil.example" } },
      { headers = { Origin = { SHOP, SHOP } } },
    } do
      local result = run { request = request }
      assert.response(result).has_no.header("Access-Control-Allow-Origin")
      assert.response(result).has_no.header("Access-Control-Allow-Credentials")
      assert.response(result).has.header("Vary", "Origin")
    end
  end)

  it("tells caches that responses differ by origin, also without one", function()
    assert.response(run()).has.header("Vary", "Origin")
  end)

  it("allows every origin, and then no cookies", function()
    local result = run {
      config = { origins = { "*" }, credentials = true },
      request = { headers = { Origin = "https://anyone.example" } },
    }
    assert.response(result).has.header("Access-Control-Allow-Origin", "*")
    assert.response(result).has_no.header("Access-Control-Allow-Credentials")
    assert.response(result).has_no.header("Vary")
  end)

  it("passes an OPTIONS that is no preflight", function()
    local result = run { request = { method = "OPTIONS", headers = { Origin = SHOP } } }
    assert.is_true(result.upstream_called)
  end)
end)
