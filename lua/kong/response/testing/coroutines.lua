--- Coroutines of a test. In nginx those of `coroutine` belong to its scheduler, and some phases
-- have none; lua-nginx-module keeps Lua's own under other names.

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

-- What a handler yields that must not run on.
local EXIT = {}

-- Who has resumed a coroutine of a plugin's own.
local resumers = setmetatable({}, { __mode = "kv" })


-- `ngx.exit` in a coroutine of the plugin's own ends the handler, too.
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


--- Whether a function is of this file.
-- @tparam string source as `debug.getinfo` has it
function _M.is_here(source)
  return source == SOURCE
end


--- The coroutine that has resumed this one, where that is one of a plugin's own.
function _M.resumer(co)
  return resumers[co]
end


--- Gives plugins the functions of a test.
-- @treturn function gives them back what there was
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
