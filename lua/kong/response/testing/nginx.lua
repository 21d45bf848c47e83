--- The `ngx` of a test: the functions of lua-nginx-module that plugins use.

local arguments = require "kong.response.testing.ngx.arguments"
local clock = require "kong.response.testing.clock"
local constants = require "kong.response.testing.ngx.constants"
local json = require "kong.response.json"
local lacking = require "kong.response.testing.lacking"
local re = require "kong.response.testing.ngx.re"
local requests = require "kong.response.testing.ngx.request"
local running = require "kong.response.testing.running"
local services = require "kong.response.testing.services"
local text = require "kong.response.testing.ngx.text"
local threads = require "kong.response.testing.ngx.threads"
local variables = require "kong.response.testing.ngx.variables"
local versions = require "kong.response.testing.versions"


local current = running.current
local of_request = running.request
local error = error
local floor = math.floor
local fmt = string.format
local getinfo = debug.getinfo
local keep = running.keep
local pairs = pairs
local rawset = rawset
local select = select
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring
local type = type


local CONSTANTS = constants.CONSTANTS

local PRINTS = { rewrite = true, access = true, content = true }

-- Until a test chooses another one.
local VERSION = versions.get(versions.DEFAULT)

local YIELDS = { rewrite = true, access = true, content = true, timer = true }

local EXECS = { rewrite = true, access = true, content = true }

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- The tables in `ngx`, except those whose metatables read and write the request.
local PARTS = {
  "req", "resp", "timer", "config", "re", "worker", "thread", "location", "socket",
}

local EXITS = {
  rewrite = true, access = true, content = true, balancer = true, header_filter = true,
}


-- Raises nginx's error if the phase does not allow the call.
local function check_phase(session, allowed)
  local phase = session.host:get_phase()
  if not allowed[phase] then
    error(running.disabled_in(phase), 3)
  end
end


local function response_headers(max, raw)
  local headers, err = of_request().host:get_headers(max, raw)
  return headers, err
end


local function make_fields()
  local status = {}

  function status.__index(ngx, name)
    if name == "status" then
      return of_request().host:get_status()
    elseif name == "headers_sent" then
      return of_request().host:headers_sent()
    elseif name == "is_subrequest" then
      of_request()
      return false
    elseif name == "ctx" then
      current()
    end
    lacking.note("ngx", name, ngx)
  end

  function status.__newindex(ngx, name, value)
    if name ~= "status" then
      rawset(ngx, name, value)
      return
    end
    local session = of_request()
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
      return of_request().host:get_header(tostring(name))
    end,
    __newindex = function(_, name, value)
      local session = of_request()
      if session.host:headers_sent() then
        session:late(fmt("ngx.header[%q]", tostring(name)))
        return
      end
      if value == json.null then
        value = tostring(value)
      end
      return session.host:set_header(tostring(name), value)
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
        error(running.disabled_in(session.host:get_phase()), 2)
      end
      if session.strict then
        session.strict:arg_set(index)
      end
      return session.host:set_arg(index, value)
    end,
  })
end


-- Makes `ngx.shared`. It reads the dictionaries of the current worker, because plugins may store
-- the table.
local function make_shared()
  return setmetatable({}, {
    __index = function(_, name)
      local session = running.session
      local dictionary = session and session.worker and session.worker.shared[name] or nil
      if not dictionary then
        lacking.note("ngx.shared", name)
      end
      return dictionary
    end,
  })
end


local function make_worker()
  return {
    id = function()
      return 0
    end,
    pid = function()
      return 1
    end,
    pids = function()
      return { 1 }
    end,
    count = function()
      return 1
    end,
    exiting = function()
      return false
    end,
  }
end


local function no_socket(name)
  return function()
    local session = current()
    check_phase(session, YIELDS)
    session:fail_test(fmt("the kit has no sockets: %s. Describe the other server in the case's"
                          .. " services, for resty.http, or add a stub to the case's ngx"
                          .. " (docs/testing.md)", name))
  end
end


local _M = {}


