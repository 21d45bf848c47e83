--- The functions of `kong.response` for the request that nginx is serving.
-- They are native. What is here is what a C function cannot do: print, exit, yield, and set
-- `ngx.arg`.

local core = require "kong.response.core"
local json = require "kong.response.json"


local getmetatable = getmetatable
local pairs = pairs
local pcall = pcall
local rawget = rawget
local setmetatable = setmetatable
local type = type
local gsub = string.gsub
local lower = string.lower


local MAX_HEADERS_DEFAULT = 100

-- The place of what sends a delayed response among the services.
local FLUSH = 7


local function copy(table)
  local new = {}
  for key, value in pairs(table) do
    new[key] = value
  end
  return new
end


-- nginx's own metatable for headers never finds an upstream's literal `X_Foo` under that name.
local headers_mt = {
  __index = function(headers, name)
    if type(name) ~= "string" then
      return nil
    end
    name = lower(name)
    local value = rawget(headers, name)
    if value == nil then
      value = rawget(headers, (gsub(name, "_", "-")))
    end
    return value
  end,
}


local function first(value)
  if type(value) == "table" then
    return value[1]
  end
  return value
end


-- What the native functions ask Lua for.
local function make_services(options, ngx)
  local request_id = options.request_id
  local gateway_id

  local function default_request_id()
    if gateway_id == nil then
      local found, module = pcall(require, "kong.observability.tracing.request_id")
      gateway_id = found and type(module) == "table" and module.get or false
    end
    if gateway_id then
      return gateway_id()
    end
    return ngx.var.request_id
  end

  return {
    options.log or false,

    request_id or default_request_id,

    -- Looked up when asked: gateways and their tests replace it.
    function()
      return ngx.req.http_version()
    end,

    function(name, synthesised)
      name = lower(name)
      if synthesised then
        local value = ngx.resp.get_headers(1, true)[name]
        if value == nil then
          value = ngx.header[name]
        end
        return first(value)
      end
      return first(setmetatable(ngx.resp.get_headers(0), headers_mt)[name])
    end,

    function(max)
      if not max then
        local kong = rawget(_G, "kong")
        local configuration = type(kong) == "table" and kong.configuration
        max = type(configuration) == "table" and configuration.lua_max_resp_headers
              or MAX_HEADERS_DEFAULT
      end
      local headers, err = ngx.resp.get_headers(max)
      return setmetatable(headers, headers_mt), err
    end,

    options.error_templates and setmetatable(copy(options.error_templates),
                                             getmetatable(options.error_templates)) or {},

    false, -- FLUSH, which needs the services itself

    tostring,
    "__len",
    "__index",
    "message",
    json.empty_array,
    json.array_mt,
    json.empty_array_mt,
    -- The native functions put the VM's main thread behind these.
  }
end


--- @tparam table options those of `kong.response.instance`, checked; the paths of `error_templates`
--   may also come from the `__index` of a metatable
-- @tparam table ngx
-- @tparam[opt=core.nginx] function native `native(ngx, services)` gives the functions of a host
-- @treturn table the thirteen functions
-- @raise `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
return function(options, ngx, native)
  local services = make_services(options, ngx)
  native = (native or core.nginx)(ngx, services)
  local worker_events = options.worker_events

  local core_exit = native.exit
  local core_error = native.error
  local core_flush = native.flush
  local core_get_raw_body = native.get_raw_body
  local core_set_raw_body = native.set_raw_body

  local function poll()
    if worker_events and ngx.get_phase() == "content" then
      worker_events.poll()
    end
  end

  local function send(code, body)
    if not code then
      -- Delayed. Gateways never resume this coroutine.
      coroutine.yield()
      return
    end
    if body then
      ngx.print(body)
    end
    return ngx.exit(code)
  end

  services[FLUSH] = function(ctx)
    local code, body = core_flush(ctx or ngx.ctx)
    return send(code, body)
  end

  local response = copy(native)
  response.flush = nil

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
    local body, keep = core_get_raw_body()
    if not keep then
      ngx.arg[1] = body
    end
    return body
  end

  function response.set_raw_body(body)
    local arg = ngx.arg
    if not core_set_raw_body(body) then
      arg[2] = true -- first: behind an empty chunk nginx would lose the end of the body
      arg[1] = nil
      return
    end
    -- Gateways send a newline for an empty body.
    arg[1] = body == "" and "\n" or body
    arg[2] = true
  end

  return response
end
