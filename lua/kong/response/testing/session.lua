--- One request in a gateway: runs the handlers, and reports their errors.

local core = require "kong.response.core"
local responses = require "kong.response.lifecycle.responses"
local native = require "kong.response.testing.native"
local add_reports = require "kong.response.testing.reports"
local gateway = require "kong.response.testing.gateway"
local log = require "kong.response.testing.log"
local running = require "kong.response.testing.running"
local sentinels = require "kong.response.testing.sentinels"
local servers = require "kong.response.testing.server"
local strict = require "kong.response.testing.strict"
local versions = require "kong.response.testing.versions"


local milliseconds = require("kong.response.testing.clock").milliseconds
local fmt = string.format
local pairs = pairs
local pcall = pcall
local select = select
local setmetatable = setmetatable
local type = type


local ERR, NOTICE = 4, 6

-- The bits of `ngx.ctx.KONG_PHASE`.
local PHASES = core.phases

-- The phases of a gateway that have another name in nginx.
local NGINX_PHASES = { response = "access", error = "content" }

-- The templates of error documents, in `kong.configuration`.
local TEMPLATES = {
  json = "error_template_json",
  html = "error_template_html",
  xml = "error_template_xml",
  plain = "error_template_plain",
}

local Server = servers.Server

local Session = setmetatable({}, { __index = Server })
Session.__index = Session

add_reports(Session)


--- Adds a line to the log, with the gateway's phase and the plugin that runs in it.
function Session:write_log(level, message, handler)
  local phase, entry = self.phase, self.running
  if self.host:get_phase() == "timer" then
    phase, entry = "timer", nil
  end
  log.add(self.log, level, message, phase, entry and entry.name, handler)
end


