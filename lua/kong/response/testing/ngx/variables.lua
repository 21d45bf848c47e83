--- `ngx.var`: nginx's variables of a request.

local body_files = require "kong.response.testing.ngx.body_files"
local clock = require "kong.response.testing.clock"
local fields = require "kong.response.testing.fields"
local forwarded = require "kong.response.testing.forwarded"
local names = require "kong.response.names"
local running = require "kong.response.testing.running"


local char = string.char
local concat = table.concat
local of_request = running.request
local date = os.date
local error = error
local find = string.find
local floor = math.floor
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local lower = string.lower
local ipairs = ipairs
local match = string.match
local pairs = pairs
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring
local type = type


local PROTOCOLS = { [1.0] = "HTTP/1.0", [1.1] = "HTTP/1.1", [2] = "HTTP/2.0", [3] = "HTTP/3.0" }

local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}


-- Returns the values of all headers with this name, where `_` and `-` are the same.
-- @tparam[opt] string exact only headers with exactly this name, in lower case
local function all(list, name, exact)
  name = gsub(lower(name), "-", "_")
  local found = {}
  for i = 1, #list do
    local given = lower(list[i][1])
    if given == exact or not exact and gsub(given, "-", "_") == name then
      found[#found + 1] = list[i][2]
    end
  end
  return found
end


local function address_bytes(address)
  if not find(address, "^%d+%.%d+%.%d+%.%d+$") then
    return address
  end
  return (gsub(address, "(%d+)%.?", function(part)
    return char(tonumber(part) % 256)
  end))
end


local function body_length(session)
  return #concat(session.chunks)
end


-- Whether nginx has asked the upstream for this request. For a buffered response, a subrequest asks
-- it.
local function asked(session)
  return session.upstream_called and not session.waits
end


-- Returns the upstream if it has answered this request.
local function answered(session)
  return asked(session) and session.answered and session.upstream or nil
end


local function time_of_upstream(session)
  return asked(session) and "0.000" or nil
end


local DOCUMENT_ROOT = "/usr/share/nginx/html"

-- The variables that nginx computes, by name.
local COMPUTED = {
  request_method = function(_, request)
    return request.method
  end,
  request_uri = function(_, request)
    return request.target
  end,
  uri = function(_, request)
    return request.uri
  end,
  args = function(_, request)
    return request.args
  end,
  is_args = function(_, request)
    return request.args and request.args ~= "" and "?" or ""
  end,
  scheme = function(_, request)
    return request.scheme
  end,
  https = function(_, request)
    return request.scheme == "https" and "on" or ""
  end,
  host = function(_, request)
    return request.host
  end,
  server_name = function()
    return ""
  end,
  server_port = function(_, request)
    return tostring(request.port)
  end,
  server_addr = function()
    return "127.0.0.1"
  end,
  server_protocol = function(_, request)
    return PROTOCOLS[request.http_version]
  end,
  http2 = function(_, request)
    return request.http_version == 2 and "h2" or ""
  end,
  http3 = function(_, request)
    return request.http_version == 3 and "h3" or ""
  end,
  remote_addr = function(_, request)
    return request.client.forwarded_ip
  end,
  remote_port = function(_, request)
    return tostring(request.client.forwarded_port)
  end,
  realip_remote_addr = function(_, request)
    return request.client.ip
  end,
  realip_remote_port = function(_, request)
    return tostring(request.client.port)
  end,
  binary_remote_addr = function(_, request)
    return address_bytes(request.client.forwarded_ip)
  end,
  remote_user = function(session, request)
    local value = match(fields.find(request.headers, "authorization") or "", "^[Bb]asic%s+(%S+)")
    local decoded = value and session.ngx and session.ngx.decode_base64(value)
    return decoded and match(decoded, "^([^:]*):")
  end,
  request = function(_, request)
    return fmt("%s %s %s", request.first_method, request.target, PROTOCOLS[request.http_version])
  end,
  request_length = function(_, request)
    local length = #request.method + #request.target + 13
    for i = 1, #request.headers do
      length = length + #request.headers[i][1] + #request.headers[i][2] + 4
    end
    return tostring(length + #request.body)
  end,
  request_time = function(_, request)
    return fmt("%.3f", clock.now() - request.started)
  end,
  request_body = function(_, request)
    if request.body == "" then
      local has_body = fields.find(request.headers, "content-length")
                       or fields.find(request.headers, "transfer-encoding")
      return request.body_read and has_body and "" or nil
    end
    return body_files.in_memory(request)
  end,
  request_body_file = function(_, request)
    return body_files.path(request)
  end,
  request_completion = function(session)
    return session.complete and session.host:get_phase() == "log" and "OK" or ""
  end,
  content_type = function(_, request)
    return fields.find(request.headers, "content-type")
  end,
  content_length = function(_, request)
    return fields.find(request.headers, "content-length")
  end,
  hostname = function()
    return "localhost"
  end,
  msec = function()
    return fmt("%.3f", clock.now())
  end,
  time_iso8601 = function()
    return date("!%Y-%m-%dT%H:%M:%S+00:00", floor(clock.now()))
  end,
  time_local = function()
    local now = date("!*t", floor(clock.now()))
    return fmt("%02d/%s/%d:%02d:%02d:%02d +0000", now.day, MONTHS[now.month], now.year, now.hour,
               now.min, now.sec)
  end,
  nginx_version = function(session)
    return session.nginx_version
  end,
  pid = function()
    return "1"
  end,
  pipe = function()
    return "."
  end,
  connection = function()
    return "1"
  end,
  connection_requests = function()
    return "1"
  end,
  connection_time = function(_, request)
    return fmt("%.3f", clock.now() - request.started)
  end,
  connections_active = function()
    return "1"
  end,
  limit_rate = function()
    return "0"
  end,
  document_root = function()
    return DOCUMENT_ROOT
  end,
  request_filename = function(_, request)
    return DOCUMENT_ROOT .. request.uri
  end,
  proxy_protocol_addr = function()
    return ""
  end,
  status = function(session)
    return fmt("%03d", session.host:get_status())
  end,
  body_bytes_sent = function(session)
    return tostring(body_length(session))
  end,
  bytes_sent = function(session)
    local length = body_length(session)
    for i = 1, #(session.headers or {}) do
      length = length + #session.headers[i][1] + #session.headers[i][2] + 4
    end
    return tostring(length)
  end,
  upstream_status = function(session)
    local upstream = answered(session)
    if upstream then
      return tostring(upstream.status)
    end
    local failure = asked(session) and session.upstream.failure
    return failure and tostring(failure.status) or nil
  end,
  upstream_addr = function(session)
    return asked(session) and "127.0.0.1:80" or nil
  end,
  upstream_response_time = time_of_upstream,
  upstream_connect_time = time_of_upstream,
  upstream_header_time = function(session)
    return answered(session) and "0.000" or asked(session) and "-" or nil
  end,
  upstream_response_length = function(session)
    local upstream = answered(session)
    return upstream and tostring(#concat(upstream.chunks)) or nil
  end,
}
-- Gateways have this variable.
function COMPUTED.kong_request_id(_, request)
  return request.variables.request_id
end
COMPUTED.document_uri = COMPUTED.uri
COMPUTED.query_string = COMPUTED.args

-- Variables of nginx that have no value for the requests of tests.
local EMPTY = {}
for name in gmatch([[
  upstream_cache_status upstream_bytes_received upstream_bytes_sent
  upstream_http_upgrade upstream_trailer_x
  ssl_protocol ssl_cipher ssl_session_id ssl_session_reused ssl_server_name ssl_client_cert
  ssl_client_raw_cert ssl_client_escaped_cert ssl_client_s_dn ssl_client_i_dn ssl_client_serial
  ssl_client_fingerprint ssl_client_verify ssl_client_v_start ssl_client_v_end ssl_client_v_remain
  proxy_host proxy_port proxy_add_x_forwarded_for realpath_root
  limit_req_status limit_conn_status tcpinfo_rtt tcpinfo_rttvar gzip_ratio
  proxy_protocol_port proxy_protocol_server_addr proxy_protocol_server_port http_kong_debug
]], "%S+") do
  EMPTY[name] = true
end

-- The variables that the location of a gateway declares.
local DECLARED = { upstream_scheme = true, upstream_host = true, upstream_uri = true }

-- Returns whether the location declares a variable.
local function is_declared(session, name)
  return DECLARED[name] or forwarded.VARIABLES[name] and not session.life
end

local CHANGEABLE = { args = true, limit_rate = true }


-- Joins the values of headers of one name. Before nginx 1.23, a variable has only the first value.
local function joined(session, values)
  if session.joins_headers then
    return values[1] and concat(values, ", ")
  end
  return values[1]
end


-- Headers for which nginx has a field. Their variables do not find a header with `_` in its name.
local IN_FIELDS = {
  host = "host", user_agent = "user-agent", referer = "referer", via = "via", cookie = "cookie",
  x_forwarded_for = "x-forwarded-for",
}

-- The functions that find the value of a variable with a prefix, by the prefix.
local PREFIXES = {
  http = function(session, request, name)
    local found = all(request.headers, name, IN_FIELDS[name])
    if name == "cookie" then
      return found[1] and concat(found, "; ")
    elseif name == "x_forwarded_for" then
      return found[1] and concat(found, ", ")
    end
    return joined(session, found)
  end,
  arg = function(_, request, name)
    for item in gmatch(request.args or "", "[^&]+") do
      local key, text = match(item, "^([^=]*)=(.*)$")
      if key and lower(key) == name then
        return text
      end
    end
  end,
  cookie = function(_, request, name)
    for _, line in ipairs(all(request.headers, "cookie")) do
      for item in gmatch(line, "[^;]+") do
        local key, text = match(item, "^%s*([^=]-)%s*=%s*(.*)$")
        if key and lower(key) == name then
          return text
        end
      end
    end
  end,
  sent_http = function(session, _, name)
    local value
    if name == "connection" then
      value = session.host:get_headers(0).connection
    elseif session.headers then
      value = all(session.headers, name)
    else
      value = session.host:get_header((gsub(name, "_", "-")))
    end
    if type(value) == "table" then
      return joined(session, value)
    end
    return value
  end,
  upstream_http = function(session, _, name)
    local upstream = answered(session)
    return joined(session, upstream and all(upstream.headers, name) or {})
  end,
  sent_trailer = function() end,
  upstream_trailer = function() end,
  upstream_cookie = function(session, _, name)
    local upstream = answered(session)
    for _, line in ipairs(upstream and all(upstream.headers, "set-cookie") or {}) do
      local key, value = match(line, "^%s*([^=;]-)%s*=%s*([^;]*)")
      if key and lower(key) == name then
        return value
      end
    end
  end,
}


-- Returns the function for the prefix of a name, and the rest of the name; nil without a prefix.
local function prefixed(name)
  for _, prefix in ipairs { "sent_http", "sent_trailer", "upstream_http", "upstream_trailer",
                            "upstream_cookie", "http", "arg", "cookie" } do
    if #name > #prefix + 1 and name:sub(1, #prefix + 1) == prefix .. "_" then
      return PREFIXES[prefix], name:sub(#prefix + 2)
    end
  end
end


-- Returns the names of all variables, for suggestions.
local function known_names(given)
  local known = {}
  for _, some in ipairs { COMPUTED, EMPTY, DECLARED, forwarded.VARIABLES, given } do
    for name in pairs(some) do
      known[name] = true
    end
  end
  return known
end


local _M = {}


--- Returns the value of a variable, or nil. In strict mode, it reports an unknown variable.
function _M.get(session, name)
  local request = session.request
  local value = request.variables[name]
  if value ~= nil then
    return value or nil
  end
  local compute = COMPUTED[name]
  if compute then
    return compute(session, request)
  elseif is_declared(session, name) then
    return ""
  elseif EMPTY[name] or forwarded.VARIABLES[name] then
    return nil
  end
  local find_value, rest = prefixed(name)
  if find_value then
    return find_value(session, request, rest)
  elseif session.strict then
    session.strict:unknown_variable(name, names.suggestion(name, known_names(request.variables)))
  end
end


--- Sets a variable.
-- @raise nginx's errors for unknown variables and for those that cannot change
function _M.set(session, name, value)
  local request = session.request
  if name == "args" or name == "query_string" then
    request.args = value ~= nil and tostring(value) or nil
    return
  end
  local is_given = request.variables[name] ~= nil
  if not is_given and not is_declared(session, name) and not CHANGEABLE[name] then
    if COMPUTED[name] or EMPTY[name] then
      error(fmt('variable "%s" not changeable', name), 3)
    end
    error(fmt('variable "%s" not found for writing; maybe it is a built-in variable that is not'
              .. " changeable or you forgot to use \"set $%s '';\" in the config file to define it"
              .. " first", name, name), 3)
  end
  request.variables[name] = value ~= nil and tostring(value)
end


--- Declares a variable and sets it, for a case.
function _M.give(session, name, value)
  session.request.variables[lower(name)] = tostring(value)
end


--- Makes `ngx.var`.
function _M.new()
  return setmetatable({}, {
    __index = function(_, name)
      if type(name) == "number" then
        return nil
      elseif type(name) ~= "string" then
        error("bad variable name", 2)
      end
      return _M.get(of_request(), lower(name))
    end,
    __newindex = function(_, name, value)
      if type(name) ~= "string" then
        error("bad variable name", 2)
      end
      return _M.set(of_request(), lower(name), value)
    end,
  })
end


return _M