--- Makes the global `ngx` of tests.
-- @treturn table ngx
-- @treturn function restores the table after a test
-- @treturn function `run_timers(session)` runs the timers that are due
function _M.new()
  local run_timers
  local ngx = {
    header = make_header(),
    arg = make_arg(),
    var = variables.new(),
    req = requests.new(),
    re = re,
    shared = make_shared(),
    worker = make_worker(),
    thread = threads.thread,
    location = { capture = services.capture, capture_multi = services.capture_multi },
    socket = {
      tcp = no_socket "ngx.socket.tcp", udp = no_socket "ngx.socket.udp",
      connect = no_socket "ngx.socket.connect", stream = no_socket "ngx.socket.stream",
    },
    resp = { get_headers = response_headers },
    timer = {},
    config = {
      subsystem = "http",
      debug = false,
      prefix = function()
        return "./"
      end,
      nginx_configure = function()
        return ""
      end,
      nginx_version = VERSION.nginx_version,
      ngx_lua_version = VERSION.ngx_lua_version,
    },
    null = json.null,
  }
  for name, value in pairs(CONSTANTS) do
    ngx[name] = value
  end
  for name, code in pairs(text) do
    ngx[name] = code
  end
  -- `text` also has these helpers of the kit, which nginx's `ngx` does not have.
  ngx.arguments, ngx.query_arguments = nil, nil

  -- Without a test, the code of a module is loading, as in `init_by_lua*`.
  function ngx.get_phase()
    local session = running.session
    return session and session.host:get_phase() or "init"
  end

  function ngx.log(...)
    local level = floor(arguments.check_number(1, "log", (...), select("#", ...)))
    if level < 0 or level > CONSTANTS.DEBUG then
      error(fmt("bad argument #1 to 'log' (bad log level: %d)", level), 2)
    end
    local line, err = arguments.logged(select(2, ...))
    if not line then
      error(err, 2)
    end
    running.log(level, line)
  end

  function ngx.print(...)
    local session = current()
    check_phase(session, PRINTS)
    local output, err = arguments.printed("print", ...)
    if not output then
      error(err, 2)
    end
    return session:print(output)
  end

  function ngx.say(...)
    local session = current()
    check_phase(session, PRINTS)
    local output, err = arguments.printed("say", ...)
    if not output then
      error(err, 2)
    end
    return session:print(output .. "\n")
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

  function run_timers(session)
    session:run_timers(ngx, function(err)
      session:write_log(CONSTANTS.ERR, "lua entry thread aborted: runtime error: "
        .. tostring(err))
      session:timer_failed(err)
    end)
  end

  function ngx.redirect(uri, status)
    local session = current()
    check_phase(session, PRINTS)
    if uri == nil then
      error("expecting one or two arguments", 2)
    elseif type(uri) ~= "string" and type(uri) ~= "number" then
      error(fmt("bad argument #1 to 'redirect' (string expected, got %s)", type(uri)), 2)
    end
    status = status or 302
    if not REDIRECTS[status] then
      error("only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY,"
            .. " ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and"
            .. " ngx.HTTP_TEMPORARY_REDIRECT are allowed", 2)
    elseif session.host:headers_sent() then
      error("attempt to call ngx.redirect after sending out the headers", 2)
    end
    session.host:set_header("Location", uri)
    return session:exit(status)
  end

  function ngx.exec()
    local session = current()
    check_phase(session, EXECS)
    session:fail_test("ngx.exec cannot redirect, because the kit has only one location")
  end

  function ngx.eof()
    local session = current()
    check_phase(session, PRINTS)
    session:finish()
    return 1
  end

  function ngx.on_abort()
    return nil, "lua_check_client_abort is off"
  end

  -- A test does not wait: the clock moves instead.
  function ngx.sleep(...)
    local count = select("#", ...)
    if count ~= 1 then
      error(fmt("attempt to pass %d arguments, but accepted 1", count), 2)
    end
    local seconds = arguments.check_number(1, "sleep", (...))
    if seconds < 0 then
      error(fmt("invalid sleep duration \"%d\"", seconds * 1000), 2)
    end
    local session = current()
    -- A gateway blocks in init_worker.
    if session.life or session.host:get_phase() ~= "init_worker" then
      check_phase(session, YIELDS)
    end
    session:count_wait()
    clock.move(seconds)
    run_timers(session)
  end

  -- Checks the arguments of a timer. Returns the delay.
  local function check_timer(name, count, delay, callback)
    if count < 2 then
      error(fmt("expecting at least 2 arguments but got %d", count), 3)
    end
    delay = arguments.check_number(1, name, delay, count, 4)
    if type(callback) ~= "function" or getinfo(callback, "S").what == "C" then
      error(fmt("bad argument #2 to '%s' (Lua function expected)", name), 3)
    end
    return delay
  end

  function ngx.timer.at(...)
    local delay = check_timer("at", select("#", ...), ...)
    -- nginx runs a timer with a negative delay at once.
    current():add_timer(delay > 0 and delay or 0, nil, select(2, ...))
    return 1
  end

  function ngx.timer.every(...)
    local interval = check_timer("every", select("#", ...), ...)
    if interval == 0 then
      error("delay cannot be zero", 2)
    elseif interval < 0 then
      -- nginx would run it without a pause.
      error("delay cannot be negative", 2)
    end
    current():add_timer(interval, interval, select(2, ...))
    return 1
  end

  function ngx.timer.running_count()
    return current().host:get_phase() == "timer" and 1 or 0
  end

  function ngx.timer.pending_count()
    return #current().worker.timers
  end

  function ngx.update_time()
  end

  setmetatable(ngx, make_fields())
  local keeps = { keep(ngx) }
  for i = 1, #PARTS do
    local part = ngx[PARTS[i]]
    setmetatable(part, { __index = lacking.index("ngx." .. PARTS[i], part) })
    keeps[#keeps + 1] = keep(part)
  end
  keeps[#keeps + 1] = keep(ngx.shared)
  return ngx, function()
    for i = 1, #keeps do
      keeps[i]()
    end
  end, run_timers
end


return _M