--- Enters a phase. Returns a function that restores the phase before it.
function Session:enter(phase)
  local ctx, host = self.ngx.ctx, self.host
  local outer, outer_bit, outer_nginx = self.phase, ctx.KONG_PHASE, host:get_phase()
  self.phase = phase
  if not self.ran[phase] then
    self.ran[phase] = true
    self.phases[#self.phases + 1] = phase
  end
  ctx.KONG_PHASE = PHASES[phase]
  host:set_phase(NGINX_PHASES[phase] or phase)

  return function()
    self.phase = outer
    self.ngx.ctx.KONG_PHASE = outer_bit
    host:set_phase(outer_nginx)
  end
end


--- In access, a gateway never resumes a handler that yields.
function Session:abandons_yields()
  return self.phase == "access"
end


-- Makes a function from a callable table, for example a spy.
local function callable(handler)
  return function(...)
    return handler(...)
  end
end


-- Reports a plugin whose rewrite does not run.
function Session:left_out(entry)
  local text = fmt("rewrite does not run, because row binds the plugin to a %s: a gateway runs"
                   .. " rewrite only for global plugins", entry.bound_to)
  self:hint(text)
  local outer = self.running
  self.running = entry
  self:write_log(NOTICE, text)
  self.running = outer
end


--- Calls the handlers of the phase in order, until `go_on(outcome)` returns false. Returns that
-- outcome.
function Session:handlers(phase, go_on)
  local requests = self.requests
  for i = 1, #self.plugins do
    local entry = self.plugins[i]
    local handler = entry.plugin[phase]
    if handler and phase == "rewrite" and entry.bound_to then
      -- A gateway does not know the route yet.
      self:left_out(entry)
    elseif handler then
      local outer, outer_handler = self.running, self.handler
      self.running, self.handler = entry, handler
      if type(handler) ~= "function" then
        handler = callable(handler)
      end
      local ctx = self.ngx.ctx
      local outer_plugin, outer_log = requests.enter_plugin(ctx, entry.plugin, entry.name or "",
                                                            entry.id)
      if self.strict then
        self.strict:before(handler)
      end
      local outcome, err = self:call(handler, entry.plugin, entry.config)
      if self.strict then
        self.strict:after()
      end
      requests.leave_plugin(ctx, outer_plugin, outer_log)
      if type(self.ngx.ctx) ~= "table" then
        outcome, err = "failed", "ngx.ctx must be a table, got " .. type(self.ngx.ctx)
        self.ngx.ctx = {}
      end
      if outcome == "failed" then
        self:failed(err)
      end
      self.running, self.handler = outer, outer_handler
      if not go_on(outcome) then
        return outcome
      end
    end
  end
end


local function until_failed(outcome)
  return outcome ~= "failed"
end


--- The header filter of the gateway. If a handler fails, the client gets an error document.
function Session:filter_head()
  if self.strict then
    self.strict:before_head()
  end

  local leave = self:enter "header_filter"
  self.requests.header_filter(self.ngx.ctx)
  -- `filter_body` sets the end before an empty chunk, so nginx keeps it.
  self.ngx.ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true
  local outcome = self:handlers("header_filter", until_failed)
  local ctx = self.ngx.ctx
  ctx.KONG_HEADER_FILTER_ENDED_AT = milliseconds()
  ctx.KONG_HEADER_FILTER_TIME = ctx.KONG_HEADER_FILTER_ENDED_AT
                                - (ctx.KONG_HEADER_FILTER_START or 0)
  local ok = true
  if outcome == "failed" then
    local exited = ctx.KONG_EXITED
    ctx.KONG_UNEXPECTED = true
    responses.clear_headers(self.ngx)
    local err
    ok, err = pcall(self.functions.error, 500)
    ctx.KONG_EXITED = exited
    if not ok then
      self:failed(err)
    end
  end
  leave()
  return ok
end


function Session:head_sent()
  if self.strict then
    self.strict:after_head()
  end
end


function Session:body_refused()
  if self.strict and not self.unmodified then
    self.strict:body_without_right()
  end
end


--- The body filter of the gateway: sets the body of an `exit` in header_filter, and runs the
-- handlers.
function Session:filter_body(is_last)
  local host = self.host
  local leave = self:enter "body_filter"
  local ctx = self.ngx.ctx
  ctx.KONG_BODY_FILTER_START = ctx.KONG_BODY_FILTER_START or milliseconds()
  if is_last then
    self.requests.body_end(ctx)
    ctx.KONG_BODY_FILTER_TIME = ctx.KONG_BODY_FILTER_ENDED_AT - ctx.KONG_BODY_FILTER_START
  end
  local replaced, outcome = self.ngx.ctx.response_body, nil
  if replaced then
    -- Set the end first: nginx loses an end that is set on an empty chunk.
    host:set_arg(2, true)
    local ok, err = pcall(host.set_arg, host, 1, replaced)
    if not ok then
      outcome = "failed"
      self:failed(err)
    end
  end
  outcome = outcome or self:handlers("body_filter", until_failed)
  if outcome == "failed" then
    self.ngx.ctx.KONG_UNEXPECTED = true
  end
  leave()
  return outcome ~= "failed"
end


function Session:chunk_filtered(...)
  if self.strict then
    self.strict:after_chunk(...)
  end
end


function Session:exit(status)
  if self.phase == "header_filter" then
    self.exited = status
    if self.strict then
      self.strict:exited_in_filter()
    end
    return
  end
  return Server.exit(self, status)
end


--- Reports that code has set a header or the status after the headers were sent. nginx only logs
-- this.
function Session:late(what)
  self:write_log(ERR, "attempt to set " .. what .. " after sending out response headers")
  if self.strict then
    self.strict:late(what)
  end
end


local _M = {}


--- Makes a session.
-- @tparam table case see `run` in testing.lua
-- @tparam table ngx
-- @tparam table kong
-- @tparam table requests the functions of `kong.response.pdk` that a server calls in the phases
function _M.new(case, ngx, kong, requests)
  local request = case.request
  local version = versions.get(case.nginx_version)
  ngx.config.nginx_version = version.nginx_version
  ngx.config.ngx_lua_version = version.ngx_lua_version
  local self = servers.new({
    ngx = ngx,
    requests = requests,
    services = case.services,
    configuration = case.configuration or {},
    worker = case.worker,
    nginx_version = case.nginx_version,
    joins_headers = version.joins_headers,
    restores_ctx = version.restores_ctx,
    leaves_filter = version.leaves_filter,
    ends_output = version.ends_output,
    kong_ctx = kong.ctx,
    plugins = case.plugins,
    request = request,
    upstream = case.upstream,
    host = native.memory_host {
      method = request.method,
      http_version = request.http_version,
      headers = request.headers,
      variables = request.variables,
      default_type = case.default_type or "",
      www_authenticate_repeats = version.www_authenticate_repeats,
      drops_repeats = version.drops_repeats,
    },
    log = log.new(),
    hints = { plugins = case.plugins },
    wait_count = 0,
    phases = {}, -- in the order in which they ran
    ran = { error = true }, -- in which no plugin's code runs
    upstream_called = false,
  }, Session)

  local templates = {}
  for document, field in pairs(TEMPLATES) do
    templates[document] = case.configuration and case.configuration[field]
  end

  local defaults = { error_templates = templates }
  function self.bind(options, name, with_colon, ...)
    self.last_call = name and not with_colon and { name, select("#", ...), ... }
    if with_colon then
      self:called_with_colon(options == gateway.OPTIONS and "kong.response" or "response", name)
    end
    if name and self.strict then
      self.strict:before_call(name, ...)
    end
    return self:functions_for(options, ngx, defaults)
  end

  self.strict = case.strict and strict.new(self) or nil
  local loading = running.take_loading()
  for i = 1, #loading do
    log.add(self.log, loading[i][1], loading[i][2], "init")
  end
  sentinels.add_hints(self)
  self.functions = self.bind(gateway.OPTIONS)
  return self
end


return _M
