--- The balancer phase: sends the request to the server that `kong.service` has chosen, and to the
-- next server if that fails.

local ip = require "kong.response.pdk.ip"
local phases = require "kong.response.pdk.phases"
local tries = require "kong.response.pdk.tries"


local error = error
local find = string.find
local fmt = string.format
local match = string.match
local require = require
local tonumber = tonumber
local tostring = tostring

local BALANCER = phases.BITS.balancer


--- Makes the functions of the balancer.
-- @tparam table pdk `ngx`
-- @treturn function `balance()`, for `balancer_by_lua*`. It raises an error if there is no server,
--   or if nginx refuses the server.
-- @treturn function `first_target(data)` returns the host and the port of the first attempt, if a
--   plugin has called `set_upstream`; otherwise nil
return function(pdk)
  local ngx = pdk.ngx
  -- For each list of servers, the index (from 0) at which the next request starts.
  local starts = {}


  --- Returns the address and the port of a server of the upstream.
  -- @tparam table data
  -- @tparam number attempt from 0
  local function target_of(data, attempt)
    local targets = data.targets
    if not targets[1] then
      return nil
    elseif data.started ~= targets then
      data.started, data.start = targets, starts[targets] or 0
      starts[targets] = (data.start + 1) % #targets
    end
    local target = targets[(data.start + attempt) % #targets + 1]
    local address, port = match(target, "^(.+):(%d+)$")
    return address or target, tonumber(port) or 80
  end


  --- Returns the address and the port of the server for this attempt.
  local function choose(data)
    if data.targets then
      return target_of(data, data.try_count - 1)
    end
    local address = data.address or data.host
    if address == "localhost" then
      address = "127.0.0.1"
    end
    return address, data.port or 80
  end


  local function first_target(data)
    if data.targets then
      return target_of(data, 0)
    end
  end


  local function note_failure(balancer, data)
    local try = data.tries[#data.tries]
    if try then
      try.state, try.code = balancer.get_last_failure()
    end
    if data.retry_callback then
      data.retry_callback()
    end
  end


  local function balance()
    local balancer = require "ngx.balancer"
    local ctx = ngx.ctx
    local data = ctx.balancer_data
    if not data or not data.tries then
      error("the balancer phase needs the access phase before it", 0)
    end
    local before = ctx.KONG_PHASE
    ctx.KONG_PHASE = BALANCER

    data.try_count = data.try_count + 1
    if data.try_count > 1 then
      note_failure(balancer, data)
    elseif data.retries > 0 then
      balancer.set_more_tries(data.retries)
    end

    local address, port = choose(data)
    if not address or not ip.is_address(address) then
      error(fmt("no server to send the request to: %s is no IP address", tostring(address)), 0)
    end
    if find(address, ":", 1, true) and not find(address, "[", 1, true) then
      address = "[" .. address .. "]"
    end
    data.ip = address
    data.tries[data.try_count] = tries.new(ngx, address, port)
    balancer.set_timeouts(data.connect_timeout / 1000, data.send_timeout / 1000,
                          data.read_timeout / 1000)
    local ok, err = balancer.set_current_peer(address, port)
    ctx.KONG_PHASE = before
    if not ok then
      error(fmt("cannot send the request to %s:%d: %s", address, port, err), 0)
    end
  end


  return balance, first_target
end
