--- `ngx.req`: the request of the client, with the changes of plugins. The upstream gets the changed
-- request.

local body_files = require "kong.response.testing.ngx.body_files"
local constants = require "kong.response.testing.ngx.constants"
local fields = require "kong.response.testing.fields"
local headers_mt = require "kong.response.header_table"
local running = require "kong.response.testing.running"
local text = require "kong.response.testing.ngx.text"


local byte = string.byte
local concat = table.concat
local current = running.current
local of_request = running.request
local error = error
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local lower = string.lower
local match = string.match
local modf = math.modf
local pairs = pairs
local setmetatable = setmetatable
local tostring = tostring
local type = type


local MAX_HEADERS = 100

-- The phases in which code can read the request's body.
local READS = { rewrite = true, access = true, content = true }

-- The names of the methods, by number.
local METHODS = {}
for name, number in pairs(constants.METHODS) do
  METHODS[number] = name
end

-- Headers for which nginx has a field. Adding such a header replaces it.
local SINGLE = {}
for name in gmatch([[
  host connection if-modified-since if-unmodified-since if-match if-none-match user-agent referer
  content-type range if-range transfer-encoding expect upgrade accept-encoding via authorization
  keep-alive x-real-ip depth destination overwrite date content-length
]], "%S+") do
  SINGLE[name] = true
end


local function escape_control(value)
  return (gsub(value, "[%z\1-\8\10-\31\127]", function(c)
    return fmt("%%%02X", byte(c))
  end))
end


-- Passes the changed request to the host, because the rules of a response read it there.
local function update(session)
  local request = session.request
  session.host:set_request(request.method, request.headers)
end


-- Sets the first header with the name, and does not change the others. Returns false if there is
-- none.
local function replace_first(list, name, value)
  local folded = lower(name)
  for i = 1, #list do
    if lower(list[i][1]) == folded then
      list[i] = { list[i][1], value }
      return true
    end
  end
  return false
end


