--- The other services of a test: `resty.http` and `ngx.location.capture` return their answers.

local cases = require "kong.response.testing.cases"
local fields = require "kong.response.testing.fields"
local lacking = require "kong.response.testing.lacking"
local names = require "kong.response.names"
local native = require("kong.response.testing.native").ngx
local reason_of = require "kong.response.testing.reasons"
local position = require "kong.response.testing.position"
local running = require "kong.response.testing.running"
local text = require "kong.response.testing.ngx.text"


local current = running.current
local error = error
local find = string.find
local fmt = string.format
local lower = string.lower
local match = string.match
local pairs = pairs
local pcall = pcall
local setmetatable = setmetatable
local sub = string.sub
local tonumber = tonumber
local tostring = tostring
local type = type
local unpack = unpack
local upper = string.upper


local PORTS = { http = 80, https = 443 }


-- Finds headers by name in any case.
local headers_mt = {
  __index = function(headers, name)
    if type(name) ~= "string" then
      return nil
    end
    name = lower(name)
    for key, value in pairs(headers) do
      if type(key) == "string" and lower(key) == name then
        return value
      end
    end
  end,
}


local function copy(headers)
  local copied = setmetatable({}, headers_mt)
  for name, value in pairs(headers or {}) do
    copied[name] = value
  end
  return copied
end


