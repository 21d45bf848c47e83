--- The functions of `kong.response` for the request that nginx serves.
-- They are native. This facade does what a C function cannot do: print, exit, yield, and set
-- `ngx.arg`.

local core = require "kong.response.core"
local fast_paths = require "kong.response.fast_paths"
local headers_mt = require "kong.response.header_table"
local json = require "kong.response.json"
local request_ids = require "kong.response.request_ids"
local has_nkeys, nkeys = pcall(require, "table.nkeys")


local error = error
local getmetatable = getmetatable
local pairs = pairs
local pcall = pcall
local rawget = rawget
local setmetatable = setmetatable
local type = type
local lower = string.lower


local MAX_HEADERS_DEFAULT = 100

-- Versions of lua-nginx-module before this one lose an empty chunk that the body filter makes the
-- last one. Then the response does not end.
local KEEPS_EMPTY_BODY = 10027


local function copy(table)
  local new = {}
  for key, value in pairs(table) do
    new[key] = value
  end
  return new
end


-- The default limit of `get_headers()`. Reading a gateway's configuration may raise an error.
local function default_limit()
  local kong = rawget(_G, "kong")
  local configuration = type(kong) == "table" and kong.configuration
  return type(configuration) == "table" and configuration.lua_max_resp_headers
         or MAX_HEADERS_DEFAULT
end


local function first(value)
  if type(value) == "table" then
    return value[1]
  end
  return value
end


-- The Lua functions and values that the native functions use.
local function make_services(options, ngx, flush)
  local gateway_id

  -- The gateway's id of the request, or false without a gateway.
  local function gateway_request_id()
    if gateway_id == nil then
      local found, module = pcall(require, "kong.observability.tracing.request_id")
      gateway_id = found and type(module) == "table" and module.get or false
    end
    return gateway_id and gateway_id()
  end

  -- Each call reads `ngx.req.http_version` again, because gateways and their tests replace it.
  local function http_version()
    return ngx.req.http_version()
  end

  local function listed_header(name, synthesised)
    name = lower(name)
    if synthesised then
      local value = ngx.resp.get_headers(1, true)[name]
      if value == nil then
        value = ngx.header[name]
      end
      return first(value)
    end
    return first(setmetatable(ngx.resp.get_headers(0), headers_mt)[name])
  end

  local function all_headers(max)
    local headers, err = ngx.resp.get_headers(max or default_limit())
    return setmetatable(headers, headers_mt), err
  end

  local services = {
    gateway_request_id = gateway_request_id,
    http_version = http_version,
    listed_header = listed_header,
    all_headers = all_headers,
    flush = flush,
    tostring = tostring,
    empty_array = json.empty_array,
    array_mt = json.array_mt,
    empty_array_mt = json.empty_array_mt,
    nkeys = has_nkeys and nkeys or nil,
    keeps_empty_body = (ngx.config.ngx_lua_version or 0) >= KEEPS_EMPTY_BODY,
  }
  -- Each option has a `Slot` of the same name in stack.rs.
  for name, value in pairs(options) do
    services[name] = value
  end
  local templates = options.error_templates
  services.error_templates = templates and setmetatable(copy(templates), getmetatable(templates))
  return services
end


--- @tparam table options the checked options of `kong.response.instance`; the paths of
--   `error_templates` may also come from the `__index` of a metatable
-- @tparam table ngx
-- @tparam[opt=core.nginx] function host `host(ngx, services)` returns the functions of a host
-- @treturn table the thirteen functions
-- @raise `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
return function(options, ngx, host)
  local worker_events = options.worker_events
  local core_flush

  local function poll()
    if worker_events and ngx.get_phase() == "content" then
      local ok, err = pcall(worker_events.poll)
      if not ok then
        -- `poll` may raise any value, but errors of this library are strings.
        error(type(err) == "string" and err or "(error object is a " .. type(err) .. " value)", 3)
      end
    end
  end

  local function send(code, body)
    if not code then
      -- The response is delayed. Gateways never resume this coroutine.
      coroutine.yield()
      return
    end
    if body then
      ngx.print(body)
    end
    return ngx.exit(code)
  end

  local function flush(ctx)
    local code, body = core_flush(ctx or ngx.ctx)
    return send(code, body)
  end

  local services = make_services(options, ngx, flush)
  local response, main, request = (host or core.nginx)(ngx, services)
  core_flush = response.flush
  response.flush = nil
  local core_exit = response.exit
  local core_error = response.error
  local core_get_raw_body = response.get_raw_body
  local core_set_raw_body = response.set_raw_body

  if main then
    for name, fast_path in pairs(fast_paths(response, ngx, main, request, services,
                                            default_limit)) do
      response[name] = fast_path
    end
  end

  function response.exit(status, body, headers)
    poll()
    local code, payload = core_exit(status, body, headers)
    return send(code, payload)
  end

  function response.error(status, message, headers)
    poll()
    local code, payload = core_error(status, message, headers)
    return send(code, payload)
  end

  function response.get_raw_body()
    local body, chunk, err = core_get_raw_body()
    if chunk ~= true then
      ngx.arg[1] = chunk
    end
    if err then
      return nil, err
    end
    return body
  end

  function response.set_raw_body(body)
    local wanted, err = core_set_raw_body(body)
    if err then
      return nil, err
    end
    local arg = ngx.arg
    if wanted == nil then
      -- The response has no body. Set the end first, because nginx cannot set it on an empty chunk.
      arg[2] = true
      arg[1] = nil
      return
    end
    if wanted then
      arg[1] = wanted
    end
    arg[2] = true
  end

  request_ids[response] = function()
    if options.request_id then
      return options.request_id() or nil
    end
    return services.gateway_request_id()
  end

  return response
end
