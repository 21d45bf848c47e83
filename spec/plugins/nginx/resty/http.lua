--- A stand-in for lua-resty-http, for the specs in nginx only: Debian does not package that.
--
-- It has `new`, `set_timeout` and `request_uri`, over cosockets and plain HTTP/1.1. Whatever the
-- URL says, it connects to the port `_M.port`, so that no name has to be resolved.

local concat = table.concat
local fmt = string.format
local lower = string.lower
local match = string.match
local pairs = pairs
local setmetatable = setmetatable
local tonumber = tonumber


local Client = {}
Client.__index = Client

local _M = {}


function _M.new()
  return setmetatable({ timeout = 1000 }, Client)
end


function Client:set_timeout(milliseconds)
  self.timeout = milliseconds
end


local function read_head(socket)
  local line, err = socket:receive("*l")
  if not line then
    return nil, err
  end
  local status, reason = match(line, "^HTTP/%d%.%d (%d%d%d) ?(.*)$")
  local headers = {}
  while true do
    line, err = socket:receive("*l")
    if not line then
      return nil, err
    elseif line == "" then
      return { status = tonumber(status), reason = reason, headers = headers }
    end
    local name, value = match(line, "^([^:]+):%s*(.-)%s*$")
    headers[name] = value
    headers[lower(name)] = value
  end
end


local function read_body(socket, head)
  if lower(head["transfer-encoding"] or "") ~= "chunked" then
    local length = head["content-length"]
    return socket:receive(length and tonumber(length) or "*a")
  end
  local chunks = {}
  while true do
    local size, err = socket:receive("*l")
    if not size then
      return nil, err
    end
    size = tonumber(match(size, "^%x+"), 16)
    if size > 0 then
      chunks[#chunks + 1] = socket:receive(size)
    end
    socket:receive("*l")
    if size == 0 then
      return concat(chunks)
    end
  end
end


function Client:request_uri(uri, params)
  params = params or {}
  local host, path = match(uri, "^http://([^/]+)(.*)$")
  if not host then
    return nil, "the stand-in for resty.http knows http:// only"
  end
  local socket = ngx.socket.tcp()
  socket:settimeout(self.timeout)
  local ok, err = socket:connect("127.0.0.1", _M.port)
  if not ok then
    return nil, err
  end

  local lines = { fmt("%s %s HTTP/1.1", params.method or "GET", path == "" and "/" or path) }
  local headers = { Host = host, ["User-Agent"] = "stand-in", Connection = "close" }
  for name, value in pairs(params.headers or {}) do
    headers[name] = value
  end
  if params.body then
    headers["Content-Length"] = #params.body
  end
  for name, value in pairs(headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  ok, err = socket:send(concat(lines, "\r\n") .. "\r\n\r\n" .. (params.body or ""))
  if not ok then
    return nil, err
  end
  local res
  res, err = read_head(socket)
  if not res then
    return nil, err
  end
  res.body, err = read_body(socket, res.headers)
  socket:close()
  if not res.body then
    return nil, err
  end
  return res
end


return _M
