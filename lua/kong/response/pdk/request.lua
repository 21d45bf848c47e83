--- `kong.request`: the request of the client.

local bodies = require "kong.response.pdk.body"
local checks = require "kong.response.pdk.check"
local headers = require "kong.response.pdk.headers"
local json = require "kong.response.json"
local paths = require "kong.response.pdk.path"
local phases = require "kong.response.pdk.phases"
local raw_body = require "kong.response.pdk.raw_body"


local error = error
local find = string.find
local lower = string.lower
local match = string.match
local pairs = pairs
local setmetatable = setmetatable
local sub = string.sub
local tonumber = tonumber
local type = type

local BEFORE_PROXY = phases.BEFORE_PROXY
local INIT_WORKER = phases.INIT_WORKER
local REQUEST = phases.REQUEST
local REWRITE = phases.BITS.rewrite

local MAX_ARGS = 100
local MAX_HEADERS = 100


local function read_port(text)
  local port = text and find(text, "^%d+$") and tonumber(text)
  if port and port >= 1 and port <= 65535 then
    return port
  end
end


--- Returns the host and the port in a header such as `user@example.com:8080`. An IPv6 address has
-- brackets.
local function split_host(text)
  local at = find(text, "@", 1, true)
  if at then
    text = sub(text, at + 1)
  end
  local host, port = match(text, "^(%b[]):?([^:]*)")
  if not host then
    host, port = match(text, "^([^:]*):?([^:]*)")
  end
  return lower(host), port
end


--- Makes `kong.request`.
-- @tparam table pdk `ngx`, `check`, `check_except`, `configuration`, `is_trusted_client`
-- @treturn table
return function(pdk)
  local ngx = pdk.ngx
  local check, check_except = pdk.check, pdk.check_except
  local is_trusted = pdk.is_trusted_client
  local variable_of = headers.variables "http_"
  local read_raw_body = raw_body(ngx)

  local request = {}


  -- `ctx` has the values from the start of access. Plugins may change the variables later.
  local function scheme()
    return ngx.ctx.scheme or ngx.var.scheme
  end

  local function host()
    return ngx.ctx.host or ngx.var.host
  end

  local function target()
    return ngx.ctx.request_uri or ngx.var.request_uri or ""
  end

  -- Returns the first value of a header.
  local function header(name)
    local value = ngx.var[variable_of(name)]
    if value and headers.is_list(value) then
      return headers.first(value, ngx.req.get_headers(0), name)
    end
    return value
  end

  -- Returns the first value of a header if the client is a trusted proxy.
  local function forwarded(name)
    local value = header(name)
    if value and is_trusted() then
      return value
    end
  end

  -- Whether nginx could not read the request, and answers with an error page.
  local function is_unread(ctx)
    return ctx.KONG_UNEXPECTED and (ngx.req.http_version() or 0) < 2
  end


  function request.get_scheme()
    check(REQUEST)
    return scheme()
  end


  function request.get_host()
    check(REQUEST)
    return host()
  end


  function request.get_port()
    check_except(INIT_WORKER)
    return tonumber(ngx.var.server_port)
  end


  function request.get_forwarded_scheme()
    check(REQUEST)
    local value = forwarded "x-forwarded-proto"
    return value and lower(value) or scheme()
  end


  function request.get_forwarded_host()
    check(REQUEST)
    local value = forwarded "x-forwarded-host"
    return value and split_host(value) or host()
  end


  function request.get_forwarded_port()
    check(REQUEST)
    local port = read_port(forwarded "x-forwarded-port")
    if port then
      return port
    end
    local value = forwarded "x-forwarded-host"
    if value then
      local _, text = split_host(value)
      port = read_port(text)
    end
    return port or ngx.ctx.host_port or pdk.host_port()
  end


  function request.get_forwarded_path()
    check(REQUEST)
    return forwarded "x-forwarded-path" or paths.normalize(paths.without_query(target()))
  end


  function request.get_forwarded_prefix()
    check(REQUEST)
    local prefix = forwarded "x-forwarded-prefix"
    if prefix then
      return prefix
    end
    -- The router runs between rewrite and access.
    prefix = ngx.var.upstream_x_forwarded_prefix or ""
    return (prefix ~= "" or ngx.ctx.KONG_PHASE == REWRITE) and prefix or nil
  end


  function request.get_http_version()
    check(REQUEST)
    return ngx.req.http_version()
  end


  function request.get_method()
    check(REQUEST)
    return is_unread(ngx.ctx) and match(ngx.var.request or "", "^%S+") or ngx.req.get_method()
  end


  function request.get_path()
    check(REQUEST)
    return paths.normalize(paths.without_query(target()))
  end


  function request.get_raw_path()
    check(REQUEST)
    return paths.without_query(target())
  end


  function request.get_path_with_query()
    check(REQUEST)
    return target()
  end


  function request.get_raw_query()
    check(REQUEST)
    return ngx.var.args or ""
  end


  local function query(max_args)
    if is_unread(ngx.ctx) then
      local args = match(ngx.var.request or "", "%?(%S*)%s")
      if not args then
        return {}
      end
      return ngx.decode_args(args, max_args)
    end
    return ngx.req.get_uri_args(max_args)
  end


  function request.get_query_arg(name)
    check(REQUEST)
    if type(name) ~= "string" then
      error("query argument name must be a string", 2)
    end
    -- 0 reads all arguments, because the wanted one may be the last.
    local value = query(0)[name]
    if type(value) == "table" then
      return value[1]
    end
    return value
  end


  function request.get_query(max_args)
    check(REQUEST)
    if max_args == nil then
      max_args = pdk.configuration.lua_max_uri_args or MAX_ARGS
    else
      checks.limit("max_args", max_args)
    end
    return query(max_args)
  end


  function request.get_header(name)
    check(REQUEST)
    if type(name) ~= "string" then
      error("header name must be a string", 2)
    end
    return header(name)
  end


  function request.get_headers(max_headers)
    check(REQUEST)
    if max_headers == nil then
      max_headers = pdk.configuration.lua_max_req_headers or MAX_HEADERS
    else
      checks.limit("max_headers", max_headers)
    end
    return ngx.req.get_headers(max_headers)
  end


  function request.get_raw_body(max_allowed_file_size)
    check(BEFORE_PROXY)
    return read_raw_body(max_allowed_file_size)
  end


  function request.get_body(mimetype, max_args, max_allowed_file_size)
    check(BEFORE_PROXY)
    local media_type = mimetype or ngx.var.http_content_type
    if not media_type then
      return nil, "missing content type"
    end
    if max_args ~= nil and bodies.is_form(media_type) then
      checks.limit("max_args", max_args)
    end
    return bodies.read(media_type, function()
      ngx.req.read_body()
      return ngx.req.get_post_args(max_args or pdk.configuration.lua_max_post_args or MAX_ARGS)
    end, function()
      return read_raw_body(max_allowed_file_size)
    end)
  end


  function request.get_start_time()
    check(REQUEST)
    return ngx.ctx.KONG_PROCESSING_START or ngx.req.start_time() * 1000
  end


  function request.get_uri_captures(ctx)
    check(REQUEST)
    local matches = (ctx or ngx.ctx).router_matches
    local captures = { unnamed = setmetatable({}, json.array_mt), named = {} }
    for key, value in pairs(matches and matches.uri_captures or {}) do
      if type(key) == "number" then
        captures.unnamed[key] = value
      elseif type(key) == "string" then
        captures.named[key] = value
      else
        ngx.log(ngx.ERR, "unknown capture key type: ", type(key))
      end
    end
    return captures
  end


  return request
end
