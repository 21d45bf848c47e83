local testing = require "kong.response.testing"


describe("large-body", function()
  local run = testing.with {
    plugin = "examples.large-body.plugin",
    config = { replace = "db7.internal", by = "100 %", max_size = 20 },
  }

  it("replaces the text in a small body", function()
    local result = run { upstream = { body = "from db7.internal" } }
    assert.response(result).has.body("from 100 %")
    assert.response(result).has_no.header("Content-Length")
  end)

  it("refuses a body that is too large, and one of unknown length", function()
    for _, body in ipairs { ("x"):rep(21), { "from ", "db7.internal" } } do
      local result = run { upstream = { body = body } }
      assert.response(result).has.status(502)
      assert.response(result).has.jsonbody {
        message = "The upstream's body is too large to be checked",
      }
    end
  end)

  it("leaves responses without a body alone", function()
    local result = run { request = { method = "HEAD" }, upstream = { body = ("x"):rep(21) } }
    assert.response(result).has.header("Content-Length", 21)
    assert.response(run { upstream = { status = 304 } }).has.status(304)
  end)
end)