-- Sets or adds a header of the request like nginx: the first header with the name keeps its place.
local function write_header(request, name, value, overrides)
  local list = request.headers
  name, value = escape_control(name), escape_control(value)
  if SINGLE[lower(name)] then
    if value ~= "" and replace_first(list, name, value) then
      return
    end
    overrides = true
  end
  if overrides then
    local folded, at, kept = lower(name), nil, 0
    for i = 1, #list do
      local header = list[i]
      if lower(header[1]) ~= folded then
        kept = kept + 1
        list[kept] = header
      elseif value ~= "" and not at then
        kept = kept + 1
        at = kept
        list[kept] = { header[1], value }
      end
    end
    for i = #list, kept + 1, -1 do
      list[i] = nil
    end
    if at then
      return
    end
  end
  -- Setting an empty value removes the header. Adding an empty value adds it.
  if value ~= "" or not overrides then
    list[#list + 1] = { name, value }
  end
end


local function set_header(name, value, overrides)
  if name == nil then
    error("bad 'name' argument: string expected, got nil", 3)
  end
  name = tostring(name)
  local session = of_request()
  local request = session.request
  if value == nil and not overrides then
    error("bad 'value' argument: string or table expected, got nil", 3)
  elseif type(value) == "table" and #value == 0 and not overrides then
    error("bad 'value' argument: non-empty table expected", 3)
  elseif session.host:get_status() == 400 then
    -- With this status, lua-nginx-module assumes that nginx could not read the request.
    return
  elseif value == nil then
    write_header(request, name, "", true)
  elseif type(value) == "table" then
    if #value == 0 then
      write_header(request, name, "", true)
    end
    for i = 1, #value do
      write_header(request, name, tostring(value[i]), overrides and i == 1)
    end
  else
    write_header(request, name, tostring(value), overrides)
  end
  if lower(name) == "host" then
    local host = fields.find(request.headers, "host")
    request.host = host and lower(gsub(host, ":%d+$", "")) or ""
  end
  update(session)
end


local function check_phase()
  local phase = current().host:get_phase()
  if not READS[phase] then
    error(running.disabled_in(phase), 3)
  end
end


local req = {}


function req.get_method()
  return of_request().request.method
end


function req.set_method(method)
  if type(method) ~= "number" then
    error("bad method number", 2)
  end
  local name = METHODS[method]
  if not name then
    error("unsupported HTTP method: " .. method, 2)
  end
  local session = of_request()
  session.request.method = name
  update(session)
end


function req.http_version()
  return of_request().request.http_version
end


function req.get_headers(max, raw)
  local list = of_request().request.headers
  -- nginx converts the limit to a C integer.
  max = max and modf(max) or MAX_HEADERS
  if max < 0 then
    max = MAX_HEADERS
  end
  local count = max > 0 and max < #list and max or #list
  local headers = fields.collect(list, count, raw)
  if not raw then
    setmetatable(headers, headers_mt)
  end
  return headers, count < #list and "truncated" or nil
end


function req.set_header(name, value)
  set_header(name, value, true)
end


function req.clear_header(name)
  set_header(name, nil, true)
end


function req.raw_header(no_request_line)
  local request = of_request().request
  local lines = {}
  if not no_request_line then
    lines[1] = fmt("%s %s HTTP/%.1f", request.method, request.target, request.http_version)
  end
  for i = 1, #request.headers do
    lines[#lines + 1] = request.headers[i][1] .. ": " .. request.headers[i][2]
  end
  return concat(lines, "\r\n") .. "\r\n\r\n"
end


function req.get_uri_args(max)
  return text.query_arguments(of_request().request.args or "", max)
end


function req.set_uri_args(args)
  local kind = type(args)
  if kind == "table" then
    args = text.encode_args(args)
  elseif kind ~= "string" and kind ~= "number" then
    error(fmt("bad argument #1 to 'set_uri_args' (string, number, or table expected, but got %s)",
              kind), 2)
  end
  of_request().request.args = gsub(tostring(args), "[%z\1-\32\127]", function(c)
    return fmt("%%%02X", byte(c))
  end)
end


function req.set_uri(uri, jump, binary)
  if type(uri) ~= "string" then
    error(fmt("bad argument #1 to 'set_uri' (string expected, got %s)", type(uri)), 2)
  elseif uri == "" then
    error("attempt to use zero-length uri", 2)
  elseif jump ~= nil and type(jump) ~= "boolean" then
    error(fmt("bad argument #2 to 'set_uri' (boolean expected, got %s)", type(jump)), 2)
  end
  local unsafe = not binary and match(uri, "[%z\1-\31\127]")
  if unsafe then
    local shown = gsub(uri, "[%z\1-\31\127]", function(c)
      return fmt("\\x%02X", byte(c))
    end)
    error(fmt('unsafe byte "0x%02x" in uri "%s" (maybe you want to set the \'binary\' argument?)',
              byte(unsafe), shown), 2)
  elseif jump then
    current():fail_test("ngx.req.set_uri cannot jump, because the kit has only one location")
  end
  local request = of_request().request
  request.uri, request.sets_uri = uri, true
end


function req.read_body()
  check_phase()
  of_request().request.body_read = true
end


function req.discard_body()
  check_phase()
  of_request().request.body = ""
end


function req.get_body_data()
  return body_files.in_memory(of_request().request)
end


function req.get_body_file()
  return body_files.path(of_request().request)
end


function req.set_body_data(body)
  if type(body) ~= "string" and type(body) ~= "number" then
    error(fmt("bad argument #1 to 'set_body_data' (string expected, got %s)", type(body)), 2)
  end
  local session = of_request()
  local request = session.request
  if not request.body_read then
    error("request body not read yet", 2)
  end
  body_files.remove(request)
  request.body, request.sets_body = tostring(body), true
  if fields.find(request.headers, "content-length") or session.host:get_status() ~= 400 then
    write_header(request, "Content-Length", tostring(#request.body), true)
  end
  update(session)
end


function req.get_post_args(max)
  local request = of_request().request
  if not request.body_read then
    error("no request body found; maybe you should turn on lua_need_request_body?", 2)
  end
  if body_files.is_in_file(request) then
    return nil, "request body in temp file not supported"
  end
  return text.arguments(request.body, max)
end


-- For nginx, a request is internal after code has set its path.
function req.is_internal()
  return of_request().request.sets_uri or false
end


function req.start_time()
  return current().request.started
end


function req.socket()
  current():fail_test("the kit has no sockets: ngx.req.socket. Add a stub to the case's ngx"
                      .. " (docs/testing.md)")
end


local _M = {}


--- Makes `ngx.req`.
function _M.new()
  local functions = {}
  for name, code in pairs(req) do
    functions[name] = code
  end
  return functions
end


-- Headers of the client that nginx does not pass on. It sends its own values to an upstream, or
-- none.
local NOT_PASSED_ON = {
  ["host"] = true, ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
  ["te"] = true, ["keep-alive"] = true, ["expect"] = true, ["upgrade"] = true,
}


-- Escapes a path that a plugin has set, like nginx for the upstream.
local function escape_path(path)
  return (gsub(path, "[%z\1-\32#%%?\127-\255]", function(c)
    return fmt("%%%02X", byte(c))
  end))
end


--- Returns the request that the upstream gets: `method`, `path` with the query, `headers` in their
-- order, `body`, `scheme`.
-- @tparam table request
-- @tparam table variables `upstream_uri`, `upstream_host` and `upstream_scheme`
function _M.for_upstream(request, variables)
  local uri = variables.upstream_uri
  local path
  if uri and uri ~= "" then
    path = uri
  else
    path = request.sets_uri and escape_path(request.uri) or match(request.target, "^[^?]*")
    local args = request.args
    if args and args ~= "" then
      path = path .. "?" .. args
    end
  end
  local host = variables.upstream_host
  host = host ~= "" and host or request.host
  -- nginx does not send a header with an empty value.
  local headers = { host ~= "" and { "Host", host } or nil }
  if request.body ~= "" or request.sets_body or fields.find(request.headers, "content-length") then
    headers[#headers + 1] = { "Content-Length", fmt("%d", #request.body) }
  end
  for i = 1, #request.headers do
    local header = request.headers[i]
    if not NOT_PASSED_ON[lower(header[1])] then
      headers[#headers + 1] = { header[1], header[2] }
    end
  end
  return {
    method = request.method, path = path, headers = headers, body = request.body,
    scheme = variables.upstream_scheme,
  }
end


return _M
