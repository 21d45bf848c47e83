--- The start of a worker: the handlers `init_worker` and `configure`.

local BITS = require("kong.response.pdk.phases").BITS


local fmt = string.format
local pcall = pcall
local tostring = tostring


local CRIT, ERR, WARN, NOTICE = 3, 4, 5, 6

local INIT_FAILED = "worker initialization error: failed to execute the \"init_worker\" handler for"
  .. " plugin \"%s\": %s; this node must be restarted"
local CONFIGURE_FAILED = "failed to execute plugin '%s:configure (%s)"


local _M = {}


local function configs_of(entries, plugin)
  local configs = {}
  for i = 1, #entries do
    if entries[i].plugin == plugin then
      configs[#configs + 1] = entries[i].config
    end
  end
  return configs
end


local function call_once(session, name, message, level)
  local entries, done = session.plugins, {}
  for i = 1, #entries do
    local entry = entries[i]
    local plugin = entry.plugin
    if plugin[name] and not done[plugin] then
      done[plugin] = true
      session.running, session.handler = entry, plugin[name]
      local ok, err
      if name == "configure" then
        ok, err = pcall(plugin.configure, plugin, configs_of(entries, plugin))
      else
        ok, err = pcall(plugin[name], plugin)
      end
      if not ok then
        session:failed_to_start(err, level, fmt(message, entry.name or "plugin", tostring(err)))
      end
      session.running, session.handler = nil, nil
    end
  end
end


--- Logs the warnings about the configs of plugins.
function _M.log_warnings(session)
  for i = 1, #session.plugins do
    local warnings = session.plugins[i].warnings
    for j = 1, #warnings do
      session:write_log(WARN, warnings[j])
    end
  end
end


--- Starts the worker of a session, unless an earlier request has.
function _M.start(session)
  local worker = session.worker
  if worker then
    if worker.started then
      return
    end
    worker.started = true
  end
  local ngx, host = session.ngx, session.host
  local phase, ctx = host:get_phase(), ngx.ctx
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
  ngx.ctx = { KONG_PHASE = BITS.init_worker }
  host:set_phase("init_worker")
  session.phase = "init_worker"
  call_once(session, "init_worker", INIT_FAILED, CRIT)
  call_once(session, "configure", CONFIGURE_FAILED, ERR)
  session.phase = nil
  host:set_phase(phase)
  ngx.ctx = ctx
end


return _M
