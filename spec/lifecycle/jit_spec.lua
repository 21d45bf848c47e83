-- The phases in which the life cycle calls handlers directly. In rewrite and access it runs each
-- handler in a coroutine, and LuaJIT does not compile coroutine.create and coroutine.resume.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


-- Calls a phase in a loop, and says whether LuaJIT has compiled all of the loop, or why not.
local INIT = [==[
  local util = require "jit.util"
  local vmdef = require "jit.vmdef"
  results = {}

  function is_compiled(call)
    local is_loop, aborts = false, {}
    local function watch(what, trace, func, _, code, info)
      if what == "stop" and util.traceinfo(trace).linktype == "loop" then
        is_loop = true
      elseif what == "abort" then
        local where = util.funcinfo(func)
        aborts[#aborts + 1] = vmdef.traceerr[code]:format(tostring(info)) .. " in "
                              .. tostring(where.loc)
      end
    end
    jit.flush()
    jit.attach(watch, "trace")
    for _ = 1, 2000 do
      call()
    end
    jit.attach(watch)
    return is_loop and "compiled" or "not compiled\n" .. table.concat(aborts, "\n")
  end

  local plugin = {}
  function plugin:header_filter(config)
    config.seen = kong.response.get_header("X-Seen")
    kong.response.set_header("X-Seen", "yes")
  end
  function plugin:body_filter(config)
    config.last = ngx.arg[2]
  end
  function plugin:log(config)
    config.status = kong.response.get_status()
  end
  lifecycle = require("kong.response.lifecycle").new { { plugin = plugin } }
]==]

local LOCATIONS = [[
  location = / {
    content_by_lua_block { ngx.print("ok") }
    header_filter_by_lua_block { results.header_filter = is_compiled(lifecycle.header_filter) }
    body_filter_by_lua_block {
      results.body_filter = results.body_filter or is_compiled(lifecycle.body_filter)
    }
    log_by_lua_block {
      results.log = is_compiled(lifecycle.log)
      results.gsub = is_compiled(function() return (("x"):gsub("x", "y")) end)
    }
  }
  location = /results {
    content_by_lua_block { ngx.print(results[ngx.var.arg_phase]) }
  }
]]


served.describe("LuaJIT compiles the life cycle", function()
  return nginx.start { init = INIT, locations = LOCATIONS, log_level = "warn" }
end, function(server)
  for _, phase in ipairs { "header_filter", "body_filter", "log" } do
    it("in " .. phase, function()
      server:get("/")
      assert.equal("compiled", server:get("/results?phase=" .. phase).body)
    end)
  end

  it("and not string.gsub, so that the other tests can fail", function()
    server:get("/")
    assert.equal("not compiled\n", server:get("/results?phase=gsub").body)
  end)
end)
