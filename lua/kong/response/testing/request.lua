--- The request of a test, and what plugins read of it: `kong.request`, `kong.client`.

local fields = require "kong.response.testing.fields"
local running = require "kong.response.testing.running"


local char = string.char
local concat = table.concat
local current = running.current
local error = error
local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local lower = string.lower
local match = string.match
local pairs = pairs
local sub = string.sub
local tonumber = tonumber
local tostring = tostring
local type = type
local upper = string.upper


local FIELDS = {
  method = "string",
  path = "string",
  headers = "table",
  http_version = "number",
  scheme = "string",
  host = "string",
  port = "number",
  body = "string",
  id = "string",
  client = "table",
  variables = "table",
}

local CLIENT_FIELDS = {
  ip = "string",
  port = "number",
  forwarded_ip = "string",
  forwarded_port = "number",
  consumer = "table",
  credential = "table",
}

local VERSIONS = { [1.0] = true, [1.1] = true, [2] = true, [3] = true }

local REQUEST_ID = "0123456789abcdef0123456789abcdef"


local function decode(text)
  return (gsub(text, "%%(%x%x)", function(digits)
    return char(tonumber(digits, 16))
  end))
end


local function unescape(text)
  return decode(gsub(text, "+", " "))
end


-- A path without `.`, `..` and empty parts; nil where it leads out of the root, unless it `stays`.
local function resolved(path, stays)
  local parts = {}
  for part in gmatch(sub(path, 2) .. "/", "([^/]*)/") do
    if part == ".." then
      if #parts == 0 and not stays then
        return nil
      end
      parts[#parts] = nil
    elseif part ~= "." and part ~= "" then
      parts[#parts + 1] = part
    end
  end
  local is_folder = #parts > 0 and find(path, "/%.?%.?$") ~= nil
  return "/" .. concat(parts, "/") .. (is_folder and "/" or "")
end


-- A path as nginx has it in `$uri`: decoded, then resolved.
local function decoded(path)
  return resolved(decode(path))
end


-- A path as a gateway has it: what would read otherwise without it stays encoded.
local function normalized(path)
  return resolved((gsub(path, "%%(%x%x)", function(digits)
    local byte = char(tonumber(digits, 16))
    return find(byte, "[!#$&'()*+,/:;=?@%[%]%%]") and "%" .. upper(digits) or byte
  end)), true)
end


--- The arguments of a query: true for one without a value, an array for one that is repeated.
local function arguments(query)
  local found = {}
  for item in gmatch(query, "[^&]+") do
    local name, value = match(item, "^([^=]*)=(.*)$")
    value = value and unescape(value) or true
    name = unescape(name or item)
    local before = found[name]
    if before == nil then
      found[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      found[name] = { before, value }
    end
  end
  return found
end


local _M = {}


--- Reads the description of a request.
-- @tparam[opt] table given see `kong.response.testing`
-- @treturn table
function _M.new(given)
  given = given or {}
  fields.check(given, FIELDS, "request")
  local client = given.client or {}
  fields.check(client, CLIENT_FIELDS, "request.client")

  local target = given.path or "/"
  if sub(target, 1, 1) ~= "/" then
    error(fmt("request.path must start with a slash, got %q", target), 0)
  end
  local mark = find(target, "?", 1, true)
  local path = mark and sub(target, 1, mark - 1) or target
  local query = mark and sub(target, mark + 1) or ""

  local uri = decoded(path)
  if not uri then
    error(fmt("request.path must not lead out of the root, got %q", target), 0)
  end
  local method = given.method or "GET"
  if not find(method, "^[%u_-]+$") then
    error(fmt("request.method must be in capitals, got %q", method), 0)
  end

  local version = given.http_version or 1.1
  if not VERSIONS[version] then
    error(fmt("request.http_version must be 1.0, 1.1, 2 or 3, got %s", tostring(version)), 0)
  end

  local scheme = given.scheme or "http"
  local headers = fields.headers(given.headers, "request.headers")
  local host = given.host or fields.find(headers, "host") or "localhost"
  if not fields.find(headers, "host") then
    headers[#headers + 1] = { "Host", host }
  end
  host = lower(gsub(host, ":%d+$", ""))
  local port = given.port or scheme == "https" and 443 or 80
  local ip = client.ip or "127.0.0.1"

  local variables = {
    request_id = given.id or REQUEST_ID,
    request_method = method,
    request_uri = target,
    uri = uri,
    document_uri = uri,
    args = query ~= "" and query or nil,
    query_string = query ~= "" and query or nil,
    is_args = query ~= "" and "?" or "",
    scheme = scheme,
    host = host,
    server_port = tostring(port),
    remote_addr = ip,
    content_type = fields.find(headers, "content-type"),
    content_length = fields.find(headers, "content-length"),
  }
  for name, value in pairs(given.variables or {}) do
    local kind = type(value)
    if type(name) ~= "string" then
      error(fmt("request.variables must have strings for names, got %s", type(name)), 0)
    elseif kind ~= "string" and kind ~= "number" then
      error(fmt("request.variables[%q] must be a string, got %s", name, kind), 0)
    end
    variables[name] = tostring(value)
  end

  return {
    method = method,
    target = target,
    path = normalized(path),
    raw_path = path,
    query = query,
    headers = headers,
    http_version = version,
    scheme = scheme,
    host = host,
    port = port,
    body = given.body or "",
    variables = variables,
    client = {
      ip = ip,
      port = client.port or 40000,
      forwarded_ip = client.forwarded_ip or ip,
      forwarded_port = client.forwarded_port or port,
      consumer = client.consumer,
      credential = client.credential,
    },
  }
end


--- A variable of nginx's: one that was given, or `$http_…` and `$arg_…`.
function _M.variable(request, name)
  local value = request.variables[name]
  if value ~= nil then
    return value
  end
  local kind, rest = match(name, "^(%a+)_(.+)$")
  if kind == "http" then
    return fields.find(request.headers, rest)
  elseif kind == "arg" then
    for item in gmatch(request.query, "[^&]+") do
      local key, text = match(item, "^([^=]*)=(.*)$")
      if key and lower(key) == lower(rest) then
        return text
      end
    end
  end
end


--- The arguments of the query, by name.
function _M.arguments(request)
  return arguments(request.query)
end


--- `kong.request`
function _M.kong_request()
  local function field(name)
    return function()
      return current().request[name]
    end
  end

  local request = {
    get_method = field "method",
    get_path = field "path",
    get_raw_path = field "raw_path",
    get_path_with_query = field "target",
    get_raw_query = field "query",
    get_http_version = field "http_version",
    get_raw_body = field "body",
  }

  for _, name in pairs { "scheme", "host", "port" } do
    request["get_" .. name] = field(name)
    request["get_forwarded_" .. name] = field(name)
  end
  request.get_forwarded_path = field "path"

  function request.get_query()
    return arguments(current().request.query)
  end

  function request.get_query_arg(name)
    local value = arguments(current().request.query)[name]
    if type(value) == "table" then
      return value[1]
    end
    return value
  end

  function request.get_header(name)
    return fields.find(current().request.headers, name)
  end

  function request.get_headers()
    return fields.by_name(current().request.headers)
  end

  return request
end


--- `kong.client`
function _M.kong_client()
  local client = {}

  for name in pairs(CLIENT_FIELDS) do
    client["get_" .. name] = function()
      return current().request.client[name]
    end
  end

  function client.authenticate(consumer, credential)
    local details = current().request.client
    details.consumer, details.credential = consumer, credential
  end

  return client
end


return _M
