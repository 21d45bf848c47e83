--- Calls the body functions outside of body filters, which they must refuse. There, nginx's pointer
-- to the chunk points to memory of another request, or to freed memory.

local bodies = require "spec.support.bodies"


local DISABLED = "API disabled in the current context"

local _M = { DISABLED = DISABLED }


-- Without the global `kong`, the functions check only nginx's own phase. With it, KONG_PHASE
-- wrongly says that this is a body filter.
_M.GATEWAYS = {
  ["without a gateway"] = { gateway = false, claim = "" },
  ["with KONG_PHASE set by hand"] = {
    gateway = true,
    claim = "ngx.ctx.KONG_PHASE = 0x400 ",
  },
}

_M.CALL = [[
note(pcall(response.get_raw_body))
note(pcall(response.set_raw_body, "text"))
note(pcall(response.set_raw_body))
note(pcall(function() local body = response.get_raw_body() return body end))
note(pcall(function() response.set_raw_body("text") end))
]]


--- Returns the outcomes of the calls.
function _M.refusals()
  return {
    false, DISABLED,
    false, DISABLED,
    false, DISABLED,
    false, "plugin.lua:4: " .. DISABLED,
    false, "plugin.lua:5: " .. DISABLED,
  }
end


_M.UPSTREAM = "ngx.print(('secret '):rep(20000))"


--- Makes such pointers: with a body that was read to its end, and with a body that has broken off.
function _M.leave_pointers(server, claim)
  local buffers = claim .. "response.get_raw_body()"
  local r = server:run { path = "/proxy", upstream = _M.UPSTREAM, body_filter = buffers }
  server:run {
    path = "/proxy", max_time = 0.2,
    upstream = "ngx.header.content_length = 100000 " .. _M.UPSTREAM:gsub("20000", "5000"),
    body_filter = buffers,
  }
  server:clear_log()
  return r
end


--- Returns the options of `hosts` for one of the gateways.
function _M.options(gateway)
  return {
    both_bindings = true, gateway = gateway.gateway,
    locations = bodies.LOCATIONS,
  }
end


return _M
