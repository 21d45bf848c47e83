--- nginx's part of a request in memory: it sends the output of Lua code through the filters. A
-- gateway (`session.lua`) or the helpers of specs run the code of the phases, and override methods.

local native = require "kong.response.testing.native"
local coroutines = require "kong.response.testing.coroutines"
local http = require "kong.response.http"
local log = require "kong.response.testing.log"
local add_output = require "kong.response.testing.output"
local workers = require "kong.response.testing.worker"


local co_create = coroutines.create
local co_resume = coroutines.resume
local co_status = coroutines.status
local co_yield = coroutines.yield
local error = error
local pairs = pairs
local setmetatable = setmetatable


local EXIT = coroutines.EXIT

-- With these statuses, nginx closes the connection and sends nothing.
local CLOSES = { [408] = true, [444] = true, [499] = true }

-- The phases in which code can yield, because nginx's scheduler runs it.
local YIELDS = { rewrite = true, access = true, content = true, timer = true }


-- The fields of a server:
--   host          the request and response in memory
--   request       `method`, `http_version`
--   log           the lines of the log
--   chunks        the sent chunks of the body
--   headers       the sent headers, nil before nginx sends them or if the client does not get them
--   stored        the number of bytes of the output that nginx has not sent to the client yet
--   received      the number of chunks that the client has got, nil before it has got the headers
--   status        the sent status
--   body_allowed  whether the client gets a body with these headers
--   chunked       whether the body is chunked
--   unmodified    nginx has changed the status to 304, because the client has the body
--   exited        the code with which Lua code has exited
--   leaves        the exit ends the phase
--   buffered      the output for a client of HTTP/1.0, stored until its length is known
--   tells_length  a client of HTTP/1.0 gets Content-Length
--   eof           nginx accepts no more output
--   complete      the end of the body was sent
--   broken        the end never comes, because a filter or the upstream has failed
--   closed        the connection was closed, in most cases without a response
--   unanswered    `closed` is true, but nginx leaves the connection open, and the client waits
--   leaves_filter lua-nginx-module leaves the phase of the body filter after the end of the body
--   ends_output   output for a client of HTTP/1.0 ends the response with the phase that prints it
--   restores_ctx  lua-nginx-module restores `ngx.ctx` after nginx has answered 412 itself
--   aborted       nginx closes the connection after the response
--   restarted     a filter has started the response again
local Server = {}
Server.__index = Server

add_output(Server)


--- Returns the functions of `kong.response` with these options, for this request.
-- @tparam table options for the same table, the result is the same
-- @tparam table ngx
-- @tparam[opt] table defaults for options
-- @treturn table
function Server:functions_for(options, ngx, defaults)
  local functions = self.bound[options]
  if functions then
    return functions
  end
  local own = {}
  for name, value in pairs(defaults or {}) do
    own[name] = value
  end
  for name, value in pairs(options) do
    own[name] = value
  end
  own.log = own.log or function(level, message)
    self:write_log(level, message)
  end
  functions = http(own, ngx, function(given, services)
    return native.memory(self.host, given, services)
  end)
  self.bound[options] = functions
  return functions
end


--- Adds a line to the log.
function Server:write_log(level, message)
  log.add(self.log, level, message, self.host:get_phase())
end


--- Runs the header filters. Returns whether they have succeeded.
function Server:filter_head() -- luacheck: no unused args
  return true
end


--- Is called after the headers were sent.
function Server:head_sent() -- luacheck: no unused args
end


--- Runs the body filters on the current chunk of the host. Returns whether they have succeeded.
function Server:filter_body(is_last) -- luacheck: no unused args
  return true
end


--- Is called after the body filters; see `Strict:after_chunk`.
function Server:chunk_filtered(pieces, is_last, sent, ended) -- luacheck: no unused args
end


--- Is called if code prints a body that nginx does not send.
function Server:body_refused() -- luacheck: no unused args
end


--- Whether nothing resumes code of this phase that yields.
function Server:abandons_yields() -- luacheck: no unused args
  return false
end


local function run_in_phase(self, code, ...)
  local co = co_create(code)
  local ok, value = co_resume(co, ...)
  while ok and co_status(co) == "suspended" do
    if value == EXIT then
      return "exited"
    elseif self:abandons_yields() then
      return "yielded"
    elseif not YIELDS[self.host:get_phase()] then
      return "failed", "attempt to yield across C-call boundary"
    end
    ok, value = co_resume(co)
  end
  if not ok then
    return "failed", value
  end
  return "returned"
