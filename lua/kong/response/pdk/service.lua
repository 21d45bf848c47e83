--- `kong.service`: chooses the server for the request, and the settings of the connection to it.
--
-- The functions store their arguments in `ngx.ctx.balancer_data`. The balancer phase uses them.

local checks = require "kong.response.pdk.check"
local ip = require "kong.response.pdk.ip"
local phases = require "kong.response.pdk.phases"


local error = error
local fmt = string.format
local pairs = pairs
local type = type

local ACCESS = phases.ACCESS
local CONNECT = phases.CONNECT

local MAX_TIMEOUT = 2147483646

-- The functions that need a gateway: without one, only nginx's configuration can do this. Each
-- value returns the error about the arguments, or nil.
local NEED_GATEWAY = {
  set_tls_cert_key = function(chain, key)
    return type(chain) ~= "cdata" and "chain must be a parsed cdata object"
           or type(key) ~= "cdata" and "key must be a parsed cdata object" or nil
  end,
  set_tls_verify = function(on)
    return type(on) ~= "boolean" and "argument must be a boolean" or nil
  end,
  set_tls_verify_depth = function(depth)
    return type(depth) ~= "number" and "argument must be a number" or nil
  end,
  set_tls_verify_store = function(store)
    return type(store) ~= "table" and "argument must be a resty.openssl.x509.store object" or nil
  end,
}


--- Makes `kong.service`.
-- @tparam table pdk `ngx`, `check`, `description_of`, `set_host`, `set_variable`
-- @treturn table
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check

  local service = {
    request = require "kong.response.pdk.service.request" (pdk),
    response = require "kong.response.pdk.service.response" (pdk),
  }


  --- Returns the data for the balancer phase. Raises an error at the plugin's line if there is no
  -- balancer phase.
  local function balancer_data(name)
    local ctx = ngx.ctx
    if not pdk.description_of(ctx).balancer then
      error(fmt("kong.service.%s needs a balancer: send the location's requests to an upstream"
                .. " with balancer_by_lua, and say balancer = true", name), 3)
    end
    local data = ctx.balancer_data
    if not data then
      data = {}
      ctx.balancer_data = data
    end
    return data
  end


  function service.set_upstream(host)
    check(ACCESS)
    if type(host) ~= "string" then
      error("host must be a string", 2)
    end
    local upstreams = pdk.description_of(ngx.ctx).upstreams
    local targets = upstreams and upstreams[host]
    if not targets then
      return nil, fmt("could not find an Upstream named '%s'", host)
    end
    local data = balancer_data("set_upstream")
    data.host, data.targets = host, targets
    return true
  end


  function service.set_target(host, port)
    check(CONNECT)
    if type(host) ~= "string" then
      error("host must be a string", 2)
    end
    checks.integer("port", port, 0, 65535)
    local data = balancer_data("set_target")
    local address = host == "localhost" and "127.0.0.1" or host
    if not ip.is_address(address) and not pdk.description_of(ngx.ctx).resolves then
      error(fmt("kong.service.set_target: %q is not an IP address, and the balancer cannot resolve"
                .. " names", host), 2)
    end
    data.host, data.address, data.port, data.targets = host, address, port, nil
    pdk.set_host(host)
  end


  function service.set_target_retry_callback(retry_callback)
    check(ACCESS)
    if type(retry_callback) ~= "function" then
      error("retry_callback must be a function", 2)
    end
    balancer_data("set_target_retry_callback").retry_callback = retry_callback
  end


  function service.set_retries(retries)
    check(ACCESS)
    checks.integer("retries", retries, 0, 32767)
    balancer_data("set_retries").retries = retries
  end


  function service.set_timeouts(connect_timeout, write_timeout, read_timeout)
    check(ACCESS)
    checks.integer("connect_timeout", connect_timeout, 1, MAX_TIMEOUT)
    checks.integer("write_timeout", write_timeout, 1, MAX_TIMEOUT)
    checks.integer("read_timeout", read_timeout, 1, MAX_TIMEOUT)
    local data = balancer_data("set_timeouts")
    data.connect_timeout = connect_timeout
    data.send_timeout = write_timeout
    data.read_timeout = read_timeout
  end


  for name, mistake_of in pairs(NEED_GATEWAY) do
    service[name] = function(...)
      check(CONNECT)
      error(mistake_of(...) or "kong.service." .. name .. " needs a gateway", 2)
    end
  end


  return service
end
