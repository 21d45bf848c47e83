--- The attempts to send a request to a server, in `ngx.ctx.balancer_data.tries`.

local _M = {}


--- Makes the entry of an attempt. `kong.service` chooses the server without a query, so the latency
-- is 0.
-- @tparam table ngx
-- @tparam string ip
-- @tparam number port
-- @treturn table
function _M.new(ngx, ip, port)
  local now = ngx.now()
  return {
    balancer_start = now * 1000, balancer_start_ns = now * 1e9,
    balancer_latency = 0, balancer_latency_ns = 0,
    ip = ip, port = port,
  }
end


return _M
