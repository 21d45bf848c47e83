--- Plays a sequence over the in-memory host: nginx's part of a request, in Lua.

local core = require "kong.response.core"
local play = require "spec.conformance.play"


local EXIT = {}

local REASONS = { LOG = 4 }


--- The binding of the functions to nginx, with a host in memory in nginx's place.
local function load_binding(name, core_of_host, ngx)
  local path = assert(package.searchpath(name, package.path))
  local env = setmetatable({ ngx = ngx }, { __index = _G })
  env._G = env
  local loaded = { ["kong.response.core"] = core_of_host }
  function env.require(module)
    if not loaded[module] then
      local own = module:find("^kong%.response%.") and module ~= "kong.response.json"
      loaded[module] = own and load_binding(module, core_of_host, ngx) or require(module)
    end
    return loaded[module]
  end
  return setfenv(assert(loadfile(path)), env)()
end


--- The `ngx` of a plugin, over whichever host is the current one.
local function make_ngx(at)
  local ngx = {
    config = { subsystem = "http" },
    ERR = REASONS.LOG,
    req = {},
    resp = {},
    header = setmetatable({}, {
      __index = function(_, name)
        return at.host:get_header(name)
      end,
      __newindex = function(_, name, value)
        at.host:set_header(name, value)
      end,
    }),
    arg = setmetatable({}, {
      __index = function(_, index)
        return at.host:get_arg(index)
      end,
      __newindex = function(_, index, value)
        at.host:set_arg(index, value)
      end,
    }),
    var = {},
  }

  function ngx.req.http_version()
    return at.sequence.request.version
  end

  function ngx.resp.get_headers(max, raw)
    return at.host:get_headers(max, raw)
  end

  function ngx.get_phase()
    return at.host:get_phase()
  end

  function ngx.print(text)
    at.server:print(text)
  end

  function ngx.exit(code)
    return at.server:exit(code)
  end

  return setmetatable(ngx, {
    __index = function(_, key)
      if key == "status" then
        return at.host:get_status()
      elseif key == "ctx" then
        return at.ctx
      end
    end,
    __newindex = function(_, key, value)
      assert(key == "status")
      at.host:set_status(value)
    end,
  })
end


local Server = {}
Server.__index = Server


function Server:phase(name)
  local before = self.host:get_phase()
  self.host:set_phase(name)
  self.player:phase(name)
  self.host:set_phase(before)
end


--- nginx's own page as it sends it: in two pieces.
function Server:send_page(page)
  local tail = page:find("<hr>", 1, true)
  self:send_chunk(tail and { page:sub(1, tail - 1), page:sub(tail) } or {}, true)
end


--- The header filters, and the head on its way.
function Server:send_head()
  local before = self.exited or 0
  self:phase("header_filter")
  if (self.exited or 0) == before then
    self.fields, self.body_allowed = self.host:finish_head()
    return
  end
  -- A filter that exits with another code than the phase before starts the response again, and
  -- nginx closes the connection after it.
  self.host:clean_head()
  local page = self.host:special_response(self.exited)
  self:send_head()
  self:send_page(page)
  self.aborted, self.restarted = true, true
end


