-- Limits the requests of each consumer in a window; clients without a consumer by their address.

local kong = kong
local ngx = ngx
local ceil = math.ceil
local floor = math.floor
local fmt = string.format
local max = math.max


local ConsumerRateLimit = {
  PRIORITY = 910,
  VERSION = "3.0.2",
}


local function identifier_of(conf)
  if conf.limit_by == "header" then
    local value = kong.request.get_header(conf.header_name)
    if value then
      return "header:" .. value
    end
  elseif conf.limit_by == "consumer" then
    local consumer = kong.client.get_consumer()
    local credential = kong.client.get_credential()
    if consumer or credential then
      return "consumer:" .. (consumer and consumer.id or credential.id)
    end
  end
  return "ip:" .. kong.client.get_forwarded_ip()
end


local function limit_for(conf)
  local consumer = kong.client.get_consumer()
  local own = consumer and conf.consumer_limits[consumer.username or ""]
  return own or conf.limit
end


function ConsumerRateLimit:init_worker()
  kong.log.debug("rate limits are kept in shared memory")
end


function ConsumerRateLimit:configure(configs)
  for _, conf in ipairs(configs or {}) do
    if not ngx.shared[conf.dictionary_name] then
      kong.log.crit("lua_shared_dict ", conf.dictionary_name, " is missing")
    end
  end
end


function ConsumerRateLimit:access(conf)
  local dict = ngx.shared[conf.dictionary_name]
  local limit = limit_for(conf)
  local now = ngx.now()
  local window = floor(now / conf.window)
  local key = fmt("%s:%s:%d", kong.plugin.get_id(), identifier_of(conf), window)

  local used, err = dict:incr(key, 1, 0, conf.window)
  if not used then
    kong.log.err("cannot count: ", err)
    if conf.fault_tolerant then
      return
    end
    return kong.response.error(500, "The rate limit cannot be checked")
  end

  local remaining = max(0, limit - used)
  local reset = max(1, ceil((window + 1) * conf.window - now))
  local headers
  if not conf.hide_client_headers then
    headers = {
      ["RateLimit-Limit"] = limit,
      ["RateLimit-Remaining"] = remaining,
      ["X-RateLimit-Window"] = conf.window,
    }
    if conf.show_reset then
      headers["RateLimit-Reset"] = reset
    end
    kong.ctx.plugin.headers = headers
  end

  if used > limit then
    kong.log.info(fmt("%s is above its limit", key))
    headers = headers or {}
    headers["Retry-After"] = conf.show_reset and reset or nil
    return kong.response.exit(conf.error_code, { message = conf.error_message }, headers)
  end
end


function ConsumerRateLimit:header_filter(conf)
  local headers = kong.ctx.plugin.headers
  if headers then
    kong.response.set_headers(headers)
  end
end


return ConsumerRateLimit
