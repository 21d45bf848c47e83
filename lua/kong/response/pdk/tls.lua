--- `kong.client.tls`: the client's certificate. Only `set_client_verify` works without a gateway.

local phases = require "kong.response.pdk.phases"


local assert = assert
local error = error
local find = string.find
local fmt = string.format
local pairs = pairs
local type = type

local CLIENT_VERIFY = phases.CLIENT_VERIFY

-- The phases of the functions that need a gateway.
local NEED_GATEWAY = {
  request_client_certificate = phases.CERTIFICATE,
  disable_session_reuse = phases.CERTIFICATE,
  get_full_client_certificate_chain = phases.CLIENT_CERTIFICATE,
}


--- Makes `kong.client.tls`.
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check

  local tls = {}
  for name, allowed in pairs(NEED_GATEWAY) do
    tls[name] = function()
      check(allowed)
      error("kong.client.tls." .. name .. " needs a gateway", 2)
    end
  end


  function tls.set_client_verify(value)
    check(CLIENT_VERIFY)
    assert(type(value) == "string")
    if value ~= "SUCCESS" and value ~= "NONE" and not find(value, "^FAILED:") then
      error(fmt("unknown client verify value: %s accepted values are: \"SUCCESS\", \"NONE\" or"
                .. " \"FAILED:<reason>\"", value), 2)
    end
    ngx.ctx.CLIENT_VERIFY_OVERRIDE = value
  end


  return tls
end
