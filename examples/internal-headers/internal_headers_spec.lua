local testing = require "kong.response.testing"


-- A response of so many headers; the last one is the trace.
local function upstream_with(count)
  local headers = {}
  for i = 1, count - 1 do
    headers[i] = { i % 3 == 0 and "X-Public-" .. i or "X-Internal-" .. i, tostring(i) }
  end
  headers[count] = { "X-Internal-Trace", "4711" }
  return { headers = headers, body = "espresso" }
end


describe("internal-headers", function()
  local run = testing.with {
    plugin = "examples.internal-headers.plugin",
    config = { prefix = "X-Internal-", shown = { ["X-Internal-Trace"] = "X-Trace-Id" } },
  }

  it("keeps 300 headers inside, and reads the last of them", function()
    local result = run { upstream = upstream_with(300) }
    assert.response(result).has.status(200)
    assert.response(result).has.body("espresso")
    assert.response(result).has.header("X-Trace-Id", 4711)
    local public = 0
    for _, header in ipairs(result.headers) do
      assert.is_nil(header[1]:lower():find("^x%-internal%-"), header[1])
      public = public + (header[1]:find("^X%-Public%-") and 1 or 0)
    end
    assert.equal(99, public)
  end)

  it("removes each of several headers of one name", function()
    local result = run { upstream = { headers = { ["X-Internal-Node"] = { "a", "b" } } } }
    assert.response(result).has_no.header("X-Internal-Node")
    assert.response(result).has_no.header("X-Trace-Id")
  end)

  it("lets nothing out where it cannot see all", function()
    local result = run { upstream = upstream_with(1100) }
    assert.response(result).has.status(500)
    assert.equal("error", result.source)
    assert.matches("more than 1000 headers", result.log.err[1], 1, true)
    for _, header in ipairs(result.headers) do
      assert.is_nil(header[1]:lower():find("^x%-internal%-"), header[1])
    end
  end)
end)
