--- Calls the functions in any order, with likely and unlikely arguments, between the actions of a
-- server. It checks that errors are strings, that a failed call has changed nothing, and that the
-- client gets correct headers.

local server = require "fuzz.server"
local values = require "fuzz.values"


local NAMES = {
  "X-A", "x_a", "X-B", "Content-Type", "Content-Length", "content_length", "Transfer-Encoding",
  "Connection", "Location", "Last-Modified", "ETag", "Cache-Control", "WWW-Authenticate", "Server",
  "Set-Cookie", "grpc-status", "grpc-message", "X\r\nX-Evil", "", "caf\195\169",
}
local HEADER_VALUES = {
  "1", "", "text/html", "application/grpc", "application/json", "12", "-1", "a\r\nX-Evil: 1", "\0",
  "Thu, 01 Jan 1970 00:00:00 GMT", "/path", true, 5, 1e15, 0.1, {}, { "a", "b" }, { "", "1\n" },
  { "1", 2 },
}
local STATUSES = {
  200, 204, 304, 301, 400, 401, 404, 408, 444, 499, 500, 503, 599, 100, 99, 600, 200.9, "200",
}
local BODIES = { "body", "", "a\0b", { message = "m" }, {}, { 1, 2 }, { [true] = 1 } }
local HEADER_TABLES = {
  {}, { ["X-A"] = "1", x_a = { "2", "3" } }, { ["Content-Length"] = "3" },
  { ["Content-Type"] = "a/b" }, { ["Content-Length"] = "x" }, { [1] = "x" },
  { ["Transfer-Encoding"] = "chunked" }, { ["content_type"] = "application/grpc" },
  { ["X\r\nY"] = "a\r\nb" },
}
local STAGES = {
  "rewrite", "access", "content", "balancer", "header_filter", "body_filter", "log", "set", "init",
  "init_worker", "timer", "ssl_cert", "server_rewrite",
}
local PHASES = {
  0x1, 0x10, 0x20, 0x40, 0x80, 0x200, 0x400, 0x2000, 0x1000000, 0x10000000, 0, 0x60, -1, 0.5, 1e300,
}
local UPSTREAM = {
  { "Content-Type", "text/html; charset=utf-8" }, { "Content-Length", "5" }, { "X_Foo", "1" },
  { "Set-Cookie", "a=1" }, { "Set-Cookie", "b=2" }, { "Transfer-Encoding", "chunked" },
  { "Location", "/x" }, { "ETag", '"e"' }, { "Last-Modified", "soon" },
  { "WWW-Authenticate", "Basic" },
}


local function type_in(...)
  local allowed = { ... }
  return function(value)
    for i = 1, #allowed do
      if type(value) == allowed[i] then
        return true
      end
    end
    return false
  end
end


local nothing = type_in("nil")
local SOURCES = { error = true, exit = true, service = true }

local RESULTS = {
  get_status = type_in("number"),
  get_header = type_in("nil", "string"),
  get_headers = type_in("table"),
  get_source = function(source) return SOURCES[source] end,
  set_status = nothing,
  set_header = nothing,
  add_header = nothing,
  clear_header = nothing,
  set_headers = nothing,
  get_raw_body = type_in("nil", "string"),
  set_raw_body = nothing,
}


local Run = {}
Run.__index = Run


local function check_error(name, err)
  if type(err) ~= "string" or err:find("internal error", 1, true) then
    error(("%s failed with what is none for users: %s"):format(name, tostring(err)), 0)
  end
end


--- Calls a function of the library, or of a server.
function Run:call(name, f, ...)
  local input = self.input
  local before, harm = self.server:state(), input.harm
  local running = coroutine.create(f)
  input.calling = true
  local ok, result = coroutine.resume(running, ...)
  input.calling = false
  if not ok then
    -- Like nginx, the server raises the error of a `__tostring`, and keeps the headers of a list
    -- that it has set before.
    if not self.server.response[name] and name ~= "callback" then
      return false
    end
    check_error(name, result)
    -- Code of the arguments may change the request. The call itself has not done that.
    if harm == input.harm then
      assert(before == self.server:state(),
        name .. " failed, and has changed something: " .. tostring(result))
    end
  elseif coroutine.status(running) == "dead" and RESULTS[name] then
    assert(RESULTS[name](result), name .. " returned " .. tostring(result))
  end
  return ok
