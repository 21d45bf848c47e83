--- The `ngx` of a test: as much of lua-nginx-module's as code of responses needs.

local fields = require "kong.response.testing.fields"
local json = require "kong.response.json"
local lacking = require "kong.response.testing.lacking"
local requests = require "kong.response.testing.request"
local running = require "kong.response.testing.running"


local concat = table.concat
local current = running.current
local error = error
local fmt = string.format
local keep = running.keep
local pairs = pairs
local os_time = os.time
local rawset = rawset
local select = select
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring
local type = type


local CONSTANTS = {
  OK = 0,
  ERROR = -1,
  AGAIN = -2,
  DONE = -4,
  DECLINED = -5,

  STDERR = 0,
  EMERG = 1,
  ALERT = 2,
  CRIT = 3,
  ERR = 4,
  WARN = 5,
  NOTICE = 6,
  INFO = 7,
  DEBUG = 8,

  HTTP_OK = 200,
  HTTP_CREATED = 201,
  HTTP_ACCEPTED = 202,
  HTTP_NO_CONTENT = 204,
  HTTP_PARTIAL_CONTENT = 206,
  HTTP_SPECIAL_RESPONSE = 300,
  HTTP_MOVED_PERMANENTLY = 301,
  HTTP_MOVED_TEMPORARILY = 302,
  HTTP_SEE_OTHER = 303,
  HTTP_NOT_MODIFIED = 304,
  HTTP_TEMPORARY_REDIRECT = 307,
  HTTP_PERMANENT_REDIRECT = 308,
  HTTP_BAD_REQUEST = 400,
  HTTP_UNAUTHORIZED = 401,
  HTTP_PAYMENT_REQUIRED = 402,
  HTTP_FORBIDDEN = 403,
  HTTP_NOT_FOUND = 404,
  HTTP_NOT_ALLOWED = 405,
  HTTP_NOT_ACCEPTABLE = 406,
  HTTP_REQUEST_TIMEOUT = 408,
  HTTP_CONFLICT = 409,
  HTTP_GONE = 410,
  HTTP_UPGRADE_REQUIRED = 426,
  HTTP_TOO_MANY_REQUESTS = 429,
  HTTP_CLOSE = 444,
  HTTP_ILLEGAL = 451,
  HTTP_INTERNAL_SERVER_ERROR = 500,
  HTTP_NOT_IMPLEMENTED = 501,
  HTTP_METHOD_NOT_IMPLEMENTED = 501,
  HTTP_BAD_GATEWAY = 502,
  HTTP_SERVICE_UNAVAILABLE = 503,
  HTTP_GATEWAY_TIMEOUT = 504,
  HTTP_VERSION_NOT_SUPPORTED = 505,
  HTTP_INSUFFICIENT_STORAGE = 507,
}

local PRINTS = { rewrite = true, access = true, content = true }

local EXITS = {
  rewrite = true, access = true, content = true, balancer = true, header_filter = true,
}


-- As nginx refuses what cannot be done in a phase.
local function check_phase(session, allowed)
  local phase = session.host:get_phase()
  if not allowed[phase] then
    error(fmt("API disabled in the context of %s_by_lua*", phase), 3)
  end
end