--- The body filters with one chunk: pieces.
function Server:send_chunk(pieces, last)
  if not self.body_allowed then
    return
  end
  local host = self.host
  if host:body_ended() then
    -- nginx drops it, and leaves the phase at body_filter.
    host:set_phase("body_filter")
    return
  end
  host:set_chunk(pieces, last)
  self:phase("body_filter")
  local bytes, ended = host:get_chunk()
  self.body[#self.body + 1] = bytes
  self.complete = self.complete or ended
end


local PRINT = { rewrite = true, access = true, content = true }
local LEAVE = {
  rewrite = true, access = true, content = true, balancer = true, header_filter = true,
}


function Server:check_phase(allowed)
  local phase = self.host:get_phase()
  if not allowed[phase] then
    error("API disabled in the context of " .. phase .. "_by_lua*", 3)
  end
  return phase
end


function Server:print(text)
  self:check_phase(PRINT)
  if self.eof then
    return
  end
  local host = self.host
  if not host:headers_sent() and not self.buffered then
    local request = self.sequence.request
    if request.version < 1.1 and request.method ~= "HEAD" and text ~= ""
      and host:get_header("Content-Length") == nil
    then
      self.buffered = {}
      host:start_output()
    else
      host:start_output()
      self:send_head()
      if self.aborted then
        return
      end
      self.eof = not self.body_allowed
    end
  end
  if text == "" or self.eof then
    return
  elseif self.buffered then
    self.buffered[#self.buffered + 1] = text
  else
    self:send_chunk({ text }, false)
  end
end


--- The end of what Lua prints.
function Server:finish()
  if self.eof then
    return
  end
  local host, buffered = self.host, self.buffered
  if not host:headers_sent() then
    local length = 0
    for _, text in ipairs(buffered or {}) do
      length = length + #text
    end
    local is_old = self.sequence.request.version < 1.1
    local is_unknown = buffered or not host:get_header("Content-Length")
    host:start_output(is_old and is_unknown and length or nil)
    self:send_head()
    if self.aborted then
      return
    end
    if not self.body_allowed and self.sequence.request.method ~= "HEAD" then
      -- nginx sends what it has kept for HTTP/1.0 whatever the status.
      self.body = buffered or {}
    elseif buffered and #buffered > 0 then
      self:send_chunk(buffered, false)
    end
  end
  self.buffered = nil
  self:send_chunk({}, true)
  self.eof = true
end


function Server:exit(code)
  local phase = self:check_phase(LEAVE)
  if phase == "header_filter" or phase == "balancer" then
    self.exited = code
    return
  end
  coroutine.yield(EXIT, code)
end


--- What becomes of the request when Lua code has exited with `code`. Says whether it is over.
function Server:end_with(code, in_content)
  local host = self.host
  if host:headers_sent() and code >= 300 and code ~= 408 and code ~= 499 and code ~= 444 then
    code = 200
  end
  self.exited = code
  if self.aborted and code > 0 and not in_content then
    -- Then the request ends in order.
    self.aborted = false
  end
  if not host:headers_sent() and host:get_status() == 0 and code >= 200 then
    host:set_status(code)
  end
  local closes = code == 408 or code == 499 or code == 444
  if self.buffered and host:get_status() ~= 0 and not closes then
    self:finish()
    return true
  end
  if code == 0 and in_content or code >= 200 and code < 300 and code ~= 204 then
    self:finish()
    return true
  elseif code == 0 then
    return false
  end
  if closes then
    self.closed = true
  elseif not host:headers_sent() then
    local page = host:special_response(code)
    self:send_head()
    if self.aborted then
      return true
    end
    self:send_page(page)
  end
  return true
end


--- Runs a phase whose code may exit. Says whether the request is over.
function Server:active(name)
  self.host:set_phase(name)
  self.exited = nil
  local thread = coroutine.create(function()
    self.player:phase(name)
  end)
  local ok, exit, code = coroutine.resume(thread)
  if not ok then
    error(debug.traceback(thread, exit), 0)
  end
  if exit == EXIT then
    return self:end_with(code, name == "content")
  end
end


function Server:proxy()
  local host, upstream = self.host, self.sequence.upstream
  if self.sequence.balancer then
    self.exited = nil
    self:phase "balancer"
    if self.exited and self.exited ~= 0 then
      -- Whatever it exits with, nginx has found no server.
      local page = host:special_response(500)
      self:send_head()
      if not self.aborted then
        self:send_page(page)
      end
      return
    end
  end
  host:upstream(upstream.status, upstream.headers)
  host:set_phase("content")
  self:send_head()
  if self.aborted then
    return
  end
  local body = upstream.body
  if self.sequence.request.method == "HEAD" then
    body = ""
  end
  if body ~= "" then
    self:send_chunk({ body }, false)
  end
  self:send_chunk({}, true)
end


function Server:run()
  local over = self:active("rewrite") or self:active("access")
  if not over then
    if self.sequence.upstream then
      self:proxy()
    else
      if not self:active("content") then
        self:finish()
      end
    end
  end
  if self.aborted or self.closed then
    self.host:abort()
  end
  self:phase("log")
end


local at = {}
local ngx = make_ngx(at)
local instance = load_binding("kong.response.instance", setmetatable({
  nginx = function(given, services)
    return core.memory(at.host, given, services)
  end,
}, { __index = core }), ngx)


--- Plays a sequence. Returns what was written down, and the response:
-- { closed = true } or { status, headers, body, complete, close }.
local function run(sequence)
  local request = sequence.request
  at.sequence = sequence
  at.ctx = {}
  at.host = core.memory_host {
    method = request.method,
    http_version = request.version,
    headers = request.headers,
    www_authenticate_repeats = false,
  }
  local server = setmetatable({ host = at.host, sequence = sequence, body = {} }, Server)
  at.server = server
  server.player = play.new(sequence, ngx, instance.new)
  function server.player.before_yield()
    -- A header filter has exited: nginx takes that for the exit of the phase that printed.
    -- Filters have coroutines that are not the scheduler's.
    local phase = at.host:get_phase()
    if server.exited and phase ~= "header_filter" and phase ~= "body_filter" then
      coroutine.yield(EXIT, server.exited)
    end
  end
  server:run()
  local notes = table.concat(server.player.notes, "\n")
  if server.closed then
    return notes, { closed = true }
  end
  local response = {
    status = at.host:get_status(),
    headers = server.fields,
    body = table.concat(server.body),
    complete = server.complete or not server.body_allowed,
    restarted = server.restarted,
    no_body = not server.body_allowed and #server.body == 0,
  }
  return notes, response
end


return { run = run }
