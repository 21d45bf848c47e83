--- Servers with the build of the library in which a test can order faults: `make build-faults`.
--
--     faults.describe("a fault", "on", function(server)
--       it("in get_status is an error string", function()
--         local r = server:get(faults.path("/", {
--           access = "core.order_fault('panic', 0) response.get_status()",
--         }))
--         assert.equal(500, r.status)
--       end)
--     end)

local assert = require "luassert"
local busted = require "busted"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local INIT = [[
core = require "kong.response.core"
response = require "kong.response"

-- Runs the code that came with the request for its phase.
function run(phase)
  local code = ngx.var["arg_" .. phase]
  if code then
    assert(loadstring(ngx.unescape_uri(code), "@plugin.lua"))()
  end
end
]]

local LOCATIONS = [[
  location / {
    rewrite_by_lua_block { run "rewrite" }
    access_by_lua_block { run "access" }
    content_by_lua_block { run "content" ngx.print("0123456789") }
    header_filter_by_lua_block { run "header_filter" }
    body_filter_by_lua_block { run "body_filter" }
    log_by_lua_block { run "log" }
  }
  location = /chunks {
    header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { run "body_filter" }
    content_by_lua_block {
      for i = 1, 8 do
        ngx.print((tostring(i)):rep(1024 * 1024))
        ngx.flush(true)
      end
    }
  }
  location = /life {
    rewrite_by_lua_block { life.rewrite() }
    access_by_lua_block { life.access() }
    content_by_lua_block { ngx.print("0123456789") }
    header_filter_by_lua_block { life.header_filter() }
    body_filter_by_lua_block { life.body_filter() }
    log_by_lua_block { life.log() }
  }
  location = /elsewhere {
    content_by_lua_block { ngx.print(require "faults_elsewhere"()) }
  }
]]


local _M = { INIT = INIT, LOCATIONS = LOCATIONS }


local function escape(text)
  return (text:gsub("[^%w]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end


--- The path of a request with code for its phases.
function _M.path(of, phases)
  local arguments = {}
  for phase, code in pairs(phases) do
    arguments[#arguments + 1] = phase .. "=" .. escape(code)
  end
  return of .. "?" .. table.concat(arguments, "&")
end


--- Starts a server.
-- @tparam string jit_mode "on" or "off"
-- @tparam[opt] string init more code for `init_by_lua_block`
function _M.start(jit_mode, init)
  return nginx.start {
    init = "jit." .. jit_mode .. "()\n" .. INIT .. (init or ""),
    locations = LOCATIONS,
    files = { ["faults_elsewhere.lua"] = nginx.read "faults_elsewhere.lua" },
    clib_dir = "%{root}/build/faults",
  }
end


--- Describes cases over one server. Its worker also serves the request after each case.
function _M.describe(name, jit_mode, body)
  served.describe(name .. " with the JIT " .. jit_mode, function()
    return _M.start(jit_mode)
  end, function(server)
    local pids

    busted.setup(function()
      pids = server:worker_pids()
    end)

    busted.after_each(function()
      local r = server:get(_M.path("/", { access = "response.set_header('X-Sane', 'yes')" }))
      assert.equal(200, r.status)
      assert.equal("yes", r:header("X-Sane"))
      assert.equal("0123456789", r.body)
      assert.same(pids, server:worker_pids())
      local log = server:log()
      assert.is_nil(log:find("[alert]", 1, true))
      assert.is_nil(log:find("unknown reason", 1, true))
    end)

    body(server)
  end)
end


return _M