end


--- Runs a function as nginx runs the code of a phase.
-- @treturn string `returned`, `exited`, `yielded` (if nothing resumes the function) or `failed`
-- @return the raised value
function Server:call(code, ...)
  local outer = self.leaves
  self.leaves = false
  local outcome, value = run_in_phase(self, code, ...)
  -- Code in a coroutine of Lua's own functions has exited. Nothing could stop the code around it,
  -- so its outcome does not count.
  if self.leaves then
    outcome, value = "exited", nil
  end
  self.leaves = outer
  return outcome, value
end


--- `ngx.exit`: ends the phase if nginx can interrupt it.
function Server:exit(code)
  local host = self.host
  if host:headers_sent() and code >= 300 and not CLOSES[code] then
    code = 200
  end
  self.exited = code
  local phase = host:get_phase()
  if phase ~= "header_filter" and phase ~= "balancer" then
    self.leaves = true
    co_yield(EXIT)
  end
end


--- Ends or continues the request after Lua code has exited.
-- @treturn boolean whether the request continues with the next phase
function Server:finish_exit()
  local host, code = self.host, self.exited
  local in_content = host:get_phase() == "content"
  local sent = host:headers_sent()
  if self.aborted and code > 0 and not in_content then
    -- In this case, nginx closes the connection in an orderly way.
    self.aborted = false
  end
  if self.closed then
    return false
  elseif code == -1 then
    self:break_off()
    return false
  end
  if not sent and host:get_status() == 0 and code >= 200 then
    host:set_status(code)
  end

  local keeps = self.buffered and host:get_status() ~= 0 and not CLOSES[code]
  if keeps or code == 0 and in_content or code >= 200 and code < 300 and code ~= 204 then
    self:finish()
    return false
  elseif code < 100 then
    if sent then
      self:finish()
    end
    return not sent
  end
  if CLOSES[code] then
    self:break_off()
  elseif not sent and code < 200 then
    -- nginx ends the request, but has no page for this status.
    self.closed, self.unanswered = true, true
  elseif not sent then
    self:send_page(code)
  end
  return false
end


--- nginx closes the connection before the end of the response, and drops the stored output.
function Server:break_off()
  if self.complete then
    return
  end
  self.broken = true
  if not self.received then
    self.closed, self.headers = true, nil
  end
  for i = #self.chunks, (self.received or 0) + 1, -1 do
    self.chunks[i] = nil
  end
end


--- `ngx.timer.at` and `ngx.timer.every`. A test does not wait: the callback runs when code sleeps,
-- when the test moves the clock, or after the request.
function Server:add_timer(delay, interval, callback, ...)
  self.worker:add_timer(delay, interval, callback, ...)
end


--- Is called if a timer has failed.
function Server:timer_failed(err) -- luacheck: no unused args
end


--- Is called if the plugin gets an error as a value.
function Server:passed_on(err) -- luacheck: no unused args
end


--- Raises an error about a mistake of the test.
function Server:fail_test(text) -- luacheck: no self
  error(text, 3)
end


--- Is called each time that code waits.
function Server:count_wait() -- luacheck: no self
end


--- Runs the timers that are due.
-- @tparam table ngx each timer gets a new `ngx.ctx`
-- @tparam function failed is called as `failed(err)` if a callback fails
function Server:run_timers(ngx, failed)
  if not self.worker:has_timers() then
    return
  end
  local phase, ctx = self.host:get_phase(), ngx.ctx
  self.worker:run_timers(function(callback, ...)
    ngx.ctx = {}
    self.host:set_phase("timer")
    local outcome, err = self:call(callback, ...)
    if outcome == "failed" then
      failed(err)
    end
  end)
  ngx.ctx = ctx
  self.host:set_phase(phase)
end


local _M = { Server = Server }


--- Makes a server for a request.
-- @tparam table fields `host`, `request`, `log` and, optionally, `worker`
-- @tparam[opt] table class a table with methods that override those of `Server`
function _M.new(fields, class)
  fields.chunks = {}
  fields.worker = fields.worker or workers.new()
  fields.bound = {}
  return setmetatable(fields, class or Server)
end


return _M
