--- The result of a test: the client's response, the log, and the requests to other servers.

local fields = require "kong.response.testing.fields"
local plugins = require "kong.response.testing.plugins"
local json = require "kong.response.json"
local names = require "kong.response.names"
local position = require "kong.response.testing.position"
local reason = require "kong.response.testing.reasons"


local concat = table.concat
local fmt = string.format
local lower = string.lower
local raise = position.raise
local setmetatable = setmetatable
local sub = string.sub
local suggestion = names.suggestion
local tonumber = tonumber
local type = type


-- The levels of the log that a failed test shows.
local SHOWN_LEVELS = { emerg = true, alert = true, crit = true, err = true, warn = true }


local headers_mt = {}

--- By name, returns the value of a header, or an array if the header is repeated.
function headers_mt.__index(headers, name)
  if type(name) ~= "string" then
    return nil
  end
  local by_name = fields.by_name(headers)
  return by_name[name]
end


local Result = {}


local function status_line(self)
  return fmt("HTTP/1.1 %d %s", self.status, reason(self.status))
end


--- Returns the HTTP/1.1 message that the client gets.
local function message(self)
  if self.closed then
    return ""
  end

  local lines = { status_line(self) }
  local chunked = false
  for i = 1, #self.headers do
    local header = self.headers[i]
    lines[#lines + 1] = header[1] .. ": " .. header[2]
    chunked = chunked or lower(header[1]) == "transfer-encoding" and lower(header[2]) == "chunked"
  end
  lines[#lines + 1] = "\r\n"
  local head = concat(lines, "\r\n")

  if not chunked then
    return head .. self.body
  end
  local pieces = { head }
  for i = 1, #self.chunks do
    local chunk = self.chunks[i]
    pieces[#pieces + 1] = fmt("%x\r\n%s\r\n", #chunk, chunk)
  end
  if not self.truncated and self.has_body then
    pieces[#pieces + 1] = "0\r\n\r\n"
  end
  return concat(pieces)
end


-- Returns the plugin, the phase and the handler of a line of the log.
local function origin(line)
  local plugin, phase, handler = line.plugin, line.phase, line.handler
  return (plugin and plugin .. ", " or "") .. (phase or "")
         .. (handler and " (" .. handler .. ")" or "") .. (phase and ": " or "")
end


--- Returns the response as text for messages, with the lines of the log that may explain it.
function Result:describe()
  local lines = {}
  if self.closed then
    lines[1] = "(the client gets no response)"
  else
    lines[1] = status_line(self)
    for i = 1, #self.headers do
      lines[#lines + 1] = self.headers[i][1] .. ": " .. self.headers[i][2]
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = self.body
    if self.truncated then
      lines[#lines + 1] = "(the body breaks off here)"
    end
  end

  lines[#lines + 1] = fmt("\nsource: %s; phases: %s", self.source, concat(self.phases, ", "))
  for i = 1, #self.log do
    local line = self.log[i]
    if SHOWN_LEVELS[line.level] then
      lines[#lines + 1] = fmt("log: [%s] %s%s", line.level, origin(line), line.message)
    end
  end
  for i = 1, #self.hints do
    lines[#lines + 1] = "hint: " .. self.hints[i]
  end
  plugins.add_hints(self.hints.plugins, lines)
  return concat(lines, "\n")
end


--- Reads the body as JSON. Returns nil and a reason if it is not JSON. Arrays have the `array_mt`
-- of `kong.response.json`.
function Result:read_json()
  return json.decode(self.body)
end


--- Reads the body as JSON, for `result.json()`. `null` is the `null` of `kong.response.json`.
-- @raise `the body is not JSON: <reason>` and the response
local function read_json(self)
  local value, err = self:read_json()
  if err then
    raise(fmt("the body is not JSON: %s\n\n%s", err, self:describe()))
  end
  return value
end


-- The fields of a result, for suggestions.
local FIELDS = {
  status = true, headers = true, body = true, json = true, source = true, exited = true,
  phases = true, log = true, upstream_called = true, closed = true, truncated = true,
  chunks = true, ctx = true, describe = true, upstream = true, services = true, shared = true,
}

local result_mt = { __tostring = message }

function result_mt.__index(self, name)
  if name == "json" then
    -- Both `result.json()` and `result:json()`.
    return function()
      return read_json(self)
    end
  end
  local value = Result[name]
  if value == nil and type(name) == "string" and sub(name, 1, 1) ~= "_" then
    raise(fmt("a result has no field %q%s", name, suggestion(name, FIELDS)))
  end
  return value
end


-- Returns the body that a client reads, which ends after Content-Length bytes, and whether the end
-- is missing.
local function as_read(body, headers, has_body, complete)
  if not has_body then
    return "", false
  end
  local length = tonumber(fields.find(headers, "content-length"))
  if not length then
    return body, not complete
  end
  return sub(body, 1, length), #body < length
end


-- Returns the status that nginx logs if the client gets no response.
local function unsent_status(session, ctx)
  local exited = session.exited
  return not ctx.KONG_UNEXPECTED and exited and exited >= 100 and exited or 500
end


-- Returns the request that the upstream got, or nil without one.
local function sent_request(session)
  local request = session.upstream_request
  if request then
    setmetatable(request.headers, headers_mt)
  end
  return request
end


local _M = {}


--- Makes the result of a session that has ended. types/kong/response/testing.lua describes its
-- fields.
function _M.new(session)
  local ctx = session.ngx.ctx
  local headers = session.headers or {}
  -- nginx passes on the body of an upstream's 204 or 304, but no client reads it.
  local has_body = session.body_allowed and session.status ~= 204 and session.status ~= 304 or false
  local body, truncated = as_read(concat(session.chunks), headers, has_body,
                                  session.complete and not session.broken)
  return setmetatable({
    status = session.status or unsent_status(session, ctx),
    headers = setmetatable(headers, headers_mt),
    body = body,
    chunks = session.chunks,
    source = session.functions.get_source(ctx),
    exited = ctx.KONG_EXITED == true,
    closed = session.closed or false,
    truncated = truncated,
    phases = session.phases,
    log = session.log,
    hints = session.hints,
    upstream_called = session.upstream_called,
    upstream = { request = sent_request(session) },
    services = session.service_calls or {},
    ctx = ctx,
    shared = session.kong_ctx.shared,
    has_body = has_body,
  }, result_mt)
end


--- Whether a value is a result.
function _M.is(value)
  return type(value) == "table" and debug.getmetatable(value) == result_mt
end


return _M
