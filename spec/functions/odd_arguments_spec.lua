-- Every function with every odd argument: the error is a string, and the request continues.

local hosts = require "spec.support.hosts"
local nginx = require "spec.support.nginx"


-- Whether calls that may end the request can be made one after the other.
local PHASES = {
  rewrite = false, access = false, content = false, balancer = true, header_filter = true,
  body_filter = true, log = true,
}


hosts.each("odd arguments", {
  both_bindings = true, files = { ["walk.lua"] = nginx.read "walk.lua" },
}, function(server)
  for phase, ending in pairs(PHASES) do
    it("raise only strings in " .. phase, function()
      server:run {
        path = phase == "balancer" and "/balanced" or "/",
        max_time = 60,
        [phase] = ([[
          if not ngx.ctx.walked then
            ngx.ctx.walked = true
            require("walk").walk(%q, %s)
          end
        ]]):format(phase, tostring(ending)),
      }

      local report = server:run { content = "ngx.print(require('walk').report())" }.body
      local calls, errors, failed = report:match("^(%d+) calls, (%d+) errors\n?(.*)")
      assert.is_true(tonumber(calls) >= 6000, report)
      assert.is_true(tonumber(errors) > 0, report)
      assert.equal("", failed)

      local r = server:run {
        content = "response.exit(201, { 'sane' }, { ['X-A'] = '1' })",
        header_filter = "response.set_header('X-Status', response.get_status())",
        body_filter = [[
          local body = response.get_raw_body()
          if body then
            response.set_raw_body(body:upper())
          end
        ]],
      }
      assert.equal(201, r.status)
      assert.equal("201", r:header("X-Status"))
      assert.equal('["SANE"]', r.body)
    end)
  end
end)