-- Adds a request to the field `services` of the result.
local function note(session, request)
  local calls = session.service_calls or {}
  session.service_calls = calls
  calls[#calls + 1] = request
end


-- Calls the test's function for a service. An error of the function fails the test.
local function call_service(session, plain, service, request)
  local ok, answer, err = pcall(service, request)
  if ok then
    return answer, err
  elseif type(answer) == "string" then
    session:fail_test(fmt("the function services[%q] failed: %s", plain, answer))
  end
  -- For example an assertion of the test.
  session:passed_on(answer)
  error(answer, 0)
end


--- Asks a service. If the test does not describe the service or its answer is wrong, the test
-- fails at its end, because the plugin may catch the error.
local function ask(request)
  local session = current()
  local services = session.services or {}
  local url = request.url
  local plain = match(url, "^[^?]*")
  local answer = services[url]
  if answer == nil then
    answer = services[plain]
  end
  if answer == nil then
    session:fail_test(fmt("no service is described for %s %s: add [%q] to the case's services%s",
                          request.method, url, plain, names.suggestion(plain, services)))
  end
  note(session, request)
  local service = answer
  if type(service) == "function" then
    local err
    answer, err = call_service(session, plain, service, request)
    if answer == nil then
      return nil, err or "connection refused"
    end
  end
  local ok, mistake = pcall(cases.check_answer, answer, fmt("the answer of services[%q]", plain))
  if not ok then
    local place = position.of_function(service)
    session:fail_test(mistake .. (place and fmt(" (the function at %s)", place) or ""))
  end
  return answer
end


-- Returns a query, which may be a table, as text; nil if it is empty.
local function query_of(query)
  if type(query) == "table" then
    query = text.encode_args(query)
  end
  return query and query ~= "" and tostring(query) or nil
end


local function body_of(body, level)
  if type(body) == "function" then
    local pieces = {}
    for piece in body do
      pieces[#pieces + 1] = piece
    end
    return table.concat(pieces)
  elseif type(body) == "table" then
    local ok, joined = native.join(body, "#1 to 'send'", true)
    if not ok then
      error(joined, level + 1)
    end
    return joined
  end
  return body and tostring(body) or ""
end


local function request_of(scheme, host, port, path, options, level)
  local query = query_of(options.query)
  local given_query = match(path, "%?(.*)$")
  path = match(path, "^[^?]*")
  query = query or given_query
  local authority = port == PORTS[scheme] and host or fmt("%s:%d", host, port)
  return {
    method = upper(options.method or "GET"),
    url = scheme .. "://" .. authority .. path .. (query and "?" .. query or ""),
    path = path,
    query = query,
    headers = copy(options.headers),
    body = body_of(options.body, level + 1),
  }
end


-- Raises Lua's error for a wrong argument of a client's method.
local function check_argument(number, name, expected, value)
  if type(value) ~= expected then
    error(fmt("bad argument #%d to '%s' (%s expected, got %s)", number, name, expected,
              type(value)), 3)
  end
end


-- Makes a response of resty.http from an answer.
local function response_of(answer)
  local body = answer.body or ""
  local response = {
    status = answer.status or 200, reason = answer.reason or reason_of(answer.status or 200),
    headers = copy(answer.headers), has_body = body ~= "",
  }
  local rest = body
  function response.read_body()
    local whole = rest
    rest = ""
    return whole
  end
  function response.body_reader()
    local chunk = rest ~= "" and rest or nil
    rest = ""
    return chunk
  end
  function response.read_trailers()
    return response
  end
  setmetatable(response, { __index = lacking.index("response:", response) })
  return response, body
end


-- The methods of a client of resty.http.
local Methods = {}


local function accept()
  return 1
end


for _, name in pairs {
  "set_timeout", "set_timeouts", "ssl_handshake", "set_keepalive", "close", "set_proxy_options",
  "connect_proxy",
} do
  Methods[name] = accept
end


function Methods.get_reused_times()
  return 0
end


function Methods.parse_uri(_, uri, query_in_path)
  check_argument(1, "parse_uri", "string", uri)
  local scheme, authority, path = match(uri, "^(%a[%w+.-]*)://([^/?]+)(.*)$")
  if not scheme or not PORTS[lower(scheme)] then
    return nil, "bad uri: " .. tostring(uri)
  end
  scheme = lower(scheme)
  local host, port = match(authority, "^(.-):(%d+)$")
  host, port = host or authority, tonumber(port) or PORTS[scheme]
  if path == "" or sub(path, 1, 1) == "?" then
    path = "/" .. path
  end
  if query_in_path == false then
    return { scheme, host, port, match(path, "^[^?]*"), match(path, "%?(.*)$") or "" }
  end
  return { scheme, host, port, path, "" }
end


function Methods:connect(options, port)
  if type(options) == "table" then
    local scheme = options.scheme or "http"
    self.peer = { scheme, options.host, tonumber(options.port) or PORTS[scheme] }
  else
    self.peer = { port == 443 and "https" or "http", options, tonumber(port) or 80 }
  end
  return 1
end


function Methods:request(options)
  check_argument(1, "request", "table", options)
  local peer = self.peer
  if not peer then
    return nil, "not connected"
  end
  local request = request_of(peer[1], peer[2], peer[3], options.path or "/", options, 2)
  local answer, err = ask(request)
  if not answer then
    return nil, err
  end
  return (response_of(answer))
end


function Methods:request_uri(uri, options)
  check_argument(1, "request_uri", "string", uri)
  options = options or {}
  check_argument(2, "request_uri", "table", options)
  local parsed, err = self:parse_uri(uri)
  if not parsed then
    return nil, err
  end
  local request = request_of(parsed[1], parsed[2], parsed[3], options.path or parsed[4],
                             options, 2)
  local answer
  answer, err = ask(request)
  if not answer then
    return nil, err
  end
  local response, body = response_of(answer)
  response.body = body
  return response
end


local Client = {}

-- Each method first checks that the call has a colon. It ends in a tail call, so that errors name
-- the line of the caller.
for name, method in pairs(Methods) do
  Client[name] = function(self, ...)
    if type(self) ~= "table" or self.parse_uri == nil then
      error(fmt("client.%s(...) of resty.http: call it with a colon", name), 2)
    end
    return method(self, ...)
  end
end

local client_mt = {
  __index = function(_, name)
    local method = Client[name]
    if method == nil and name ~= "peer" then
      lacking.note("client:", name, Client)
    end
    return method
  end,
}


local _M = {}


-- The phases in which nginx has sockets, and those in which it also has subrequests.
local HAS_SOCKETS = { rewrite = true, access = true, content = true, timer = true }
local HAS_SUBREQUESTS = { rewrite = true, access = true, content = true }


--- Raises nginx's error if the phase cannot wait for a server.
local function check_phase(allowed, level)
  local phase = current().host:get_phase()
  if not allowed[phase] then
    error(running.disabled_in(phase), level + 1)
  end
end


--- `require("resty.http")`. It has all methods of a client, as in nginx.
_M.http = {
  _VERSION = "0.17.1",
  new = function()
    check_phase(HAS_SOCKETS, 2)
    return setmetatable({}, client_mt)
  end,
}

for name, method in pairs(Client) do
  _M.http[name] = method
end


-- Returns the name of a method by its number (`ngx.HTTP_…`).
local function method_name(number)
  local ngx = current().ngx
  for name, value in pairs(ngx) do
    if value == number and type(name) == "string" and find(name, "^HTTP_%u+$") then
      return sub(name, 6)
    end
  end
  return "GET"
end


local function capture(uri, options, level, number)
  check_phase(HAS_SUBREQUESTS, level + 1)
  if type(uri) ~= "string" and type(uri) ~= "number" then
    error("expecting one or two arguments", level + 1)
  elseif options ~= nil and type(options) ~= "table" then
    error(fmt("expecting table as the 2nd argument for subrequest %d, but got %s", number,
              type(options)), level + 1)
  end
  options = options or {}
  local query = query_of(options.args) or match(uri, "%?(.*)$")
  local path = match(uri, "^[^?]*")
  local answer, err = ask({
    method = options.method and method_name(options.method) or "GET",
    url = path .. (query and "?" .. query or ""),
    path = path,
    query = query,
    headers = copy(fields.by_name(current().request.headers)),
    body = options.body or "",
  })
  if not answer then
    error(err, level + 1)
  end
  return {
    status = answer.status or 200, header = copy(answer.headers), body = answer.body or "",
    truncated = false,
  }
end


--- `ngx.location.capture`
function _M.capture(uri, options)
  return (capture(uri, options, 2, 0))
end


--- `ngx.location.capture_multi`
function _M.capture_multi(requests)
  local answers = {}
  for i = 1, #requests do
    answers[i] = capture(requests[i][1], requests[i][2], 2, i - 1)
  end
  return unpack(answers, 1, #requests)
end


return _M
