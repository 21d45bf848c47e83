--- Makes tables of the thirteen functions of `kong.response`.
-- The functions are native. What is here is what a C function cannot do: print, exit, yield, and
-- set `ngx.arg`.

local core = require "kong.response.core"
local json = require "kong.response.json"


local error = error
local pairs = pairs
local pcall = pcall
local type = type
local fmt = string.format
local gsub = string.gsub
local lower = string.lower
local setmetatable = setmetatable
local rawget = rawget


local FUNCTIONS = {
  "get_status", "get_header", "get_headers", "get_source",
  "set_status", "set_header", "add_header", "clear_header", "set_headers",
  "get_raw_body", "set_raw_body", "exit", "error",
}

local MAX_HEADERS_DEFAULT = 100

local OPTIONS = {
  log = "function",
  request_id = "function",
  error_templates = "table",
  worker_events = "table",
}

local ARTICLES = { ["function"] = "a function", table = "a table" }

local DOCUMENTS = { json = true, html = true, xml = true, plain = true }


local function check_options(options)
  if type(options) ~= "table" then
    error(fmt("options must be a table, got %s", type(options)), 3)
  end

  for name, value in pairs(options) do
    local expected = OPTIONS[name]
    if not expected then
      error(fmt("unknown option %q", tostring(name)), 3)
    end
    if type(value) ~= expected then
      error(fmt("option %q must be %s, got %s", name, ARTICLES[expected], type(value)), 3)
    end
  end

  for name, path in pairs(options.error_templates or {}) do
    if not DOCUMENTS[name] then
      error(fmt("unknown option %q", "error_templates." .. tostring(name)), 3)
    end
    if type(path) ~= "string" then
      error(fmt("option %q must be a string, got %s", "error_templates." .. name, type(path)), 3)
    end
  end

  local events = options.worker_events
  if events and type(events.poll) ~= "function" then
    error(fmt("option %q must be a function, got %s", "worker_events.poll", type(events.poll)), 3)
  end
end


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

    copy(options.error_templates or {}),

    false, -- what sends a delayed response: `bind` has it

    tostring,
    "__len",
    "__index",
    "message",
    json.empty_array,
    json.array_mt,
    json.empty_array_mt,
  }
end

local FLUSH = 7


local function bind(options, ngx)
  local services = make_services(options, ngx)
  local native = core.nginx(ngx, services)
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

  local response = {}
  for i = 1, #FUNCTIONS do
    response[FUNCTIONS[i]] = native[FUNCTIONS[i]]
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
    local body, keep = core_get_raw_body()
    if not keep then
      ngx.arg[1] = body
    end
    return body
  end

  function response.set_raw_body(body)
    core_set_raw_body(body)
    local arg = ngx.arg
    -- Gateways send a newline for an empty body.
    arg[1] = body == "" and "\n" or body
    arg[2] = true
  end

  return response
end


local function unbound()
  error("kong.response has no request here: this process is not nginx with lua-nginx-module", 2)
end


local _M = {}


--- Makes an independent table of the thirteen functions.
-- @tparam[opt] table options
-- @tparam[opt=nginx's error log] function options.log `function(level, message)`, with nginx's
--   numbers for levels (`ngx.WARN`, `ngx.ERR`): `ngx.log` is one
-- @tparam[opt] function options.request_id `function() -> string|nil`: the request's id in error
--   documents; by default that of `kong.observability.tracing.request_id` where that module
--   exists, else the variable `$request_id`
-- @tparam[opt] table options.error_templates paths of custom templates, by document: `json`,
--   `html`, `xml`, `plain`
-- @tparam[opt] table options.worker_events polled (`worker_events.poll()`) by `exit` and `error`
--   in nginx's content phase
-- @treturn table
-- @raise `options must be a table, got <type>`, `unknown option "<name>"`, `option "<name>" must
--   be <type>, got <type>`; with an older lua-nginx-module `kong.response needs lua-nginx-module
--   0.10.23 or later: symbol <name> not found`
function _M.new(options)
  if options ~= nil then
    check_options(options)
  end

  local ngx = rawget(_G, "ngx")
  if type(ngx) == "table" and ngx.config and ngx.config.subsystem == "http" then
    return bind(options or {}, ngx)
  end

  local response = {}
  for i = 1, #FUNCTIONS do
    response[FUNCTIONS[i]] = unbound
  end
  return response
end


return _M
