--- nginx's part of a request in memory: what becomes of what Lua code prints, exits with, filters.
-- Who runs the code of the phases puts that on top: a gateway (`session.lua`), or a test.

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

-- nginx closes the connection, and answers nothing.
local CLOSES = { [408] = true, [444] = true, [499] = true }

-- Phases whose code nginx's scheduler runs: elsewhere it cannot yield.
local YIELDS = { rewrite = true, access = true, content = true, timer = true }


-- The fields of a server:
--   host          the request and response in memory
--   request       `method`, `http_version`
--   log           what was logged
--   chunks        what was sent of the body
--   headers       the head as it was sent, nil before that; `status` with it
--   body_allowed  whether a body goes with that head
--   chunked       in chunks
--   unmodified    nginx has made a 304 of it, because the client has the body already
--   exited        what Lua code has exited with
--   leaves        it has done so where that ends the phase
--   buffered      what was printed for a client of HTTP/1.0, which is told the length
--   tells_length  such a client is told the length
--   eof           no more of the body is taken
--   complete      the end of the body was sent
--   broken        it never will be: a filter has failed, or the upstream
--   closed        the connection was closed, mostly without an answer; `unanswered`: nginx leaves
--                 it open, and the client waits for one
--   leaves_filter the Lua module leaves the body filter's phase behind the end of the body
--   restores_ctx  the Lua module restores `ngx.ctx` after a 412 of nginx's own
--   aborted       the connection is closed behind the answer; `restarted`: because a filter has
--                 begun the response again
local Server = {}
Server.__index = Server


--- The functions of `kong.response` with these options, for this request.
-- @tparam table options the same table gives the same functions
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


--- Runs the header filters. What it returns says whether they worked.
function Server:filter_head() -- luacheck: no unused args
  return true
end


--- The head was sent.
function Server:head_sent() -- luacheck: no unused args
end


--- Runs the body filters on the chunk that the host is at, which may be the last one.
function Server:filter_body(is_last) -- luacheck: no unused args
  return true
end


--- The body filters have run; see `Strict:after_chunk`.
function Server:chunk_filtered(pieces, is_last, sent, ended) -- luacheck: no unused args
end


--- A body was given where none is sent.
function Server:body_refused() -- luacheck: no unused args
end


--- Whether code of the phase that yields is never resumed.
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
-- @treturn string `returned`, `exited`, `yielded` (and stays so) or `failed`
-- @return what it raised
function Server:call(code, ...)
  local outer = self.leaves
  self.leaves = false
  local outcome, value = run_in_phase(self, code, ...)
  -- A coroutine made by Lua's own functions has swallowed the exit: nothing could stop the code,
  -- but how it ended counts for nothing.
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


--- Sends the head, unless it was sent.
-- @treturn boolean whether there is one, and the request goes on
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
  -- nginx ends the connection where the head does not pass, and on `ngx.exit(ngx.ERROR)`.
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
  -- A header filter has exited with another code than the phase before it.
  return self:begin_again(self.exited)
end


--- Puts another table in the place of `ngx.ctx`. Returns the one before.
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


--- nginx answers 412 by itself. It forgets the context of its modules, and `ngx.ctx` with it. Newer
-- versions of lua-nginx-module restore their context after that, but not where they tell a client
-- of HTTP/1.0 the length.
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


--- nginx begins the response again with its own page, and closes the connection behind that.
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


--- Hands a chunk of the body, in pieces, to the body filters.
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
    -- nginx drops it. Older versions of the Lua module do not leave the filter's phase.
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
  -- For the client, a chunked body ends with its first end.
  if sent ~= "" and not (self.complete and self.chunked) then
    self.chunks[#self.chunks + 1] = sent
  end
  self.complete = self.complete or ended
end


--- The body of nginx's own page, which nginx has in two pieces.
function Server:send_pages_body(page)
  local tail = find(page, "<hr>", 1, true)
  self:output(tail and { sub(page, 1, tail - 1), sub(page, tail) } or {}, true)
end


--- Answers with the page that nginx has for a status.
function Server:send_page(status)
  local page = self.host:special_response(status)
  if self:send_head() then
    self:send_pages_body(page)
  end
end


--- `ngx.print`
-- @treturn ?number 1, or nil
-- @treturn ?string why not
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


--- The end of what Lua code prints.
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
      -- nginx sends what it has kept for HTTP/1.0 whatever the status.
      self.chunks = buffered or {}
    elseif buffered and #buffered > 0 then
      self:output(buffered, false)
    end
  end
  self.buffered = nil
  self:output({}, true)
  self.eof = true
end


--- `ngx.exit`: ends the phase where it can be ended.
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


--- What becomes of the request when Lua code has exited.
-- @treturn boolean whether the request goes on with the next phase
function Server:finish_exit()
  local host, code = self.host, self.exited
  local in_content = host:get_phase() == "content"
  local sent = host:headers_sent()
  if self.aborted and code > 0 and not in_content then
    -- Then the connection is closed in order.
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
    -- nginx is done with the request, and has no page for that.
    self.closed, self.unanswered = true, true
  elseif not sent then
    self:send_page(code)
  end
  return false
end


--- The rest of the body never comes.
function Server:break_off()
  self.broken = not self.complete
end


--- `ngx.timer.at` and `ngx.timer.every`: no test waits, so the callback runs when the code sleeps,
-- when the test moves the clock, or behind the request.
function Server:add_timer(delay, interval, callback, ...)
  self.worker:add_timer(delay, interval, callback, ...)
end


--- A timer has failed.
function Server:timer_failed(err) -- luacheck: no unused args
end


--- Runs what timers are due.
-- @tparam table ngx its `ctx` is another one in a timer
-- @tparam function failed `failed(err)`
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


--- A server for a request.
-- @tparam table fields `host`, `request`, `log` and, if it is not a new one, `worker`
-- @tparam[opt] table class what overrides this one's methods
function _M.new(fields, class)
  fields.chunks = {}
  fields.worker = fields.worker or workers.new()
  fields.bound = {}
  return setmetatable(fields, class or Server)
end


return _M
