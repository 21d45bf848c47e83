-- Sends requests to other paths, hosts and servers, by their headers.

local kong = kong
local ngx = ngx
local ipairs = ipairs
local type = type


local HeaderRouter = {
  PRIORITY = 1500,
  VERSION = "1.1.0",
}


local function matches_header(rule, headers)
  local value = headers[rule.header]
  if value == nil then
    return false
  end
  local list = type(value) == "table" and value or { value }
  for _, item in ipairs(list) do
    if rule.equals then
      if item == rule.equals then
        return true
      end
    elseif rule.regex then
      local from, _, err = ngx.re.find(item, rule.regex, "jo")
      if err then
        kong.log.err("bad pattern ", rule.regex, ": ", err)
        return false
      elseif from then
        return true
      end
    else
      return true
    end
  end
  return false
end


local function find_route(conf, headers)
  for i, route in ipairs(conf.routes) do
    local all = true
    for _, rule in ipairs(route.match) do
      if not matches_header(rule, headers) then
        all = false
        break
      end
    end
    if all then
      return route, i
    end
  end
end


-- `/v2$(path)`
local function expand(template)
  return (template:gsub("%$%((%w+)%)", function(name)
    if name == "path" then
      return kong.request.get_path()
    elseif name == "method" then
      return kong.request.get_method():lower()
    end
    return ""
  end))
end


function HeaderRouter:access(conf)
  local headers, err = kong.request.get_headers(conf.max_headers)
  if err == "truncated" then
    return kong.response.exit(431, { message = "Too many header fields" })
  end

  local route, index = find_route(conf, headers)
  if not route then
    if conf.default == "refuse" then
      return kong.response.exit(404, { message = "No route for these headers" })
    end
    kong.ctx.plugin.route = "none"
    return
  end

  if route.target then
    -- It changes Host to the target's: a host of the route comes after it.
    kong.service.set_target(route.target.host, route.target.port)
  end
  if route.path then
    kong.service.request.set_path(expand(route.path))
  end
  if route.host then
    kong.service.request.set_header("Host", route.host)
  end
  for _, name in ipairs(route.strip_headers) do
    kong.service.request.clear_header(name)
  end
  for _, name in ipairs(route.strip_args) do
    kong.service.request.clear_query_arg(name)
  end
  kong.service.request.set_headers {
    ["X-Forwarded-Route"] = route.name or tostring(index),
    ["X-Original-Path"] = kong.request.get_path_with_query(),
  }
  kong.ctx.plugin.route = route.name or tostring(index)
end


function HeaderRouter:header_filter(conf)
  if conf.debug_header and kong.ctx.plugin.route then
    kong.response.set_header(conf.debug_header, kong.ctx.plugin.route)
  end
end


return HeaderRouter
