--- nginx's part of a request in memory: it sends the output of Lua code through the filters. A
-- gateway (`session.lua`) or the helpers of specs run the code of the phases, and override methods.

local native = require "kong.response.testing.native"
local coroutines = require "kong.response.testing.coroutines"
local http = require "kong.response.http"
local log = require "kong.response.testing.log"
local workers = require "kong.response.testing.worker"


local co_create = coroutines.create
local co_resume = coroutines.resume
local co_status = coroutines.status
local co_yield = coroutines.yield
local concat = table.concat
local find = string.find
local ipairs = ipairs
local pairs = pairs
local rawget = rawget
local setmetatable = setmetatable
local sub = string.sub


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
--   headers       the sent headers, nil before nginx sends them
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
--   restores_ctx  lua-nginx-module restores `ngx.ctx` after nginx has answered 412 itself
--   aborted       nginx closes the connection after the response
--   restarted     a filter has started the response again
local Server = {}
Server.__index = Server


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


local function is_chunked(headers)
  for _, header in ipairs(headers) do
    if header[1] == "Transfer-Encoding" then
      return true
    end
  end
  return false
end


--- Sends the headers, unless they were sent.
-- @treturn boolean whether they were sent, and the body follows
function Server:send_head()
  local host = self.host
  if host:headers_sent() then
    return true
  elseif self.closed or self.aborted then
    return false
  end

  local answer = host:answer_conditions()
  if answer == 412 then
    return self:refuse_precondition()
  end
  self.unmodified = answer == 304 or self.unmodified
  local before = self.exited or 0
  local ok = self:filter_head()
  -- nginx closes the connection if a header filter fails, and after `ngx.exit(ngx.ERROR)`.
  if not ok or self.exited == -1 then
    self.closed = true
    return false
  end
  if (self.exited or 0) == before then
    self.headers, self.body_allowed = host:finish_head()
    self.chunked = is_chunked(self.headers)
    self.status = host:get_status()
    self:head_sent()
    return true
  end
  -- A header filter has exited, with another code than the earlier phase.
  return self:begin_again(self.exited)
end


--- Replaces `ngx.ctx`. Returns the old table.
function Server:replace_ctx(ctx) -- luacheck: no unused args
  local ngx = rawget(_G, "ngx")
  if ngx then
    local before = ngx.ctx
    ngx.ctx = ctx
    return before
  end
end


--- nginx discards the body of the request, unless Lua code has read it.
function Server:discard_request_body()
  local request = self.request
  request.body = request.body_read and request.body or ""
end


--- nginx answers 412 itself. It clears the contexts of its modules, and `ngx.ctx` with them. Newer
-- versions of lua-nginx-module restore their context afterwards, except if a client of HTTP/1.0
-- gets Content-Length.
function Server:refuse_precondition()
  local restores = self.restores_ctx and not self.tells_length
  self:discard_request_body()
  local ended, ctx = self.host:body_ended(), self:replace_ctx({})
  self:begin_again(412)
  if restores then
    self:replace_ctx(ctx)
    self.host:set_arg(2, ended)
  end
  return false
end


--- nginx starts the response again with its own page, and then closes the connection.
function Server:begin_again(status)
  local host = self.host
  host:clean_head()
  local page = host:special_response(status)
  if self:send_head() then
    self:send_pages_body(page)
  end
  self.aborted, self.restarted = true, true
  return false
end


--- Passes a chunk of the body, which is an array of pieces, to the body filters.
function Server:output(pieces, last)
  if self.closed or self.broken then
    return
  elseif not self.body_allowed then
    if concat(pieces) ~= "" then
      self:body_refused()
    end
    self.complete = self.complete or last
    return
  end

  local host = self.host
  if host:body_ended() then
    -- nginx drops the chunk. Older versions of lua-nginx-module stay in the phase of the filter.
    if not self.leaves_filter then
      host:set_phase("body_filter")
    end
    return
  end
  host:set_chunk(pieces, last)
  if not self:filter_body(last) then
    self.broken = true
    return
  end
  local sent, ended = host:get_chunk()
  self:chunk_filtered(pieces, last, sent, ended)
  -- The client stops reading a chunked body at its first end.
  if sent ~= "" and not (self.complete and self.chunked) then
    self.chunks[#self.chunks + 1] = sent
  end
  self.complete = self.complete or ended
end


--- Sends the body of nginx's own page, which nginx has in two pieces.
function Server:send_pages_body(page)
  local tail = find(page, "<hr>", 1, true)
  self:output(tail and { sub(page, 1, tail - 1), sub(page, tail) } or {}, true)
end


--- Answers with nginx's page for a status.
function Server:send_page(status)
  local page = self.host:special_response(status)
  if self:send_head() then
    self:send_pages_body(page)
  end
end


--- `ngx.print`
-- @treturn ?number 1, or nil
-- @treturn ?string the error
function Server:print(text)
  local host = self.host
  if self.eof then
    return nil, "seen eof"
  end
  if not host:headers_sent() and not self.buffered then
    local request = self.request
    host:start_output()
    self.tells_length = request.http_version < 1.1 and text ~= ""
      and host:get_header("Content-Length") == nil
    if self.tells_length and request.method ~= "HEAD" then
      self.buffered = {}
    elseif not self:send_head() then
      return nil, "nginx output filter error"
    elseif not self.body_allowed then
      if text ~= "" then
        self:body_refused()
        self:discard_request_body()
      end
      self.eof = true
      return 1
    end
  end
  if text == "" then
    return 1
  elseif self.buffered then
    self.buffered[#self.buffered + 1] = text
  else
    self:output({ text }, false)
    if self.broken then
      return nil, "nginx output filter error"
    end
  end
  return 1
end


--- `ngx.flush`
function Server:flush()
  if self.eof then
    return nil, "seen eof"
  elseif self.buffered then
    return nil, "buffering"
  elseif not self.host:headers_sent() then
    return nil, "nothing to flush"
  end
  self:output({}, false)
  return 1
end


--- Ends the output of Lua code.
function Server:finish()
  if self.eof then
    self.complete = self.complete or not self.body_allowed
    return
  end
  local host, buffered = self.host, self.buffered
  if not host:headers_sent() then
    local length = #concat(buffered or {})
    local is_old = self.request.http_version < 1.1
    self.tells_length = is_old and (buffered or not host:get_header("Content-Length"))
    host:start_output(self.tells_length and length or nil)
    if not self:send_head() then
      return
    end
    if not self.body_allowed and self.request.method ~= "HEAD" then
      -- nginx sends the stored output for HTTP/1.0 with any status.
      self.chunks = buffered or {}
    elseif buffered and #buffered > 0 then
      self:output(buffered, false)
    end
  end
  self.buffered = nil
  self:output({}, true)
  self.eof = true
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
  if self.closed or code == -1 then
    self.closed = true
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
    self.closed = true
  elseif not sent and code < 200 then
    -- nginx ends the request, but has no page for this status.
    self.closed, self.unanswered = true, true
  elseif not sent then
    self:send_page(code)
  end
  return false
end


--- Breaks off the body.
function Server:break_off()
  self.broken = not self.complete
end


--- `ngx.timer.at` and `ngx.timer.every`. A test does not wait: the callback runs when code sleeps,
-- when the test moves the clock, or after the request.
function Server:add_timer(delay, interval, callback, ...)
  self.worker:add_timer(delay, interval, callback, ...)
end


--- Is called if a timer has failed.
function Server:timer_failed(err) -- luacheck: no unused args
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
