--- Plays a sequence in memory, with the test kit instead of nginx.

local native = require "kong.response.testing.native"
local coroutines = require "kong.response.testing.coroutines"
local for_upstream = require("kong.response.testing.ngx.request").for_upstream
local nginx = require "kong.response.testing.nginx"
local play = require "spec.conformance.play"
local requests = require "kong.response.testing.request"
local running = require "kong.response.testing.running"
local servers = require "kong.response.testing.server"


local ngx = nginx.new()

local Server = setmetatable({}, { __index = servers.Server })
Server.__index = Server


--- Plays the operations of a phase inside the running phase.
function Server:phase(name)
  local before = self.host:get_phase()
  self.host:set_phase(name)
  self.player:phase(name)
  self.host:set_phase(before)
end


function Server:filter_head()
  self:phase("header_filter")
  return true
end


function Server:filter_body()
  self:phase("body_filter")
  return true
end


--- nginx ignores changes after the headers were sent.
function Server.late()
end


--- nginx has answered 412 itself, or lua-nginx-module restores the old `ngx.ctx`.
function Server.replace_ctx(_, ctx)
  local before = ngx.ctx
  ngx.ctx = ctx
  return before
end


--- Runs a phase whose code may exit. Returns whether the request has ended.
function Server:active(name)
  self.host:set_phase(name)
  self.exited = nil
  local outcome, err = self:call(function()
    self.player:phase(name)
  end)
  if outcome == "failed" then
    error(err, 0)
  elseif outcome ~= "exited" and name ~= "content" and self.buffered and self.ends_output then
    self:finish()
    return true
  end
  return outcome == "exited" and not self:finish_exit()
end


function Server:proxy()
  local host, upstream = self.host, self.sequence.upstream
  if self.sequence.balancer then
    self.exited = nil
    self:phase "balancer"
    if self.exited and self.exited ~= 0 then
      -- After an exit with any status, nginx has no server.
      return self:send_page(500)
    end
  end
  self.upstream_got = for_upstream(self.request, self.request.variables)
  host:upstream(upstream.status, upstream.headers)
  host:set_phase("content")
  if not self:send_head() then
    return
  end
  if upstream.body ~= "" and self.request.method ~= "HEAD" then
    self:output({ upstream.body }, false)
  end
  self:output({}, true)
end


function Server:run()
  local over = self:active("rewrite") or self:active("access")
  if not over then
    if self.sequence.upstream then
      self:proxy()
    elseif not self:active("content") then
      self:finish()
    end
  end
  if self.aborted or self.closed then
    self.host:abort()
  end
  self:phase("log")
  self.player:upstream_got(self.upstream_got)
end


local _M = {
  --- Facts of the nginx to compare with: see `spec/support/facts.lua`.
  of_nginx = {
    lua_version = 10023, repeated_www_authenticate = false, joined_headers = false,
    restores_ctx = false, drops_repeats = false,
    stale_phase = true, joins_output = true,
  },
  --- Its port.
  port = 80,
}


--- Plays a sequence. Returns the notes, and the response:
-- { closed = true } or { status, headers, body, complete, close }.
function _M.run(sequence)
  local of_nginx = _M.of_nginx
  ngx.config.ngx_lua_version = of_nginx.lua_version
  local headers = { { "Host", sequence.request.host or "x" } }
  for i, header in ipairs(sequence.request.headers) do
    headers[i + 1] = header
  end
  local request = requests.new {
    method = sequence.request.method,
    path = play.target(sequence),
    http_version = sequence.request.version,
    headers = headers,
    body = sequence.request.body,
    port = _M.port,
  }
  -- The same values as in nginx's locations.
  local variables = request.variables
  variables.upstream_scheme, variables.upstream_host = "http", request.host
  variables.upstream_uri = ""
  local host = native.memory_host {
    method = request.method,
    http_version = request.http_version,
    headers = request.headers,
    www_authenticate_repeats = of_nginx.repeated_www_authenticate,
    drops_repeats = of_nginx.drops_repeats,
  }
  local server = servers.new({
    host = host, request = request, sequence = sequence,
    joins_headers = of_nginx.joined_headers,
    restores_ctx = of_nginx.restores_ctx, leaves_filter = not of_nginx.stale_phase,
    ends_output = not of_nginx.joins_output,
  }, Server)
  server.player = play.new(sequence, ngx, function(options)
    return (server:functions_for(options, ngx))
  end)
  function server.player.before_yield()
    -- If a header filter exits, nginx treats this as an exit of the phase that prints. Coroutines
    -- in filters do not belong to nginx's scheduler.
    local phase = host:get_phase()
    if server.exited and phase ~= "header_filter" and phase ~= "body_filter" then
      coroutines.yield(coroutines.EXIT)
    end
  end

  ngx.ctx = {}
  running.session = server
  local uninstall = coroutines.install()
  local ok, err = pcall(server.run, server)
  uninstall()
  running.session = nil
  if not ok then
    error(err, 0)
  end

  local notes = table.concat(server.player.notes, "\n")
  if server.closed then
    return notes, { closed = not server.unanswered }
  end
  local response = {
    status = host:get_status(),
    headers = server.headers,
    body = table.concat(server.chunks),
    complete = server.complete or not server.body_allowed,
    restarted = server.restarted,
    no_body = not server.body_allowed and #server.chunks == 0,
  }
  return notes, response
end


return _M
