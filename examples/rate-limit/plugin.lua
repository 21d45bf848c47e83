-- Limits the requests of an address, and tells refused clients when to come back, in their format.
-- It needs a dictionary of nginx for the counters: `lua_shared_dict rate_limit 1m;`.
--
--     { plugin = require "examples.rate-limit.plugin", config = {
--         limit = 100,
--         window = 60, -- seconds
--     } }

local RateLimit = { PRIORITY = 910 }


local DICT = "rate_limit"
local WINDOW = 60


function RateLimit:access(config)
  local window = config.window or WINDOW
  local now = ngx.now()
  local key = ngx.var.remote_addr .. " " .. math.floor(now / window)
  local count, err = ngx.shared[DICT]:incr(key, 1, 0, window)
  if not count then
    -- If the dictionary is full, requests pass.
    ngx.log(ngx.ERR, "requests cannot be counted: ", err)
    return
  end

  local seconds = math.ceil(window - now % window)
  kong.ctx.plugin.headers = {
    ["RateLimit-Limit"] = config.limit,
    ["RateLimit-Remaining"] = math.max(0, config.limit - count),
    ["RateLimit-Reset"] = seconds,
  }
  if count > config.limit then
    return kong.response.error(429, "Too many requests: " .. config.limit .. " in " .. window
      .. " seconds are allowed", { ["Retry-After"] = seconds })
  end
end


function RateLimit:header_filter(config)
  -- nil if an earlier plugin has answered.
  local headers = kong.ctx.plugin.headers
  if headers then
    kong.response.set_headers(headers)
  end
end


return RateLimit