end


function Run:respond(name, ...)
  return self:call(name, self.server.response[name], ...)
end


function Run:headers()
  return self.input:likely(HEADER_TABLES)
end


function Run:name()
  return self.input:likely(NAMES)
end


--- Checks that each line that nginx sends is one header, and that only one header frames the body.
function Run:check_wire(fields)
  local lengths, codings = 0, 0
  for i = 1, #fields do
    local name, value = fields[i][1], fields[i][2]
    assert(name:find("^[%w!#$%%&'*+.^_`|~-]+$"), "a name on the wire: " .. ("%q"):format(name))
    assert(not value:find("[%z\1-\8\10-\31\127]"), "a value on the wire: " .. ("%q"):format(value))
    name = name:lower()
    lengths = lengths + (name == "content-length" and 1 or 0)
    codings = codings + (name == "transfer-encoding" and 1 or 0)
  end
  assert(lengths + codings <= 1 or self.length_before_upstream,
    ("%d Content-Length and %d Transfer-Encoding"):format(lengths, codings))
end


function Run:finish()
  local host = self.server.host
  if not host:headers_sent() then
    self:check_wire((host:finish_head()))
  end
end


-- The functions, by the first byte of a step. The library's functions occur several times, so that
-- they are called often.
local STEPS = {}

