--- A strict client of HTTP/1.x: it fails for everything that breaks RFC 9112.
--
--     local client = wire.connect(server)
--     client:send("GET", "/x")
--     local r = assert(client:receive("GET"))
--     assert.equal(200, r.status)

local concat = table.concat
local fmt = string.format


-- The bytes of a header's name (RFC 9110, section 5.6.2), and the bytes that a value must not have
-- (5.5).
local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local FORBIDDEN = "[%z\1-\8\10-\31\127]"

local HEAD_SECONDS = 5


local Client = {}
Client.__index = Client


--- Sends a request. `options`: version ("1.1"), headers ({ "Name: value", ... }).
function Client:send(method, path, options)
  options = options or {}
  local lines = { fmt("%s %s HTTP/%s", method, path, options.version or "1.1"), "Host: x" }
  for _, line in ipairs(options.headers or {}) do
    lines[#lines + 1] = line
  end
  return self.connection:send(concat(lines, "\r\n") .. "\r\n\r\n")
end


function Client:fill()
  local bytes, closed = self.connection:read { bytes = 1, seconds = HEAD_SECONDS }
  self.rest = self.rest .. bytes
  self.closed = self.closed or closed
  return bytes ~= ""
end


local function take_line(self)
  local stop
  repeat
    stop = self.rest:find("\n", 1, true)
  until stop or not self:fill()
  if not stop then
    return nil, fmt("the connection %s in the middle of %q", self.closed and "ends" or "is silent",
      self.rest)
  end
  local line = self.rest:sub(1, stop)
  self.rest = self.rest:sub(stop + 1)
  if line:sub(-2) ~= "\r\n" then
    return nil, fmt("a bare line feed ends %q", line)
  end
  return line:sub(1, -3)
end


local function take(self, count)
  while #self.rest < count and self:fill() do
    self.taken = true
  end
  if #self.rest < count then
    return nil, fmt("%d bytes of the body are missing", count - #self.rest)
  end
  local bytes = self.rest:sub(1, count)
  self.rest = self.rest:sub(count + 1)
  return bytes
end


local function take_chunked(self)
  local parts = {}
  while true do
    local line, err = take_line(self)
    if not line then
      return nil, err
    end
    if not line:find("^%x+$") then
      return nil, fmt("no chunk begins with %q", line)
    end
    local size = tonumber(line, 16)
    local chunk
    chunk, err = take(self, size)
    if not chunk then
      return nil, err
    end
    parts[#parts + 1] = chunk
    line, err = take_line(self)
    if line ~= "" then
      return nil, err or fmt("behind a chunk stands %q", line)
    end
    if size == 0 then
      return concat(parts)
    end
  end
end


local function take_to_end(self)
  while self:fill() do
    self.taken = true
  end
  if not self.closed then
    return nil, "the connection stays open, and nothing else ends the body"
  end
  local bytes = self.rest
  self.rest = ""
  return bytes
end


local function take_fields(self)
  local fields = {}
  while true do
    local line, err = take_line(self)
    if not line then
      return nil, err
    end
    if line == "" then
      return fields
    end
    local name, value = line:match("^([^:]*): (.*)$")
    if not name or not name:find(TOKEN) then
      return nil, fmt("no header: %q", line)
    end
    if value:find(FORBIDDEN) then
      return nil, fmt("no value of a header: %q", line)
    end
    fields[#fields + 1] = { name, value }
  end
end


local function values(fields, known)
  local found = {}
  for _, field in ipairs(fields) do
    if field[1]:lower() == known then
      found[#found + 1] = field[2]
    end
  end
  return found
end


-- Returns the framing of the body (RFC 9112, section 6.3): "none", "chunked", "length", "close".
local function framing(response, method)
  local codings = values(response.fields, "transfer-encoding")
  local lengths = values(response.fields, "content-length")
  if #codings > 0 and #lengths > 0 then
    return nil, fmt("Transfer-Encoding: %s and Content-Length: %s", codings[1], lengths[1])
  end
  if #codings > 1 or #lengths > 1 then
    return nil, fmt("%d lines frame the body", #codings + #lengths)
  end
  if codings[1] and codings[1] ~= "chunked" then
    return nil, fmt("Transfer-Encoding: %s", codings[1])
  end
  if codings[1] and response.version ~= "1.1" then
    return nil, "HTTP/1.0 knows no Transfer-Encoding"
  end
  if lengths[1] and not lengths[1]:find("^%d+$") then
    return nil, fmt("Content-Length: %s", lengths[1])
  end
  if method == "HEAD" or response.status == 204 or response.status == 304 then
    return "none"
  end
  if codings[1] then
    return "chunked"
  end
  return lengths[1] and "length" or "close", tonumber(lengths[1])
end


--- Reads the response to a request of `method`. Returns { version, status, fields, framing, body },
-- or nil and an error about the bytes.
function Client:receive(method)
  local line, err = take_line(self)
  if not line then
    return nil, err
  end
  local version, status = line:match("^HTTP/(1%.[01]) ([2-5]%d%d) [^%z\1-\31\127]*$")
  if not version then
    return nil, fmt("no status of a final response: %q", line)
  end
  local response = { version = version, status = tonumber(status) }
  response.fields, err = take_fields(self)
  if not response.fields then
    return nil, err
  end
  local kind, length = framing(response, method)
  if not kind then
    return nil, length
  end
  response.framing = kind
  if kind == "none" then
    response.body = ""
  elseif kind == "chunked" then
    response.body, err = take_chunked(self)
  elseif kind == "length" then
    response.body, err = take(self, length)
  else
    response.body, err = take_to_end(self)
  end
  if not response.body then
    return nil, err
  end
  response.close = kind == "close"
  for _, value in ipairs(values(response.fields, "connection")) do
    response.close = response.close or value:lower() == "close"
  end
  return response
end


function Client:close()
  self.connection:close()
end


local _M = {}


--- Connects to a server of `spec.support.nginx`.
function _M.connect(server)
  return setmetatable({ connection = server:connect(), rest = "", closed = false }, Client)
end


--- Returns the values of a header of `response`, by its name in lower case.
function _M.values(response, name)
  return values(response.fields, name)
end


return _M
