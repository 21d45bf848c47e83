--- Reads the request of a case.

local cases = require "kong.response.testing.cases"
local clock = require "kong.response.testing.clock"
local fields = require "kong.response.testing.fields"
local is_address = require("kong.response.pdk.ip").is_address


local char = string.char
local concat = table.concat
local error = error
local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local lower = string.lower
local pairs = pairs
local sub = string.sub
local tonumber = tonumber
local tostring = tostring
local type = type


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

local CLIENT_PORT = 40000

local REQUEST_ID = "0123456789abcdef0123456789abcdef"


local function check_port(port, what)
  if port and not (port >= 1 and port <= 65535 and port % 1 == 0) then
    error(fmt("%s must be a whole number from 1 to 65535, got %s", what, tostring(port)), 0)
  end
end


local function check_address(address, what)
  if address and not is_address(address) then
    error(fmt("%s must be an IP address, got %q", what, address), 0)
  end
end


local function check_client(client)
  fields.check(client, CLIENT_FIELDS, "request.client")
  check_address(client.ip, "request.client.ip")
  check_address(client.forwarded_ip, "request.client.forwarded_ip")
  check_port(client.port, "request.client.port")
  check_port(client.forwarded_port, "request.client.forwarded_port")
  if client.consumer then
    cases.check_object(client.consumer, "consumer", "request.client.consumer")
  end
end


local function decode(text)
  return (gsub(text, "%%(%x%x)", function(digits)
    return char(tonumber(digits, 16))
  end))
end


-- Returns a path without `.`, `..` and empty parts, or nil if it leaves the root.
local function resolved(path)
  if not find(path, "/[./]") then
    return path
  end
  local parts = {}
  for part in gmatch(sub(path, 2) .. "/", "([^/]*)/") do
    if part == ".." then
      if #parts == 0 then
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


-- Returns a path as nginx has it in `$uri`: decoded, then without `.` and `..`.
local function decoded(path)
  return resolved(decode(path))
end


local _M = {}


--- Reads the description of a request.
-- @tparam[opt] kong.response.testing.Request given
-- @treturn table
-- @raise see `kong.response.testing.run`
function _M.new(given)
  given = given or {}
  fields.check(given, FIELDS, "request")
  local client = given.client or {}
  check_client(client)
  check_port(given.port, "request.port")

  local target = given.path or "/"
  if sub(target, 1, 1) ~= "/" then
    error(fmt("request.path must start with a slash, got %q", target), 0)
  elseif find(target, "[%z\1-\32\127]") then
    error(fmt("request.path must not have spaces or control characters, got %q", target), 0)
  end
  local mark = find(target, "?", 1, true)
  local path = mark and sub(target, 1, mark - 1) or target
  local query = mark and sub(target, mark + 1) or ""

  local uri = decoded(path)
  if not uri then
    error(fmt("request.path must not leave the root, got %q", target), 0)
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
  if scheme ~= "http" and scheme ~= "https" then
    error(fmt("request.scheme must be http or https, got %q", scheme), 0)
  elseif given.host and not find(given.host, "^[^%z\1-\32\127/]+$") then
    error(fmt("request.host must be the name of a host, got %q", given.host), 0)
  end
  local headers = fields.headers(given.headers, "request.headers")
  local host = given.host or fields.find(headers, "host") or "localhost"
  if not fields.find(headers, "host") then
    headers[#headers + 1] = { "Host", host }
  end
  host = lower(gsub(host, ":%d+$", ""))
  local port = given.port or scheme == "https" and 443 or 80
  local ip = client.ip or "127.0.0.1"

  local body = given.body or ""
  -- Clients send the length of a body.
  if body ~= "" and not fields.find(headers, "content-length")
    and not fields.find(headers, "transfer-encoding")
  then
    headers[#headers + 1] = { "Content-Length", fmt("%d", #body) }
  end

  local variables = { request_id = given.id or REQUEST_ID }
  for name, value in pairs(given.variables or {}) do
    local kind = type(value)
    if type(name) ~= "string" then
      error(fmt("request.variables must have strings as names, got %s", type(name)), 0)
    elseif not find(name, "^[%w_]+$") then
      error(fmt("request.variables[%q] is not the name of a variable", name), 0)
    elseif kind ~= "string" and kind ~= "number" then
      error(fmt("request.variables[%q] must be a string, got %s", name, kind), 0)
    end
    variables[name] = tostring(value)
  end

  return {
    method = method,
    first_method = method,
    target = target,
    path = path,
    uri = uri,
    args = query ~= "" and query or nil,
    headers = headers,
    http_version = version,
    scheme = scheme,
    host = host,
    port = port,
    body = body,
    body_read = false,
    started = clock.now(),
    variables = variables,
    client = {
      ip = ip,
      port = client.port or CLIENT_PORT,
      forwarded_ip = client.forwarded_ip or ip,
      forwarded_port = client.forwarded_port or client.port or CLIENT_PORT,
      consumer = client.consumer,
      credential = client.credential,
    },
  }
end


return _M
