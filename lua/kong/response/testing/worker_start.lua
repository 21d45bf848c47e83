--- The start of a worker: the handlers `init_worker` and `configure`.

local handlers = require "kong.response.lifecycle.handlers"

local BITS = require("kong.response.pdk.phases").BITS


local fmt = string.format


local WARN, NOTICE = 5, 6

local _M = {}


--- Logs the warnings about the configs of plugins.
function _M.log_warnings(session)
  for i = 1, #session.plugins do
    local warnings = session.plugins[i].warnings
    for j = 1, #warnings do
      session:write_log(WARN, warnings[j])
    end
  end
end


--- Starts the worker of a session, unless an earlier request has started it.
function _M.start(session)
  local worker = session.worker
  if worker then
    if worker.started then
      return
    end
    worker.started = true
  end
  local needed = false
  _M.log_warnings(session)
  for i = 1, #session.plugins do
    local entry = session.plugins[i]
    for j = 1, #entry.not_run do
      session:write_log(NOTICE, fmt("the kit does not run the %s phase of this plugin",
                                    entry.not_run[j]))
    end
    needed = needed or entry.plugin.init_worker or entry.plugin.configure
  end
  if not needed then
    return
  end
  local ngx, host = session.ngx, session.host
  local phase, ctx = host:get_phase(), ngx.ctx
  ngx.ctx = { KONG_PHASE = BITS.init_worker }
  host:set_phase("init_worker")
  session.phase = "init_worker"
  handlers.start_worker(session.plugins, function(...)
    session:failed_to_start(...)
  end, function(entry, handler)
    session.running, session.handler = entry, handler
  end)
  session.phase = nil
  host:set_phase(phase)
  ngx.ctx = ctx
end


return _M
