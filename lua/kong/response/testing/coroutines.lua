--- Coroutines of a test. In nginx those of `coroutine` belong to its scheduler, and some phases
-- have none; lua-nginx-module keeps Lua's own under other names.

local coroutine = coroutine
local error = error
local pairs = pairs
local rawget = rawget
local rawset = rawset


local create = rawget(coroutine, "_create") or coroutine.create
local resume = rawget(coroutine, "_resume") or coroutine.resume
local status = rawget(coroutine, "_status") or coroutine.status
local yield = rawget(coroutine, "_yield") or coroutine.yield

-- What a handler yields that must not run on.
local EXIT = {}


-- `ngx.exit` in a coroutine of the plugin's own ends the handler, too.
local function after_resume(ok, value, ...)
  if ok and value == EXIT then
    yield(EXIT)
  end
  return ok, value, ...
end


local function resume_or_exit(co, ...)
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
    return unwrap(after_resume(resume(co, ...)))
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
