-- A gateway whose own tables throw: that may be anything, but what a plugin gets is a string.

local stages = require "spec.support.stages"
local served = require "spec.support.served"


-- Every function, with arguments that are good in its phase.
local CALLS = {
  header_filter = {
    "get_status()", "get_header('a')", "get_headers()", "get_source()", "set_status(200)",
    "set_header('a', 'b')", "add_header('a', 'b')", "clear_header('a')", "set_headers({})",
    "exit(200)", "error(500)",
  },
  body_filter = { "get_raw_body()", "set_raw_body('a')" },
}

-- A table that throws where a field is not there.
local THROWING = "setmetatable(%s, { __index = function() error(%s, 0) end })"

-- The raised values, and the texts of the errors.
local THROWN = {
  { "{}", "(error object is a table value)" },
  { "nil", "(error object is a nil value)" },
  { "'why'", "why" },
}


for _, jit_mode in ipairs { "on", "off" } do
  served.describe("a gateway whose tables throw, with the JIT " .. jit_mode, function()
    return stages.start({
      init = "jit." .. jit_mode .. "()",
    })
  end, function(server)
    --- Notes what `call` raises while the global `kong` is `kong`.
    local function raised(phase, kong, call)
      local code = ([[
        if not ngx.ctx.done then
          ngx.ctx.done = true
          rawset(_G, "kong", %s)
          local ok, err = pcall(function() return (response.%s) end)
          rawset(_G, "kong", nil)
          note(ok, type(err), err)
        end
      ]]):format(kong, call)
      return server:run({ path = "/", [phase] = code }).notes
    end

    for phase, calls in pairs(CALLS) do
      for _, call in ipairs(calls) do
        it(call .. " raises a string", function()
          for _, case in ipairs(THROWN) do
            local kong = THROWING:format("{}", case[1])
            assert.same({ false, "string", "plugin.lua:4: " .. case[2] },
                        raised(phase, kong, call))
          end
        end)
      end
    end

    it("get_headers() raises a string if the configuration cannot be read", function()
      for _, case in ipairs(THROWN) do
        local throwing = THROWING:format("{ ctx = {} }", case[1])
        for _, kong in ipairs {
          throwing,
          "{ configuration = " .. throwing .. " }",
        } do
          local notes = raised("header_filter", "(function() ngx.ctx.KONG_PHASE = 0x200 return "
            .. kong .. " end)()", "get_headers()")
          assert.same({ false, "string", "plugin.lua:4: " .. case[2] }, notes)
        end
      end
    end)

    it("the phase check reads kong.ctx through __index", function()
      local kong = "setmetatable({}, { __index = function(_, name) return name == 'ctx' end })"
      local _, _, message = unpack(raised("header_filter", kong, "get_status()"))
      assert.equal("plugin.lua:4: no phase in ngx.ctx.KONG_PHASE, (need one of response,"
                   .. " header_filter, body_filter, log, error, admin_api)", message)
    end)
  end)
end
