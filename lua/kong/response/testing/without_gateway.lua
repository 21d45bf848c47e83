--- Runs tests with `gateway = false`: `kong.response.lifecycle` runs the phases, with the server in
-- memory.

local failures = require "kong.response.failures"
local gateway = require "kong.response.testing.gateway"
local handlers = require "kong.response.lifecycle.handlers"
local phases = require "kong.response.testing.phases"
local position = require "kong.response.testing.position"
local running = require "kong.response.testing.running"
local servers = require "kong.response.testing.server"
local worker_start = require "kong.response.testing.worker_start"


local concat = table.concat
local error = error
local fmt = string.format
local getmetatable = getmetatable
local lower = string.lower
local pairs = pairs
local pcall = pcall
local remove = table.remove
local require = require
local setmetatable = setmetatable
local tostring = tostring
local type = type


local ERR = 4

-- The statuses whose pages `error_page` replaces in the configuration of docs/lifecycle.md.
local PAGES = { [403] = true, [500] = true, [502] = true, [503] = true, [504] = true }

local send_own_page = servers.Server.send_page


-- The methods that replace those of a session with a gateway.
local Methods = {}


function Methods.abandons_yields()
  return false
end


function Methods:filter_head()
  if self.strict then
    self.strict:before_head()
  end
  local leave = self:enter "header_filter"
  local outcome, err = self:call(self.life.header_filter)
  if outcome == "failed" then
    self:write_log(ERR, tostring(err))
  end
  leave()
  return outcome ~= "failed"
end


function Methods:filter_body()
  local leave = self:enter "body_filter"
  local outcome, err = self:call(self.life.body_filter)
  if outcome == "failed" then
    self:write_log(ERR, tostring(err))
  end
  leave()
  return outcome ~= "failed"
end


-- Runs a function of the life cycle in a phase that it can end.
-- @treturn boolean whether the request continues with the next phase
local function run_phase(session, phase, run)
  local leave = session:enter(phase)
  local outcome, err = session:call(run)
  local goes_on = false
  if outcome == "failed" then
    session:write_log(ERR, tostring(err))
    if session.host:headers_sent() then
      session:break_off()
    else
      session:send_page(500)
    end
  elseif outcome == "exited" then
    goes_on = session:finish_exit()
  elseif session:has_printed() then
    session:finish()
  else
    goes_on = true
  end
  session:left_plugin()
  leave()
  return goes_on
end


-- nginx redirects once to the location of `error_page`, and drops `ngx.ctx`. After that, it sends
-- its own pages.
function Methods:send_page(status)
  if self.redirected or not PAGES[status] then
    return send_own_page(self, status)
  end
  self.redirected = true
  self:left_plugin()
  self:replace_ctx({})
  self.exited = nil
  self.host:start_page(status)
  run_phase(self, "error", self.life.error_page)
end


local function proxy(session)
  local failure = phases.ask(session)
  if failure and not session.upstream.cut_off then
    return session:send_page(failure.status)
  end
  session.answered = true
  session.ngx.ctx.KONG_PROXIED = true
  session.host:upstream(session.upstream.status, session.upstream.headers)
  phases.send_answer(session)
end


-- Returns headers as `ngx.location.capture` does: by name, with an array for a repeated header.
local function captured_headers(list)
  local headers, names = {}, {}
  for i = 1, #list do
    local name, value = list[i][1], list[i][2]
    local known = names[lower(name)]
    if not known then
      names[lower(name)], headers[name] = name, value
    elseif type(headers[known]) == "table" then
      headers[known][#headers[known] + 1] = value
    else
      headers[known] = { headers[known], value }
    end
  end
  return headers
end


-- Returns the answer to the subrequest that asks the upstream.
local function fetch(session)
  local upstream = session.upstream
  session.waits = true
  local failure = phases.ask(session)
  if failure then
    return { status = failure.status, header = {}, body = "", failed = true }
  end
  session.answered = true
  return {
    status = upstream.status, header = captured_headers(upstream.headers),
    body = session.request.method ~= "HEAD" and concat(upstream.chunks) or "",
  }
end


-- Notes that the handler of a plugin runs. `entry` is the plugin in the session, not that of the
-- life cycle.
function Methods:entered_plugin(entry, ctx)
  self.running, self.handler = entry, entry.plugin[self.phase]
  ctx.plugin_id = entry.id
  if self.strict and self.handler then
    self.strict:before(self.handler)
  end
end


function Methods:left_plugin()
  local ctx = self.ngx.ctx
  if type(ctx) ~= "table" then
    local place = position.of_function(self.handler)
    self.failure = self.failure or fmt("ngx.ctx must be a table, got %s, after the handler at %s",
                                       type(ctx), place or "?")
    self.ngx.ctx = {}
  end
  if self.strict and self.handler then
    self.strict:after()
  end
  self.running, self.handler = nil, nil
end


-- Wraps functions of the life cycle, so that they report handlers and errors to the session.
-- Returns a function that restores them.
local function watch(requests)
  local enter, leave, new_failure = requests.enter_plugin, requests.leave_plugin, failures.new
  local failed_to_start = handlers.failed_to_start
  -- For each handler that runs, the plugin whose handler it interrupts, or false.
  local outer_entries = {}

  function requests.enter_plugin(ctx, plugin, name, id, index)
    local session = running.session
    local outer, outer_log = enter(ctx, plugin, name, id)
    outer_entries[#outer_entries + 1] = session.running or false
    session:entered_plugin(session.plugins[index], ctx)
    return outer, outer_log
  end

  function requests.leave_plugin(ctx, outer, ...)
    leave(ctx, outer, ...)
    running.session:left_plugin()
    local outer_entry = remove(outer_entries)
    if outer and outer_entry then
      running.session:entered_plugin(outer_entry, ctx)
    end
  end

  function failures.new(err, ...)
    running.session:handler_failed(err)
    return new_failure(err, ...)
  end

  function handlers.failed_to_start(...)
    running.session:failed_to_start(...)
  end

  return function()
    requests.enter_plugin, requests.leave_plugin = enter, leave
    failures.new, handlers.failed_to_start = new_failure, failed_to_start
  end
end


local function make(session, case)
  local list = {}
  for i = 1, #session.plugins do
    local entry = session.plugins[i]
    list[i] = { plugin = entry.plugin, config = entry.config, name = entry.name }
  end
  local description = gateway.description_of(case, false)
  description.buffering = function()
    return fetch(session)
  end
  return require("kong.response.lifecycle").new(list, description)
end


local function run(session, case)
  session.life = make(session, case)
  local worker, ctx = session.worker, session.ngx.ctx
  if not worker.started then
    worker.started = true
    worker_start.log_warnings(session)
    session.ngx.ctx = {}
    session.ran.init_worker = true
    local leave = session:enter "init_worker"
    session:call(session.life.init_worker)
    leave()
    session.ngx.ctx = ctx
  end
  if run_phase(session, "rewrite", session.life.rewrite)
    and run_phase(session, "access", session.life.access)
  then
    proxy(session)
  end
  local leave = session:enter "log"
  session:call(session.life.log)
  leave()
end


local _M = {}


--- Runs a session's request through all phases.
function _M.run(session, case)
  local class = getmetatable(session)
  local own = {}
  for name, method in pairs(Methods) do
    own[name] = method
  end
  own.__index = setmetatable(own, class)
  setmetatable(session, own)

  local _, requests = require("kong.response.lifecycle.globals").prepare()
  local unwatch = watch(requests)
  local ok, err = pcall(run, session, case)
  unwatch()
  if not ok then
    error(err, 0)
  end
end


return _M
