--- Coroutines of a test. In nginx, the functions of `coroutine` need nginx's scheduler, which some
-- phases do not have. lua-nginx-module keeps Lua's own functions under other names, such as
-- `_create`.

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


local function resume_or_exit(co, ...)
  if co then
    resumers[co] = running()
  end
  return after_resume(resume(co, ...))
end


local function unwrap(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end


local function wrap_or_exit(code)
  local co = create(code)
  return function(...)
    return unwrap(resume_or_exit(co, ...))
  end
end


local FOR_PLUGINS = {
  create = create,
  resume = resume_or_exit,
  status = status,
  wrap = wrap_or_exit,
  yield = yield,
}


local _M = {
  EXIT = EXIT,
  create = create,
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
