--- The balancer phase: sends the request to the server that `kong.service` has chosen, and to the
-- next server if that fails.

local ip = require "kong.response.pdk.ip"
local phases = require "kong.response.pdk.phases"


local error = error
local find = string.find
local fmt = string.format
local match = string.match
local require = require
local tonumber = tonumber
local tostring = tostring

local BALANCER = phases.BITS.balancer


--- Makes the function for `balancer_by_lua*`.
-- @tparam table pdk `ngx`
-- @treturn function it raises an error if there is no server, or if nginx refuses the server
return function(pdk)
  local ngx = pdk.ngx
  -- For each list of servers, the index (from 0) at which the next request starts.
  local starts = {}


  --- Returns the address and the port of the server for this attempt.
  local function choose(data)
    local targets = data.targets
    if not targets then
      local address = data.address or data.host
      if address == "localhost" then
        address = "127.0.0.1"
      end
      return address, data.port or 80
    end
    if data.try_count == 1 then
      data.start = starts[targets] or 0
      starts[targets] = (data.start + 1) % #targets
    end
    local target = targets[(data.start + data.try_count - 1) % #targets + 1]
    local address, port = match(target, "^(.+):(%d+)$")
    return address or target, tonumber(port) or 80
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


  return function()
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
    data.tries[data.try_count] = {
      balancer_start = ngx.now() * 1000, balancer_latency = 0, ip = address, port = port,
    }
    balancer.set_timeouts(data.connect_timeout / 1000, data.send_timeout / 1000,
                          data.read_timeout / 1000)
    local ok, err = balancer.set_current_peer(address, port)
    ctx.KONG_PHASE = before
    if not ok then
      error(fmt("cannot send the request to %s:%d: %s", address, port, err), 0)
    end
  end
end
