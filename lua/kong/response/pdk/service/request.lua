--- `kong.service.request`: the request that the upstream gets.

local bodies = require "kong.response.pdk.body"
local checks = require "kong.response.pdk.check"
local json = require "kong.response.pdk.json"
local multipart = require "kong.response.pdk.multipart"
local paths = require "kong.response.pdk.path"
local phases = require "kong.response.pdk.phases"
local queries = require "kong.response.pdk.query"


local byte = string.byte
local error = error
local fmt = string.format
local gsub = string.gsub
local ipairs = ipairs
local lower = string.lower
local pairs = pairs
local pcall = pcall
local rawget = rawget
local sort = table.sort
local tostring = tostring
local type = type

local REWRITE_ACCESS = phases.REWRITE_ACCESS
local REWRITE_ACCESS_BALANCER = phases.REWRITE_ACCESS_BALANCER
local UPSTREAM_TLS = phases.UPSTREAM_TLS
local BALANCER = phases.BITS.balancer

local AUTHORITY = ":authority"
local COLON = byte(":")

local METHODS = {}
for _, name in pairs {
  "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "MKCOL", "COPY", "MOVE", "PROPFIND",
  "PROPPATCH", "LOCK", "UNLOCK", "PATCH", "TRACE",
} do
  METHODS[name] = "HTTP_" .. name
end


--- Returns a value for `ngx.req.set_header`. An empty string becomes a space, because nginx would
-- drop the header.
local function header_value(value)
  local kind = type(value)
  if kind == "string" then
    return value == "" and " " or value
  elseif kind ~= "table" then
    return tostring(value)
  end
  local values = {}
  for i, item in ipairs(value) do
    values[i] = item == "" and " " or item
  end
  return values
end


