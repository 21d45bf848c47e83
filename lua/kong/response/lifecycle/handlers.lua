--- Calls the handlers of plugins.

local failures = require "kong.response.failures"


local coroutine = coroutine
local fmt = string.format
local pcall = pcall
local tostring = tostring
local traceback = debug.traceback


local _M = {}


--- Calls a handler in a phase that nginx cannot interrupt, or that an exit ends.
function _M.call(requests, state, entry, phase)
  local outer, outer_log = requests.enter_plugin(state.ctx, entry, entry.name, entry.id)
  local ok, failure = failures.call(entry.plugin[phase], entry.plugin, entry.config)
  requests.leave_plugin(state.ctx, outer, outer_log)
  return ok, failure
end


--- Calls a handler in a coroutine, which it leaves for good when it makes a response.
function _M.call_until_response(requests, ctx, entry, phase)
  requests.enter_plugin(ctx, entry, entry.name, entry.id)
  local handler = coroutine.create(entry.plugin[phase])
  local ok, err = coroutine.resume(handler, entry.plugin, entry.config)
  -- A handler that yields for another reason waits for its turn.
  while ok and not ctx.delayed_response and coroutine.status(handler) == "suspended" do
    coroutine.yield()
    ok, err = coroutine.resume(handler)
  end
  requests.leave_plugin(ctx)
  return ok, not ok and failures.new(err, traceback(handler, "")) or nil
end


--- Reports a handler that failed while the worker starts. The test kit replaces it.
-- @param err what the handler has raised
-- @tparam number level in the log
-- @tparam string message
function _M.failed_to_start(_, level, message)
  ngx.log(level, message)
end


--- Calls the handler of each plugin once, however often the list has it.
-- @tparam table entries
-- @tparam string name
-- @tparam string message with the name of the plugin, and what it has raised
-- @tparam number level of that message in the log
-- @tparam[opt] function argument_of `argument_of(plugin)`
function _M.call_once(entries, name, message, level, argument_of)
  local done = {}
  for i = 1, #entries do
    local plugin = entries[i].plugin
    if plugin[name] and not done[plugin] then
      done[plugin] = true
      local ok, err
      if argument_of then
        ok, err = pcall(plugin[name], plugin, argument_of(plugin))
      else
        ok, err = pcall(plugin[name], plugin)
      end
      if not ok then
        _M.failed_to_start(err, level, fmt(message, entries[i].name, tostring(err)))
      end
    end
  end
end


return _M
