local testing = require "kong.response.testing"


local FILE = "spec/kit/warnings_spec.lua"


-- Everything that production warns of, at once.
local PLUGIN = {
  header_filter = function()
    if kong.response.get_status() == 403 then
      kong.response.exit(403, "no")
    end
  end,
  body_filter = function()
    local body = kong.response.get_raw_body()
    if body then
      kong.response.set_raw_body(body .. "!")
    end
  end,
}

local UPSTREAM = { headers = { ["Content-Encoding"] = "gzip" }, body = "abc" }


local function without_positions(lines)
  local texts = {}
  for i = 1, #lines do
    local position, text = lines[i]:match("^(.-:%d+): (.*)$")
    assert.equal(1, position:find(FILE .. ":", 1, true))
    texts[i] = text
  end
  return texts
end


local function log_of(upstream)
  return testing.run({ plugin = PLUGIN, upstream = upstream, strict = false }).log.warn
end


describe("warnings in the log of a result", function()
  it("are production's warnings, in each test again", function()
    for _ = 1, 2 do
      assert.same({
        "get_raw_body read a body with Content-Encoding: gzip",
        "Content-Length: 3 was left in place, and set_raw_body made the body 4 bytes",
      }, without_positions(log_of(UPSTREAM)))
      assert.same({
        "Content-Length: 2 was left in place, and set_raw_body made the body 3 bytes",
      }, without_positions(log_of({ status = 403 })))
    end
  end)

  it("have the words of strict mode for a body", function()
    local ok, err = pcall(testing.run, { plugin = PLUGIN, upstream = UPSTREAM, strict = true })
    assert.is_false(ok)
    local log = log_of(UPSTREAM)
    for _, text in ipairs(without_positions(log)) do
      assert.matches("\n  " .. text .. ", at " .. FILE .. ":", err, 1, true)
    end
  end)

  it("have the words of strict mode for a replaced encoded body", function()
    local case = {
      plugin = {
        header_filter = function() kong.response.clear_header("Content-Length") end,
        body_filter = function() kong.response.set_raw_body("plain") end,
      },
      upstream = UPSTREAM,
      strict = false,
    }
    local log = without_positions(testing.run(case).log.warn)
    assert.same({ "Content-Encoding: gzip was left in place, and set_raw_body replaced the body" },
                log)
    case.strict = nil
    local ok, err = pcall(testing.run, case)
    assert.is_false(ok)
    assert.matches("\n  " .. log[1] .. ", at " .. FILE .. ":", err, 1, true)
  end)

  it("can be turned off", function()
    local response = require("kong.response.instance").new { warnings = false }
    local result = testing.run {
      strict = false,
      plugin = {
        header_filter = function() response.exit(200, "x") end,
        body_filter = function() response.set_raw_body("longer") end,
      },
    }
    assert.equal(0, #result.log)
  end)
end)
