local testing = require "kong.response.testing"


describe("hop-by-hop", function()
  local run = testing.with {
    plugin = "examples.hop-by-hop.plugin",
    config = {
      response = {
        status = 200,
        headers = {
          ["Content-Type"] = "text/plain",
          ["Set-Cookie"] = { "a=1", "b=2" },
          ["connection"] = { "keep-alive", "X-Hop" },
          ["Keep-Alive"] = "timeout=5",
          ["Transfer-Encoding"] = "chunked",
          ["Content-Length"] = "99",
          ["X-Hop"] = "1",
        },
        body = "espresso",
      },
    },
  }

  it("sends the headers that are meant for the client", function()
    local result = run()
    assert.response(result).has.status(200)
    assert.response(result).has.header("Set-Cookie", { "a=1", "b=2" })
    assert.response(result).has.body("espresso")
  end)

  it("sends none of the connection, and no warning is logged", function()
    for _, version in ipairs { 1.1, 2 } do
      local result = run { request = { http_version = version } }
      assert.response(result).has_no.header("Keep-Alive")
      assert.response(result).has_no.header("Transfer-Encoding")
      assert.response(result).has_no.header("X-Hop")
      assert.response(result).has.header("Content-Length", 8)
      assert.equal(0, #result.log)
    end
  end)

  it("does more than exit, which ignores the known ones with warnings", function()
    local result = testing.run {
      plugin = {
        access = function(_, config)
          return kong.response.exit(200, "espresso", config.headers)
        end,
      },
      config = {
        headers = { ["Transfer-Encoding"] = "chunked", Connection = "X-Hop", ["X-Hop"] = 1 },
      },
      request = { http_version = 2 },
    }
    assert.response(result).has_no.header("Transfer-Encoding")
    assert.response(result).has_no.header("Connection")
    assert.response(result).has.header("X-Hop")
    assert.equal(2, #result.log.warn)
  end)
end)
