-- In nginx only: decode and encode in init, in a timer, and in a VM for each request.

local nginx = require "spec.support.nginx"


local ROUND_TRIP = [[
  local json = require "kong.response.json"
  local value, reason = json.decode('{"a":[],"b":[null,"\255",-0]}')
  local text = '{"a":' .. json.encode(value.a) .. ',"b":' .. json.encode(value.b) .. "}"
  local _, why = json.decode("[1")
]]

local EXPECTED = '{"a":[],"b":[null,"\255",-0]} EOF while parsing a list at line 1 column 2'


for _, code_cache in ipairs { true, false } do
  local mode = code_cache and "on" or "off"

  it("kong.response.json works without a request, lua_code_cache " .. mode, function()
    nginx.once({
      code_cache = code_cache,
      init = ROUND_TRIP .. ' in_init = text .. " " .. why',
      locations = [[
        location = /init {
          content_by_lua_block { ngx.print(in_init) }
        }
        location = /timer {
          content_by_lua_block {
            local semaphore = require("ngx.semaphore").new()
            local found
            ngx.timer.at(0, function()
              ]] .. ROUND_TRIP .. [[
              found = text .. " " .. why
              semaphore:post()
            end)
            semaphore:wait(5)
            ngx.print(found)
          }
        }
        location = /request {
          content_by_lua_block {
            ]] .. ROUND_TRIP .. [[
            ngx.print(text, " ", why)
          }
        }
      ]],
    }, function(server)
      for _ = 1, 3 do
        for _, path in ipairs { "/init", "/timer", "/request" } do
          assert.equal(EXPECTED, server:get(path).body, path)
        end
      end
    end)
  end)
end
