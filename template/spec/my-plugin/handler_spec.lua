local testing = require "kong.response.testing"


describe("my-plugin", function()
  local run = testing.with { plugin = "my-plugin", upstream = { body = "espresso" } }

  it("asks for a key", function()
    local result = run()
    assert.response(result).has.status(401)
    assert.response(result).has.jsonbody { message = "No API key found" }
  end)

  it("adds a header to the response", function()
    local result = run { request = { headers = { apikey = "secret" } } }
    assert.response(result).has.header("X-Plugin", "my-plugin")
    assert.response(result).has.body("espresso")
  end)
end)
