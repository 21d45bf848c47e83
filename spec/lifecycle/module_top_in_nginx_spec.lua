--- Plugins whose modules do something while they are loaded.

local nginx = require "spec.support.nginx"


local HANDLER = [==[
local kong = kong
local ngx = ngx
local get_headers = ngx.req.get_headers
local set_header = kong.service.request.set_header
local log = kong.log
local phase = ngx.get_phase()

log.notice("loaded in ", phase)
ngx.log(ngx.NOTICE, "loaded, says ngx")

local Plugin = { PRIORITY = 1, VERSION = "1.0" }

function Plugin:access()
  set_header("X-Client", get_headers()["x-name"])
  return kong.response.exit(200, phase .. " " .. get_headers()["x-name"])
end

return Plugin
]==]


describe("a module that calls kong at its top", function()
  it("loads under the life cycle", function()
    nginx.once({
      files = { ["kong/plugins/early/handler.lua"] = HANDLER },
      init = [[ lifecycle = require("kong.response.lifecycle").new { { plugin = "early" } } ]],
      locations = [[
        location / {
          access_by_lua_block { lifecycle.access() }
          content_by_lua_block { ngx.print("content") }
        }
      ]],
    }, function(server)
      assert.equal("init alice", server:get("/", { "X-Name: alice" }).body)
      assert.is_truthy(server:wait_log("%[kong%] handler%.lua:8 loaded in init"))
      assert.is_truthy(server:wait_log("loaded, says ngx"))
    end)
  end)
end)
