-- The phases in which the life cycle calls handlers directly. In rewrite and access it runs each
-- handler in a coroutine, and LuaJIT does not compile coroutine.create and coroutine.resume.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local INIT = [==[
  compiled = require "compiled"
  results = {}

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
    header_filter_by_lua_block {
      results.header_filter = compiled.result "lifecycle.header_filter()"
    }
    body_filter_by_lua_block {
      results.body_filter = results.body_filter
        or compiled.result "lifecycle.body_filter()"
    }
    log_by_lua_block {
      results.log = compiled.result "lifecycle.log()"
      results.gsub = compiled.result "('x'):gsub('x', 'y')"
    }
  }
  location = /results {
    content_by_lua_block { ngx.print(results[ngx.var.arg_phase]) }
  }
]]


served.describe("LuaJIT", function()
  return nginx.start {
    init = INIT, locations = LOCATIONS, log_level = "warn",
    files = { ["compiled.lua"] = nginx.read "compiled.lua" },
  }
end, function(server)
  for _, phase in ipairs { "header_filter", "body_filter", "log" } do
    it("compiles the life cycle's " .. phase, function()
      server:get("/")
      assert.equal("compiled", server:get("/results?phase=" .. phase).body)
    end)
  end

  it("does not compile string.gsub, so the other cases can fail", function()
    server:get("/")
    assert.equal("not compiled\n", server:get("/results?phase=gsub").body)
  end)
end)
