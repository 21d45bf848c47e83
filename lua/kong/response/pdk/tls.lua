--- `kong.client.tls`: what plugins may do with the client's certificate outside of the handshake.
--
-- The functions of the handshake need a gateway.

local phases = require "kong.response.pdk.phases"


local assert = assert
local error = error
local find = string.find
local fmt = string.format
local type = type

local CLIENT_VERIFY = phases.CLIENT_VERIFY


--- Makes `kong.client.tls`.
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check

  local tls = {}


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
