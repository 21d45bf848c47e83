--- Calls the handlers of plugins.

local failures = require "kong.response.failures"


local coroutine = coroutine
local fmt = string.format
local pcall = pcall
local tostring = tostring
local traceback = debug.traceback


-- nginx's numbers of levels.
local CRIT, ERR = 3, 4

local INIT_FAILED = "worker initialization error: failed to execute the \"init_worker\" handler for"
  .. " plugin \"%s\": %s; this node must be restarted"
local CONFIGURE_FAILED = "failed to execute plugin '%s:configure (%s)"


local _M = {}


-- The test kit needs the index.
local function enter_plugin(requests, ctx, entry)
  return requests.enter_plugin(ctx, entry.plugin, entry.name, entry.id, entry.index)
end


--- Calls a handler in a phase without delayed responses.
-- @treturn boolean whether the handler has succeeded
-- @treturn ?table the failure
function _M.call(requests, state, entry, phase)
  local outer, outer_log = enter_plugin(requests, state.ctx, entry)
  local ok, failure = failures.call(entry.plugin[phase], entry.plugin, entry.config)
  requests.leave_plugin(state.ctx, outer, outer_log)
  return ok, failure
end


--- Calls a handler in a coroutine. If the handler makes a response, it yields, and nothing resumes
-- it.
-- @treturn boolean whether the handler has not failed
-- @treturn ?table the failure
function _M.call_until_response(requests, ctx, entry, phase)
  enter_plugin(requests, ctx, entry)
  local handler = coroutine.create(entry.plugin[phase])
  local ok, err = coroutine.resume(handler, entry.plugin, entry.config)
  -- A handler that yields for another reason lets nginx's scheduler run, and continues later.
  while ok and not ctx.delayed_response and coroutine.status(handler) == "suspended" do
    coroutine.yield()
    ok, err = coroutine.resume(handler)
  end
  requests.leave_plugin(ctx)
  return ok, not ok and failures.new(err, traceback(handler, "")) or nil
end


--- Reports a handler that has failed at the start of the worker. The test kit replaces this
-- function.
-- @param err the raised value
-- @tparam number level the level of the line in the log
-- @tparam string message
function _M.failed_to_start(_, level, message)
  ngx.log(level, message)
end


local function configs_of(entries, plugin)
  local configs = {}
  for i = 1, #entries do
    if entries[i].plugin == plugin then
      configs[#configs + 1] = entries[i].config
    end
  end
  return configs
end


-- Calls the handler of each plugin once, even if the list has the plugin several times.
local function call_once(entries, name, failed, enter, call)
  local done = {}
  for i = 1, #entries do
    local entry = entries[i]
    local plugin = entry.plugin
    if plugin[name] and not done[plugin] then
      done[plugin] = true
      enter(entry, plugin[name])
      local ok, err = call(plugin)
      if not ok then
        failed(err, entry.name or "plugin")
      end
      enter(nil)
    end
  end
end


local function nothing() end


--- Starts a worker: calls the handlers `init_worker`, and then the handlers `configure` with an
-- array of the plugin's configs. If a handler fails, `failed` reports it, and the next one runs.
-- @tparam table entries each has `plugin`, `config`, `name`
-- @tparam[opt] function failed is called instead of `failed_to_start`
-- @tparam[opt] function enter is called as `enter(entry, handler)` before a handler, and as
--   `enter(nil)` after it
function _M.start_worker(entries, failed, enter)
  failed, enter = failed or _M.failed_to_start, enter or nothing
  call_once(entries, "init_worker", function(err, name)
    failed(err, CRIT, fmt(INIT_FAILED, name, tostring(err)))
  end, enter, function(plugin)
    return pcall(plugin.init_worker, plugin)
  end)
  call_once(entries, "configure", function(err, name)
    failed(err, ERR, fmt(CONFIGURE_FAILED, name, tostring(err)))
  end, enter, function(plugin)
    return pcall(plugin.configure, plugin, configs_of(entries, plugin))
  end)
end


return _M
