-- Removes, renames, replaces and adds headers, query arguments and fields of the body.

local kong = kong
local type = type
local find = string.find
local lower = string.lower
local match = string.match
local sub = string.sub

local set_header = kong.service.request.set_header
local clear_header = kong.service.request.clear_header
local set_query = kong.service.request.set_query


local RequestTransformer = {
  PRIORITY = 801,
  VERSION = "1.3.0",
}


-- `name:value`
local function each(list)
  local i = 0
  return function()
    i = i + 1
    if list[i] then
      local name, value = match(list[i], "^([^:]+):*(.-)$")
      return name, value ~= "" and value or nil
    end
  end
end


local function append(current, value)
  if current == nil then
    return value
  elseif type(current) == "table" then
    current[#current + 1] = value
    return current
  end
  return { current, value }
end


local function transform_table(conf, kind, values)
  local changed = false
  for name in each(conf.remove[kind]) do
    changed = changed or values[name] ~= nil
    values[name] = nil
  end
  for old, new in each(conf.rename[kind]) do
    if values[old] ~= nil and new then
      values[old], values[new] = nil, values[old]
      changed = true
    end
  end
  for name, value in each(conf.replace[kind]) do
    if values[name] ~= nil then
      values[name] = value
      changed = true
    end
  end
  for name, value in each(conf.add[kind]) do
    if values[name] == nil then
      values[name] = value
      changed = true
    end
  end
  for name, value in each(conf.append[kind]) do
    values[name] = append(values[name], value)
    changed = true
  end
  return changed
end


local function transform_headers(conf)
  local headers = kong.request.get_headers()
  headers["host"] = nil
  for name in each(conf.remove.headers) do
    clear_header(name)
    headers[lower(name)] = nil
  end
  for old, new in each(conf.rename.headers) do
    local value = headers[lower(old)]
    if value ~= nil and new then
      set_header(new, value)
      clear_header(old)
      headers[lower(old)], headers[lower(new)] = nil, value
    end
  end
  for name, value in each(conf.replace.headers) do
    if headers[lower(name)] ~= nil or lower(name) == "host" then
      set_header(name, value)
    end
  end
  for name, value in each(conf.add.headers) do
    if headers[lower(name)] == nil then
      set_header(name, value)
      headers[lower(name)] = value
    end
  end
  for name, value in each(conf.append.headers) do
    kong.service.request.add_header(name, value)
  end
end


local function transform_body(conf)
  local content_type = kong.request.get_header("content-type")
  if not content_type then
    return
  end
  local mime = lower(match(content_type, "^[^;%s]+") or "")
  if mime ~= "application/json" and mime ~= "application/x-www-form-urlencoded" then
    return
  end
  local body, err = kong.request.get_body()
  if not body then
    kong.log.warn("the body stays as it is: ", err)
    return
  end
  if transform_table(conf, "body", body) then
    local ok, failure = kong.service.request.set_body(body, mime)
    if not ok then
      kong.log.err("cannot set the body: ", failure)
    end
  end
end


function RequestTransformer:access(conf)
  transform_headers(conf)

  local query = kong.request.get_query()
  if transform_table(conf, "querystring", query) then
    set_query(query)
  end
  transform_body(conf)

  if conf.http_method then
    kong.service.request.set_method(conf.http_method)
  end
  if conf.strip_prefix and find(kong.request.get_path(), conf.strip_prefix, 1, true) == 1 then
    local rest = sub(kong.request.get_path(), #conf.strip_prefix + 1)
    kong.service.request.set_path(sub(rest, 1, 1) == "/" and rest or "/" .. rest)
  end
end


return RequestTransformer
