--- Coroutines of a test. In nginx, the functions of `coroutine` need nginx's scheduler, which some
-- phases do not have. lua-nginx-module keeps Lua's own functions under other names, such as
-- `_create`.

local running_test = require "kong.response.testing.running"


local coroutine = coroutine
local error = error
local pairs = pairs
local rawget = rawget
local rawset = rawset
local setmetatable = setmetatable


local create = rawget(coroutine, "_create") or coroutine.create
local resume = rawget(coroutine, "_resume") or coroutine.resume
local running = coroutine.running
local status = rawget(coroutine, "_status") or coroutine.status
local yield = rawget(coroutine, "_yield") or coroutine.yield

local SOURCE = debug.getinfo(1, "S").source

-- A handler that must end yields this value.
local EXIT = {}

-- For each coroutine that a plugin has made, the coroutine that has resumed it last.
local resumers = setmetatable({}, { __mode = "kv" })


-- `ngx.exit` in a coroutine that a plugin has made also ends the handler.
local function after_resume(ok, value, ...)
  if ok and value == EXIT then
    yield(EXIT)
  end
  return ok, value, ...
end


-- The coroutines in which the kit runs handlers.
local of_kit = setmetatable({}, { __mode = "k" })

-- The phases in which nginx runs coroutines, and those in which its scheduler runs the handler.
local HAS_COROUTINES = {
  init = true, rewrite = true, access = true, content = true, timer = true, header_filter = true,
  body_filter = true,
}
local HAS_SCHEDULER = { rewrite = true, access = true, content = true, timer = true }


-- Raises nginx's error if the phase has no coroutines. Returns the phase.
local function check_phase()
  local session = running_test.session
  local phase = session and session.host:get_phase()
  if phase and not HAS_COROUTINES[phase] then
    error(running_test.disabled_in(phase), 3)
  end
  return phase
end


local function create_for_kit(code)
  local co = create(code)
  of_kit[co] = true
  return co
end


local function create_in_phase(code)
  check_phase()
  return create(code)
end


local function status_in_phase(co)
  check_phase()
  return status(co)
end


local function yield_in_phase(...)
  local phase = check_phase()
  if phase and not HAS_SCHEDULER[phase] and of_kit[running()] then
    error("attempt to yield across C-call boundary", 0)
  end
  return yield(...)
end


local function resume_or_exit(co, ...)
  if co then
    resumers[co] = running()
  end
  return after_resume(resume(co, ...))
end


local function resume_in_phase(co, ...)
  check_phase()
  return resume_or_exit(co, ...)
end


local function unwrap(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end


local function wrap_in_phase(code)
  check_phase()
  local co = create(code)
  return function(...)
    return unwrap(resume_or_exit(co, ...))
  end
end


local FOR_PLUGINS = {
  create = create_in_phase,
  resume = resume_in_phase,
  status = status_in_phase,
  wrap = wrap_in_phase,
  yield = yield_in_phase,
}


local _M = {
  EXIT = EXIT,
  create = create_for_kit,
  resume = resume,
  status = status,
  yield = yield,
}


--- Whether a function is defined in this file.
-- @tparam string source as `debug.getinfo` has it
function _M.is_here(source)
  return source == SOURCE
end


--- Returns the coroutine that has resumed this one, or nil if no plugin has made this one.
function _M.resumer(co)
  return resumers[co]
end


--- Replaces the functions in `coroutine` while a test runs.
-- @treturn function restores them
function _M.install()
  local before = {}
  for name, code in pairs(FOR_PLUGINS) do
    before[name] = coroutine[name]
    rawset(coroutine, name, code)
  end
  return function()
    for name, code in pairs(before) do
      rawset(coroutine, name, code)
    end
  end
end


return _M