local function flatten(pieces, count, texts)
  for i = 1, count do
    local piece = pieces[i]
    if type(piece) == "table" then
      flatten(piece, #piece, texts)
    else
      texts[#texts + 1] = tostring(piece)
    end
  end
  return texts
end


local function text_of(...)
  return concat(flatten({ ... }, select("#", ...), {}))
end


local function response_headers(max, raw)
  local headers, err = current().host:get_headers(max, raw)
  return headers, err
end


local function make_fields()
  local status = {}

  function status.__index(_, name)
    if name == "status" then
      return current().host:get_status()
    elseif name == "headers_sent" then
      return current().host:headers_sent()
    end
    lacking.note("ngx", name)
  end

  function status.__newindex(ngx, name, value)
    if name ~= "status" then
      rawset(ngx, name, value)
      return
    end
    local session = current()
    if session.host:headers_sent() then
      session:late("ngx.status")
      return
    end
    return session.host:set_status(tonumber(value) or value)
  end

  return status
end


local function make_header()
  return setmetatable({}, {
    __index = function(_, name)
      return current().host:get_header(name)
    end,
    __newindex = function(_, name, value)
      local session = current()
      if session.host:headers_sent() then
        session:late(fmt("ngx.header[%q]", tostring(name)))
        return
      end
      return session.host:set_header(name, value)
    end,
  })
end


local function make_arg()
  return setmetatable({}, {
    __index = function(_, index)
      local session = current()
      if session.host:get_phase() ~= "body_filter" then
        error("API disabled in the current context", 2)
      end
      return session.host:get_arg(index)
    end,
    __newindex = function(_, index, value)
      local session = current()
      if session.host:get_phase() ~= "body_filter" then
        error(fmt("API disabled in the context of %s_by_lua*", session.host:get_phase()), 2)
      end
      if session.strict then
        session.strict:arg_set(index)
      end
      return session.host:set_arg(index, value)
    end,
  })
end


local function make_variables()
  return setmetatable({}, {
    __index = function(_, name)
      return requests.variable(current().request, name)
    end,
    __newindex = function(_, name, value)
      if value ~= nil then
        value = tostring(value)
      end
      current().request.variables[name] = value
    end,
  })
end


local function make_request()
  local req = {}

  function req.get_method()
    return current().request.method
  end

  function req.http_version()
    return current().request.http_version
  end

  function req.get_headers()
    return fields.by_name(current().request.headers)
  end

  function req.get_uri_args()
    return requests.arguments(current().request)
  end

  function req.get_body_data()
    local body = current().request.body
    return body ~= "" and body or nil
  end

  function req.read_body()
  end

  function req.is_internal()
    return false
  end

  req.start_time = os_time
  return req
end


local _M = {}


--- Makes the table, what puts it back between two tests, and what runs the timers of a session.
-- @treturn table
-- @treturn function
-- @treturn function `run_timers(session)`
function _M.new()
  local ngx = {
    header = make_header(),
    arg = make_arg(),
    var = make_variables(),
    req = make_request(),
    resp = { get_headers = response_headers },
    timer = {},
    config = {
      subsystem = "http",
      debug = false,
      prefix = function()
        return "./"
      end,
      nginx_version = 1022001,
      ngx_lua_version = 10023,
    },
    null = json.null,
    now = os_time,
    time = os_time,
  }
  for name, value in pairs(CONSTANTS) do
    ngx[name] = value
  end

  function ngx.get_phase()
    return current().host:get_phase()
  end

  function ngx.log(level, ...)
    current():write_log(level, text_of(...))
  end

  function ngx.print(...)
    local session = current()
    check_phase(session, PRINTS)
    return session:print(text_of(...))
  end

  function ngx.say(...)
    local session = current()
    check_phase(session, PRINTS)
    return session:print(text_of(...) .. "\n")
  end

  function ngx.send_headers()
    local session = current()
    check_phase(session, PRINTS)
    return session:print("")
  end

  function ngx.flush()
    local session = current()
    check_phase(session, PRINTS)
    return session:flush()
  end

  function ngx.exit(status)
    local session = current()
    check_phase(session, EXITS)
    if type(status) ~= "number" or status >= 1000 or status ~= status then
      error(fmt("bad argument #1 to 'exit' (status expected, got %s)", tostring(status)), 2)
    end
    return session:exit(status)
  end

  local function run_timers(session)
    session:run_timers(ngx, function(err)
      session:write_log(CONSTANTS.ERR, "lua entry thread aborted: runtime error: "
        .. tostring(err))
      if session.strict then
        session.strict:timer_failed(err)
      end
    end)
  end

  -- No test waits.
  function ngx.sleep()
    run_timers(current())
  end

  function ngx.timer.at(delay, callback, ...)
    if type(delay) ~= "number" or delay < 0 then
      error(fmt("bad argument #1 to 'at' (delay expected, got %s)", tostring(delay)), 2)
    elseif type(callback) ~= "function" then
      error(fmt("bad argument #2 to 'at' (function expected, got %s)", type(callback)), 2)
    end
    current():add_timer(callback, ...)
    return 1
  end

  -- Once: a test ends.
  ngx.timer.every = ngx.timer.at

  function ngx.update_time()
  end

  setmetatable(ngx, make_fields())
  for _, name in pairs { "req", "resp", "timer", "config" } do
    setmetatable(ngx[name], { __index = lacking.index("ngx." .. name) })
  end

  local keeps = { keep(ngx), keep(ngx.req), keep(ngx.resp), keep(ngx.config), keep(ngx.timer) }
  return ngx, function()
    for i = 1, #keeps do
      keeps[i]()
    end
  end, run_timers
end


return _M
