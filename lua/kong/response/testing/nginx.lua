--- The `ngx` of a test: the functions of lua-nginx-module that plugins use.

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


local concat = table.concat
local current = running.current
local error = error
local fmt = string.format
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

  function status.__index(ngx, name)
    if name == "status" then
      return current().host:get_status()
    elseif name == "headers_sent" then
      return current().host:headers_sent()
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
    error(fmt("the kit has no sockets: %s. Describe the other server in the case's services, for"
              .. " resty.http (docs/testing.md)", name), 2)
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
      connect = no_socket "ngx.socket.connect",
    },
    resp = { get_headers = response_headers },
    timer = {},
    config = {
      subsystem = "http",
      debug = false,
      prefix = function()
        return "./"
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

  function ngx.log(level, ...)
    if type(level) ~= "number" then
      error(fmt("bad argument #1 to 'log' (number expected, got %s)", type(level)), 2)
    end
    running.log(level, text_of(...))
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
    error("ngx.exec cannot redirect, because the kit has only one location", 2)
  end

  function ngx.eof()
    local session = current()
    check_phase(session, PRINTS)
    session:finish()
    return 1
  end

  function ngx.on_abort()
    return 1
  end

  -- A test does not wait: the clock moves instead.
  function ngx.sleep(seconds)
    seconds = tonumber(seconds)
    if not seconds then
      error("bad argument #1 to 'sleep' (number expected)", 2)
    elseif seconds < 0 then
      error("invalid sleep duration \"" .. seconds .. "\"", 2)
    end
    local session = current()
    check_phase(session, YIELDS)
    session:count_wait()
    clock.move(seconds)
    run_timers(session)
  end

  local function add_timer(name, delay, interval, callback, ...)
    if type(delay) ~= "number" or delay < 0 then
      error(fmt("bad argument #1 to '%s' (delay expected, got %s)", name, tostring(delay)), 3)
    elseif type(callback) ~= "function" then
      error(fmt("bad argument #2 to '%s' (function expected, got %s)", name, type(callback)), 3)
    elseif interval == 0 then
      error("delay cannot be zero", 3)
    end
    current():add_timer(delay, interval, callback, ...)
    return 1
  end

  function ngx.timer.at(delay, callback, ...)
    return (add_timer("at", delay, nil, callback, ...))
  end

  function ngx.timer.every(delay, callback, ...)
    return (add_timer("every", delay, delay, callback, ...))
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
