--- One request to a server in memory: runs the code of a spec in nginx's phases, with the test
-- kit's server.

local native = require "kong.response.testing.native"
local log = require "kong.response.testing.log"
local running = require "kong.response.testing.running"
local servers = require "kong.response.testing.server"
local variables = require "kong.response.testing.ngx.variables"
local versions = require "kong.response.testing.versions"


local ERR = 4

local VERSION = versions.get(versions.DEFAULT)

local Request = setmetatable({}, { __index = servers.Server })
Request.__index = Request


function Request:log_error(...)
  log.add(self.log, ERR, table.concat { ... })
end


--- Code has set a header or the status after the headers were sent.
function Request:late(what)
  self:log_error("attempt to set ", what, " after sending out response headers")
end


--- Runs a phase that cannot exit, inside the running phase.
function Request:passive(phase)
  local before = self.host:get_phase()
  self.host:set_phase(phase)
  local outcome, err = self:call(self.code, phase)
  self.host:set_phase(before)
  if outcome == "failed" then
    self:log_error("failed to run ", phase, "_by_lua*: ", tostring(err))
  end
  return outcome ~= "failed"
end


function Request:filter_head()
  if not self:passive "header_filter" then
    return false
  end
  for name, value in pairs(self.location.add_headers or {}) do
    self.host:set_header(name, (value:gsub("%$([%w_]+)", function(variable)
      return variables.get(self, variable)
    end)))
  end
  return true
end


function Request:filter_body()
  return self:passive "body_filter"
end


--- Runs a phase that may exit. Returns whether the request has ended.
function Request:active(phase)
  self.host:set_phase(phase)
  self.exited = nil
  local outcome, err = self:call(self.code, phase)
  if outcome == "exited" then
    return not self:finish_exit()
  elseif outcome == "failed" then
    self:log_error("lua entry thread aborted: runtime error: ", tostring(err))
    if self.host:headers_sent() then
      self:break_off()
    else
      self:send_page(500)
    end
    return true
  elseif phase ~= "content" and self:has_printed() then
    self:finish()
    return true
  end
  return false
end


--- Answers like nginx's directive `return`, with a status or a text.
function Request:reply(text)
  if type(text) == "number" then
    return self:send_page(text)
  end
  self.host:set_status(200)
  self.host:set_header("Content-Length", tostring(#text))
  self.host:start_output()
  if self:send_head() then
    self:output(text == "" and {} or { text }, true)
  end
end


--- Asks the upstream. Returns the status, headers and chunks of its answer, or nil.
function Request:fetch()
  local location, request = self.location, self.request
  local behind = _G.setmetatable({ http_version = location.http_version or 1.1 },
                                 { __index = request })
  local upstream = Request.new {
    request = behind,
    location = { add_headers = location.upstream_headers },
    underscores = self.upstream_underscores,
    code = function()
      self.upstream_code(behind)
    end,
    log = self.log,
  }
  local ctx = ngx.ctx
  ngx.ctx = {}
  running.session = upstream
  upstream.filter_head = servers.Server.filter_head
  upstream.filter_body = servers.Server.filter_body
  if not upstream:active "content" then
    upstream:finish()
  end
  running.session = self
  ngx.ctx = ctx
  return upstream
end


function Request:proxy()
  local host, location = self.host, self.location
  if location.balancer then
    self.exited = nil
    self:passive "balancer"
    if self.exited and self.exited ~= 0 then
      -- After an exit with any status, nginx has no server.
      return self:send_page(500)
    end
  end
  host:set_phase("content")
  if location.refused then
    self:log_error("connect() failed (111: Connection refused) while connecting to upstream")
    return self:send_page(502)
  end

  local upstream = self:fetch()
  if not upstream.headers then
    self:log_error("upstream prematurely closed connection while reading response header")
    return self:send_page(502)
  end
  host:upstream(upstream.status, upstream.headers)
  if not self:send_head() then
    return
  end
  for _, chunk in ipairs(upstream.chunks) do
    self:output({ chunk }, false)
  end
  if upstream.closed or upstream.broken then
    self:log_error("upstream prematurely closed connection while reading upstream")
    self:break_off()
  else
    self:output({}, true)
  end
end


--- Runs the request through its phases.
function Request:run()
  local location = self.location
  if not (self:active "rewrite" or self:active "access") then
    if location.reply then
      self.host:set_phase("content")
      self:reply(location.reply)
    elseif location.upstream or location.refused then
      self:proxy()
    elseif not self:active "content" then
      self:finish()
    end
  end
  if self.aborted or self.closed then
    self.host:abort()
  end
  self:passive "log"
end


--- Makes a request.
-- @tparam table fields `request` (in the test kit's format), `location`, `log`, `code(phase)`,
--   `upstream_code(request)`; `underscores` and `upstream_underscores`: whether names keep
--   underscores
function Request.new(fields)
  local request = fields.request
  fields.host = native.memory_host {
    method = request.method,
    http_version = request.http_version,
    headers = request.headers,
    variables = request.variables,
    www_authenticate_repeats = VERSION.www_authenticate_repeats,
    drops_repeats = VERSION.drops_repeats,
    transform_underscores = not fields.underscores,
  }
  fields.joins_headers = VERSION.joins_headers
  fields.restores_ctx = VERSION.restores_ctx
  fields.leaves_filter = VERSION.leaves_filter
  fields.ends_output = VERSION.ends_output
  return servers.new(fields, Request)
end


return Request
