local testing = require "kong.response.testing"


describe("security-headers", function()
  local run = testing.with { plugin = "examples.security-headers.plugin" }

  it("sets the defaults", function()
    local result = run()
    assert.response(result).has.header("X-Content-Type-Options", "nosniff")
    assert.response(result).has.header("X-Frame-Options", "DENY")
    assert.response(result).has.header("Referrer-Policy", "no-referrer")
  end)

  it("wants https only where the request came by https", function()
    assert.response(run()).has_no.header("Strict-Transport-Security")
    assert.response(run { request = { scheme = "https" } })
      .has.header("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
  end)

  it("takes away what tells too much", function()
    local result = run {
      upstream = { headers = { ["X-Powered-By"] = "PHP/5.3", ["X-AspNet-Version"] = "2.0" } },
    }
    assert.response(result).has_no.header("Server")
    assert.response(result).has_no.header("X-Powered-By")
    assert.response(result).has_no.header("X-AspNet-Version")
  end)

  it("respects what the upstream has set", function()
    local result = run { upstream = { headers = { ["X-Frame-Options"] = "SAMEORIGIN" } } }
    assert.response(result).has.header("X-Frame-Options", { "SAMEORIGIN" })
  end)

  it("overrides it if told to", function()
    local result = run {
      config = { override = true },
      upstream = { headers = { ["X-Frame-Options"] = "SAMEORIGIN" } },
    }
    assert.response(result).has.header("X-Frame-Options", { "DENY" })
  end)

  it("sets what the configuration says", function()
    local result = run {
      config = { headers = { ["Content-Security-Policy"] = "default-src 'self'" } },
    }
    assert.response(result).has.header("content-security-policy", "default-src 'self'")
  end)

  it("guards the answers of other plugins, too", function()
    local result = testing.run {
      plugins = {
        { plugin = "examples.security-headers.plugin" },
        { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {} } },
      },
    }
    assert.response(result).has.status(401)
    assert.response(result).has.header("X-Content-Type-Options", "nosniff")
  end)

  it("guards the gateway's own errors", function()
    local result = run { upstream = { failure = "timeout" } }
    assert.response(result).has.status(504)
    assert.response(result).has.header("X-Content-Type-Options", "nosniff")
  end)
end)
