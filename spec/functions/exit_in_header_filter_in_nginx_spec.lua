-- Connections that clients use again after an `exit` in the header filter.

local KEEPS_EMPTY_BODY = require("spec.support.phase_code").KEEPS_EMPTY_BODY
local served = require "spec.support.served"
local stages = require "spec.support.stages"


served.describe("exit in header_filter", function()
  return stages.start {
    locations = [[
      location /limited {
        proxy_pass http://127.0.0.1:%{upstream_port};
        proxy_buffering off;
      }
    ]],
  }
end, function(server)
  for name, phase in pairs {
    ["by KONG_PHASE"] = "ngx.ctx.KONG_PHASE = 0x200 ",
    ["by nginx's phase"] = "ngx.ctx.KONG_PHASE = nil ",
  } do
    for _, path in ipairs { "/", "/proxied", "/limited" } do
      it("keeps the connection usable for the next request, " .. name .. " of " .. path, function()
        for body, sent in pairs { ["nil"] = "", ["''"] = "", ["'no'"] = "no" } do
          local connection = server:connect()
          connection:send("GET " .. server:target {
            path = path,
            header_filter = phase .. KEEPS_EMPTY_BODY .. "response.exit(404, " .. body .. ")",
          } .. " HTTP/1.1\r\nHost: x\r\n\r\n")
          connection:send("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
          local stream = connection:read()
          connection:close()
          local first, second = stream:match("^(HTTP/1.1 404 .-)(HTTP/1.1 200 .*)$")
          assert.is_string(second, stream)
          assert.equal(sent, first:match("\r\n\r\n(.*)$"))
        end
      end)
    end
  end
end)
