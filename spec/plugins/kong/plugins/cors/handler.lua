-- Cross-origin resource sharing: answers preflights, and adds headers to answers.

local kong = kong
local ngx = ngx
local concat = table.concat
local find = string.find
local ipairs = ipairs
local lower = string.lower
local re_find = ngx.re.find


local Cors = {
  PRIORITY = 2000,
  VERSION = "1.4.2",
}


local function allows_all(conf)
  for _, origin in ipairs(conf.origins) do
    if origin == "*" then
      return true
    end
  end
  return false
end


local function is_allowed(conf, origin)
  for _, allowed in ipairs(conf.origins) do
    if allowed == "*" or lower(allowed) == lower(origin) then
      return true
    end
    -- Anything but a plain origin is a pattern.
    if find(allowed, "[^%w:/.%-]") then
      local from, _, err = re_find(origin, "^(?:" .. allowed .. ")$", "ijo")
      if err then
        kong.log.err("bad origin ", allowed, ": ", err)
      elseif from then
        return true
      end
    end
  end
  return false
end


local function add_vary()
  local vary = kong.response.get_header("Vary")
  if not vary then
    kong.response.set_header("Vary", "Origin")
  elseif not find(lower(vary), "origin", 1, true) and vary ~= "*" then
    kong.response.add_header("Vary", "Origin")
  end
end


local function set_origin(conf, origin, is_preflight)
  if allows_all(conf) and not conf.credentials then
    kong.response.set_header("Access-Control-Allow-Origin", "*")
    return true
  end
  if is_preflight then
    kong.response.set_header("Vary", "Origin")
  else
    add_vary()
  end
  if origin and is_allowed(conf, origin) then
    kong.response.set_header("Access-Control-Allow-Origin", origin)
    if conf.credentials then
      kong.response.set_header("Access-Control-Allow-Credentials", "true")
    end
    return true
  end
  kong.response.clear_header("Access-Control-Allow-Origin")
  return false
end


function Cors:access(conf)
  if kong.request.get_method() ~= "OPTIONS"
    or not kong.request.get_header("Access-Control-Request-Method")
  then
    return
  end
  if conf.preflight_continue then
    return
  end

  kong.ctx.plugin.skip = true
  local origin = kong.request.get_header("Origin")
  if set_origin(conf, origin, true) then
    local requested = kong.request.get_header("Access-Control-Request-Headers")
    local headers = conf.headers and concat(conf.headers, ",") or requested
    if headers then
      kong.response.set_header("Access-Control-Allow-Headers", headers)
    end
    kong.response.set_header("Access-Control-Allow-Methods", concat(conf.methods, ","))
    if conf.max_age then
      kong.response.set_header("Access-Control-Max-Age", tostring(conf.max_age))
    end
    if conf.private_network
      and kong.request.get_header("Access-Control-Request-Private-Network") == "true"
    then
      kong.response.set_header("Access-Control-Allow-Private-Network", "true")
    end
  end
  return kong.response.exit(200)
end


function Cors:header_filter(conf)
  if kong.ctx.plugin.skip then
    return
  end
  local origin = kong.request.get_header("Origin")
  if set_origin(conf, origin) and origin and conf.exposed_headers then
    kong.response.set_header("Access-Control-Expose-Headers", concat(conf.exposed_headers, ","))
  end
end


return Cors