--- Makes `kong.service.request`.
-- @tparam table pdk `ngx`, `check`, `description_of`, `set_host`, `set_variable`
-- @treturn table
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check

  local request = {}


  -- Raises an error about nginx's configuration, at the plugin's line.
  local function need_variable(name, what)
    error(fmt("kong.service.request.%s needs the variable $%s: add `set $%s \"\";` to nginx's"
              .. " location and use it in proxy_pass", what, name, name), 3)
  end


  function request.enable_buffering()
    check(REWRITE_ACCESS_BALANCER)
    if not pdk.description_of(ngx.ctx).buffering then
      error("kong.service.request.enable_buffering needs a server that buffers answers", 2)
    end
    ngx.ctx.buffered_proxying = true
  end


  function request.set_scheme(scheme)
    check(REWRITE_ACCESS_BALANCER)
    if type(scheme) ~= "string" then
      error("scheme must be a string", 2)
    elseif scheme ~= "http" and scheme ~= "https" then
      error("invalid scheme: " .. scheme, 2)
    end
    if not pdk.set_variable("upstream_scheme", scheme) then
      need_variable("upstream_scheme", "set_scheme")
    end
  end


  function request.set_path(path)
    check(REWRITE_ACCESS_BALANCER)
    if type(path) ~= "string" then
      error("path must be a string", 2)
    elseif byte(path) ~= 47 then
      error("path must start with /", 2)
    end
    path = paths.escape(path)
    if pdk.set_variable("upstream_uri", path) then
      return
    end
    -- Without the variable, nginx makes the path from `$uri`. It cannot contain encoded delimiters.
    local plain = paths.unescape(path)
    if not plain then
      need_variable("upstream_uri", "set_path")
    end
    -- `true` allows any byte in the path, because nginx escapes it.
    ngx.req.set_uri(plain, false, true)
  end


  function request.set_raw_query(query)
    check(REWRITE_ACCESS)
    if type(query) ~= "string" then
      error("query must be a string", 2)
    end
    ngx.req.set_uri_args(query)
  end


  function request.set_query(args)
    check(REWRITE_ACCESS)
    if type(args) ~= "table" then
      error("args must be a table", 2)
    end
    local query, mistake = queries.encode(ngx, args)
    if mistake then
      error(mistake, 2)
    end
    ngx.req.set_uri_args(query)
  end


  function request.clear_query_arg(name)
    check(REWRITE_ACCESS)
    if type(name) ~= "string" then
      error("query argument name must be a string", 2)
    end
    ngx.req.set_uri_args(queries.without(ngx, ngx.var.args or "", name))
  end


  function request.set_method(method)
    check(REWRITE_ACCESS)
    if type(method) ~= "string" then
      error("method must be a string", 2)
    end
    local constant = METHODS[method]
    if not constant then
      error("invalid method: " .. method, 2)
    end
    ngx.req.set_method(ngx[constant])
  end


  -- Sets `Host`, or `:authority`, which gRPC sends instead.
  local function set_special(name, value)
    local host = value
    if type(value) == "table" then
      host = value[#value] or ""
    end
    if name == AUTHORITY then
      local scheme = ngx.var.upstream_scheme
      if scheme ~= "grpc" and scheme ~= "grpcs" then
        return nil, "cannot set :authority pseudo-header on non-grpc requests"
      end
      pdk.set_host(host)
      return
    end
    pdk.set_host(host)
    ngx.req.set_header(name, value)
  end


  local function is_special(name)
    return #name == 4 and lower(name) == "host" or byte(name) == COLON and name == AUTHORITY
  end


  function request.set_header(name, value)
    check(REWRITE_ACCESS_BALANCER)
    if type(name) ~= "string" or type(value) ~= "string" then
      checks.header(name, value)
    end
    value = header_value(value)
    if is_special(name) then
      return set_special(name, value)
    end
    ngx.req.set_header(name, value)
  end


  function request.add_header(name, value)
    check(REWRITE_ACCESS)
    checks.header(name, value)
    value = header_value(value)

    -- `rawget` finds only this name: a lookup with the metatable would find `-` for `_`.
    local headers = ngx.req.get_headers(0)
    local values = rawget(headers, lower(name))
    if type(values) ~= "table" then
      values = { values }
    end
    if type(value) == "table" then
      for i = 1, #value do
        values[#values + 1] = value[i]
      end
    else
      values[#values + 1] = value
    end
    if #values > 0 then
      if is_special(name) then
        return set_special(name, values)
      end
      ngx.req.set_header(name, values)
    end
  end


  function request.clear_header(name)
    check(REWRITE_ACCESS)
    if type(name) ~= "string" then
      error("header must be a string", 2)
    end
    ngx.req.clear_header(name)
  end


  function request.set_headers(headers)
    check(REWRITE_ACCESS)
    checks.headers(headers)

    -- Sorted, so that the same spelling wins each time if the table has two spellings of a name.
    local names, count = {}, 0
    for name in pairs(headers) do
      count = count + 1
      names[count] = name
    end
    sort(names)
    for i = 1, count do
      local name = names[i]
      local value = header_value(headers[name])
      if is_special(name) then
        set_special(name, value)
      else
        ngx.req.set_header(name, value)
      end
    end
  end


  local function set_raw_body(body)
    if ngx.ctx.KONG_PHASE ~= BALANCER then
      ngx.req.read_body()
    end
    ngx.req.set_body_data(body)
  end


  function request.set_raw_body(body)
    check(REWRITE_ACCESS_BALANCER)
    if type(body) ~= "string" then
      error("body must be a string", 2)
    end
    set_raw_body(body)
  end


  -- Returns the body and its Content-Type, or nil and the error.
  local function encode_body(kind, args, mime)
    if kind == bodies.FORM then
      local body, mistake = queries.encode(ngx, args)
      return body, mistake or mime

    elseif kind == bodies.JSON then
      local ok, body = pcall(json.encode, args)
      if not ok then
        return nil, (gsub(tostring(body), "^[^:%s]+:%d+: ", ""))
      end
      return body, mime

    elseif kind == bodies.MULTIPART then
      local mistake = multipart.mistake(args)
      if mistake then
        return nil, mistake
      end
      local body, boundary = multipart.encode(args, mime)
      return body, bodies.MULTIPART .. "; boundary=" .. boundary
    end
    return nil, "unsupported content type " .. mime
  end


  function request.set_body(args, mime)
    check(REWRITE_ACCESS)
    if type(args) ~= "table" then
      error("args must be a table", 2)
    elseif mime ~= nil and type(mime) ~= "string" then
      error("mime must be a string", 2)
    end
    mime = mime or ngx.var.http_content_type
    if not mime then
      return nil, "content type was neither explicitly given as an argument or received as a header"
    end

    local body, content_type = encode_body(bodies.without_parameters(mime), args, mime)
    if not body then
      error(content_type, 2)
    end
    set_raw_body(body)
    ngx.req.set_header("Content-Type", content_type)
    return true
  end


  -- Without a gateway, only nginx's configuration can turn TLS on and off.
  function request.disable_tls()
    check(UPSTREAM_TLS)
    error("kong.service.request.disable_tls needs a gateway", 2)
  end


  function request.enable_tls()
    check(UPSTREAM_TLS)
    error("kong.service.request.enable_tls needs a gateway", 2)
  end


  return request
end
