-- Keeps answers of the service in shared memory, and answers from there.

local cjson = require "cjson.safe"

local kong = kong
local ngx = ngx
local concat = table.concat
local floor = math.floor
local ipairs = ipairs
local lower = string.lower
local pairs = pairs
local sort = table.sort
local tonumber = tonumber
local type = type


local ResponseCache = {
  PRIORITY = 100,
  VERSION = "2.1.0",
}

local HOP_BY_HOP = {
  ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
  ["content-length"] = true, ["date"] = true, ["set-cookie"] = true,
}


local function sorted_query(conf)
  local query = kong.request.get_query()
  local parts = {}
  for name, value in pairs(query) do
    if not conf.ignored_args[name] then
      if type(value) == "table" then
        value = concat(value, ",")
      end
      parts[#parts + 1] = name .. "=" .. tostring(value)
    end
  end
  sort(parts)
  return concat(parts, "&")
end


local function key_of(conf)
  local parts = { kong.request.get_method(), kong.request.get_host(), kong.request.get_path(),
                  sorted_query(conf) }
  for _, name in ipairs(conf.vary_headers) do
    parts[#parts + 1] = lower(name) .. "=" .. (kong.request.get_header(name) or "")
  end
  return ngx.md5(concat(parts, "|"))
end


local function directives(header)
  local found = {}
  for directive in (header or ""):gmatch("[^,]+") do
    local name, value = directive:match("^%s*([%w-]+)=?\"?(%d*)")
    if name then
      found[lower(name)] = tonumber(value) or true
    end
  end
  return found
end


function ResponseCache:access(conf)
  local method = kong.request.get_method()
  if method ~= "GET" and method ~= "HEAD" then
    kong.response.set_header("X-Cache-Status", "Bypass")
    return
  end
  if conf.cache_control and directives(kong.request.get_header("Cache-Control"))["no-store"] then
    kong.response.set_header("X-Cache-Status", "Bypass")
    return
  end

  local key = key_of(conf)
  kong.response.set_header("X-Cache-Key", key)
  local stored = ngx.shared[conf.dictionary_name]:get(key)
  local answer = stored and cjson.decode(stored)
  if not answer then
    kong.ctx.plugin.key = key
    return
  end

  if kong.request.get_header("If-None-Match") == answer.headers.etag then
    return kong.response.exit(304, nil, { ETag = answer.headers.etag, ["X-Cache-Status"] = "Hit" })
  end
  answer.headers["X-Cache-Status"] = "Hit"
  answer.headers["Age"] = floor(ngx.now() - answer.time)
  return kong.response.exit(answer.status, ngx.decode_base64(answer.body), answer.headers)
end


function ResponseCache:response(conf)
  local key = kong.ctx.plugin.key
  if not key then
    return
  end
  local control = directives(kong.service.response.get_header("Cache-Control"))
  if not conf.response_codes[kong.service.response.get_status()] or control["private"]
    or control["no-store"]
  then
    kong.response.set_header("X-Cache-Status", "Bypass")
    return
  end

  local body = kong.service.response.get_raw_body()
  if not kong.response.get_header("ETag") then
    kong.response.set_header("ETag", '"' .. ngx.md5(body) .. '"')
  end
  kong.response.set_header("X-Cache-Status", "Miss")

  local headers = {}
  for name, value in pairs(kong.response.get_headers()) do
    if not HOP_BY_HOP[name] and name:sub(1, 8) ~= "x-cache-" then
      headers[name] = value
    end
  end
  local ttl = conf.cache_control and control["max-age"] or conf.ttl
  local ok, err = ngx.shared[conf.dictionary_name]:set(key, cjson.encode {
    status = kong.response.get_status(),
    headers = headers,
    body = ngx.encode_base64(body),
    time = ngx.now(),
  }, ttl)
  if not ok then
    kong.log.err("cannot store an answer: ", err)
  end
end


return ResponseCache
