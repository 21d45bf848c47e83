-- The test kit in a process that has nginx's symbols, and a request of its own.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local RUN = [==[
-- loaded outside of a test: this one belongs to nginx
local outer = require "kong.response"
local testing = require "kong.response.testing"

local _M = {}

function _M.run()
  local real_ngx, real_kong = ngx, rawget(_G, "kong")
  local inner, ran_on
  local result = testing.run {
    plugin = {
      access = function()
        inner = require "kong.response" == kong.response
        kong.response.set_header("X-Inner", ngx.var.uri)
        pcall(kong.response.exit, 403, { message = "inner" })
        ran_on = true
      end,
    },
    request = { path = "/inner" },
  }
  local proxied = testing.run {
    plugin = {
      rewrite = function()
        coroutine.wrap(function() kong.response.exit(201, "from a coroutine") end)()
        ran_on = true
      end,
      header_filter = function()
        kong.response.set_header("X-Source", kong.response.get_source())
      end,
    },
  }
  return table.concat({
    result.status, result.body, result.headers["X-Inner"], tostring(inner), tostring(ran_on),
    proxied.status, proxied.body, proxied.headers["X-Source"],
    tostring(ngx == real_ngx and rawget(_G, "kong") == real_kong),
    tostring(require "kong.response" == outer),
  }, "|")
end

return _M
]==]

local EXPECTED = '403|{"message":"inner"}|/inner|true|nil|201|from a coroutine|exit|true|true'


served.describe("the test kit in nginx", function()
  return nginx.start {
    files = { ["run.lua"] = RUN },
    locations = [[
      location = /content {
        content_by_lua_block {
          local response = require "kong.response"
          response.set_status(202)
          response.set_header("X-Outer", "1")
          local told = require("run").run()
          ngx.say(told, "|", response.get_status(), "|", response.get_header("X-Inner"))
        }
      }
      location = /log {
        content_by_lua_block { ngx.say("log") }
        log_by_lua_block { ngx.log(ngx.NOTICE, "told <<", require("run").run(), ">>") }
      }
      location = /timer {
        content_by_lua_block {
          ngx.timer.at(0, function()
            ngx.log(ngx.NOTICE, "timer <<", require("run").run(), ">>")
          end)
        }
      }
    ]],
  }
end, function(server)
  it("works on its own request, and does not change nginx's request", function()
    local r = server:get("/content")
    assert.equal(EXPECTED .. "|202|nil\n", r.body)
    assert.equal(202, r.status)
    assert.equal("1", r:header("X-Outer"))
    assert.is_nil(r:header("X-Inner"))
  end)

  it("works in a phase without functions of a request", function()
    server:get("/log")
    assert.equal(EXPECTED, server:wait_log("told <<(.-)>>"))
  end)

  it("works without a request, as with resty", function()
    server:get("/timer")
    assert.equal(EXPECTED, server:wait_log("timer <<(.-)>>"))
  end)
end)
