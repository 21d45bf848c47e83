local testing = require "kong.response.testing"


describe("websocket-guard", function()
  local run = testing.with {
    plugin = "examples.websocket-guard.plugin",
    config = { origins = { "https://shop.example" } },
    upstream = { body = "espresso" },
  }

  local function upgrade(origin, value)
    return { headers = { Connection = "Upgrade", Upgrade = value or "websocket", Origin = origin } }
  end

  it("refuses other origins, and a client without one, with a reason", function()
    for _, request in ipairs { upgrade("https://evil.example"), upgrade(nil),
                               upgrade("https://evil.example", { "h2c", "h3, WebSocket" }) } do
      local result = run { request = request }
      assert.response(result).has.status(403)
      assert.equal("WebSockets from this origin are not allowed", result.json().message)
      assert.is_false(result.upstream_called)
    end
  end)

  it("lets an allowed origin pass", function()
    assert.is_true(run({ request = upgrade("https://shop.example") }).upstream_called)
  end)

  it("leaves other requests alone", function()
    local page = { headers = { Origin = "https://evil.example" } }
    assert.is_true(run({ request = page }).upstream_called)
    assert.is_true(run({ request = upgrade("https://evil.example", "h2c") }).upstream_called)
  end)

  it("answers, where a plugin that decides in header_filter closes the connection", function()
    local late = {
      header_filter = function()
        return kong.response.exit(403, "no")
      end,
    }
    local result = testing.run {
      plugin = late,
      request = upgrade("https://evil.example"),
      upstream = { status = 101, headers = { Connection = "Upgrade", Upgrade = "websocket" } },
    }
    assert.is_true(result.closed)
  end)
end)