local function step(times, work)
  for _ = 1, times do
    STEPS[#STEPS + 1] = work
  end
end

step(1, function(run) run:respond("get_status") end)
step(2, function(run) run:respond("get_header", run:name()) end)
step(2, function(run) run:respond("get_headers", run.input:likely { nil, 1, 1000, 2, 0, 1001 }) end)
step(1, function(run) run:respond("get_source", run.input:likely { nil, {}, run.server.ctx }) end)
step(1, function(run) run:respond("set_status", run.input:likely(STATUSES)) end)
step(4, function(run)
  run:respond("set_header", run:name(), run.input:likely(HEADER_VALUES))
end)
step(4, function(run)
  run:respond("add_header", run:name(), run.input:likely(HEADER_VALUES))
end)
step(2, function(run) run:respond("clear_header", run:name()) end)
step(3, function(run) run:respond("set_headers", run:headers()) end)
step(3, function(run) run:respond("get_raw_body") end)
step(2, function(run) run:respond("set_raw_body", run.input:likely { "new", "", "a\0" }) end)
step(4, function(run)
  run:respond("exit", run.input:likely(STATUSES), run.input:likely(BODIES), run:headers())
end)
step(3, function(run)
  run:respond("error", run.input:likely(STATUSES), run.input:likely { nil, "m", "<b>", { 1 } },
    run:headers())
end)

-- The actions of a gateway.
step(2, function(run)
  local ctx = run.server.ctx
  local send = type(ctx) == "table" and rawget(ctx, "delayed_response_callback")
  if type(send) == "function" then
    run:call("callback", send, run.input:likely { ctx, nil, {}, { delayed_response = {} } })
  end
end)
step(3, function(run)
  local ctx = run.server.ctx
  if type(ctx) == "table" then
    rawset(ctx, "KONG_PHASE", run.input:likely(PHASES))
  end
end)
step(2, function(run)
  local ctx, input = run.server.ctx, run.input
  if type(ctx) == "table" then
    local field = input:pick {
      "delay_response", "delayed_response", "KONG_PROXIED", "KONG_UNEXPECTED", "KONG_EXITED",
      "response_body",
    }
    rawset(ctx, field, input:likely { nil, true, { status_code = 200, content = "later" } })
  end
end)
step(1, function(run) run.server.ctx = run.input:likely { {}, {}, {} } end)
step(1, function(run)
  rawset(_G, "kong", run.input:likely { nil, {}, { ctx = {} }, { ctx = {} } })
end)
step(1, function(run)
  local limit = run.input:likely { 1, 100, 0 }
  rawset(_G, "kong", { ctx = {}, configuration = { lua_max_resp_headers = limit } })
end)

-- The actions of nginx.
step(5, function(run) run.server.host:set_phase(run.input:pick(STAGES)) end)
step(1, function(run)
  -- Unlike in nginx, an upstream may answer after the content phase here. Then the Content-Length
  -- that was set there stays, but only the upstream's own one decides whether the body is chunked.
  run.length_before_upstream = run.length_before_upstream
                               or run.server.host:get_header("Content-Length") ~= nil
  local headers = {}
  for _ = 1, run.input:below(5) do
    headers[#headers + 1] = run.input:pick(UPSTREAM)
  end
  run.server.host:upstream(run.input:pick { 200, 204, 304, 404, 500 }, headers)
end)
step(3, function(run)
  local host, input = run.server.host, run.input
  host:set_phase("body_filter")
  run:call("set_chunk", host.set_chunk, host, input:likely { "chunk", "", {}, { "in ", "two" } },
    input:likely { true, false })
end)
step(2, function(run)
  local host, input = run.server.host, run.input
  run:call("set_arg", host.set_arg, host, input:likely { 1, 2 },
    input:likely { "x", "", true, false, 1, { "a", { "b", 1 } } })
end)
step(1, function(run)
  local host, input = run.server.host, run.input
  local name = input:likely { "X-A", "Content-Type", "Content-Length", "Link", "Connection" }
  -- The library cannot correct what a plugin writes directly to `ngx`.
  if type(name) == "string" and not name:lower():find("^transfer.encoding$") then
    run:call("ngx.header", host.set_header, host, name, input:likely(HEADER_VALUES))
  end
end)
step(1, function(run) run.server.host:start_output(run.input:pick { false, 5 } or nil) end)
step(1, function(run) run.server.host:special_response(run.input:pick { 404, 500, 304, 418 }) end)
step(1, function(run) run.server.host:clean_head() end)
step(1, function(run) run.server.host:abort() end)
step(1, function(run) run:finish() end)
step(1, function(run) run.server.host:take_log() end)


local REQUESTS = {
  { method = "GET" },
  { method = "HEAD" },
  { method = "POST", http_version = 1.0 },
  { http_version = 2, headers = { { "Content-Type", "application/grpc" } } },
  { headers = { { "Accept", "text/html" }, { "Accept", "*/*;q=0.1" } } },
  { http_version = 0.9, headers = { { "Connection", "close" } } },
  { headers = { { "Accept", "application/xml" } }, variables = { request_method = "HEAD" } },
  { www_authenticate_repeats = false, default_type = "" },
}


--- Returns options for `kong.response.instance`. Some of their functions are hostile.
local function options(input)
  local chosen = {}
  if input:below(3) == 1 then
    chosen.log = input:below(2) == 0 and function() end or input:trap(10)
  end
  if input:below(3) == 1 then
    chosen.request_id = input:trap(10)
  end
  if input:below(6) == 1 then
    chosen.error_templates = { json = "/nonexistent" }
  end
  if input:below(6) == 1 then
    chosen.worker_events = { poll = input:trap(10) }
  end
  return chosen
end


--- @tparam string bytes the request, the options, then steps
local function check(bytes)
  local input = values.open(bytes)
  local run = setmetatable({ input = input }, Run)
  run.server = server.open(input:pick(REQUESTS), options(input))
  input.again = function()
    local response = run.server.response
    pcall(response.set_header, "X-Again", "1")
    pcall(response.get_headers)
    pcall(response.exit, 200, "again")
  end
  rawset(_G, "kong", nil)
  local count = 0
  while input:more() and count < 60 do
    count = count + 1
    input:pick(STEPS)(run)
  end
  rawset(_G, "kong", nil)
  run:finish()
end


return { check = check }
