--- Runs a request through its phases, like a gateway.

local body_files = require "kong.response.testing.ngx.body_files"
local buffering = require "kong.response.lifecycle.buffering"
local fields = require "kong.response.testing.fields"
local forwarded = require "kong.response.testing.forwarded"
local for_upstream = require("kong.response.testing.ngx.request").for_upstream
local tries = require "kong.response.pdk.tries"


local concat = table.concat
local milliseconds = require("kong.response.testing.clock").milliseconds


local ERR = 4


local function while_returned(outcome)
  return outcome == "returned"
end


-- Runs code of the gateway that answers the request.
local function answer(session, code, ...)
  local outcome, err = session:call(code, ...)
  if outcome == "failed" then
    session:failed(err)
    session.ngx.ctx.KONG_UNEXPECTED = true
    if session.host:headers_sent() then
      session:break_off()
    else
      session:send_page(500)
    end
  elseif outcome == "exited" then
    session:finish_exit()
  elseif session.host:headers_sent() then
    session:finish()
  end
end


-- Answers with the gateway's error document for a status.
local function answer_error(session, status)
  local ctx = session.ngx.ctx
  ctx.KONG_UNEXPECTED = true
  ctx.delay_response = nil
  if session.host:headers_sent() or session.closed then
    session:break_off()
    return
  end
  local exited = ctx.KONG_EXITED
  local leave = session:enter "error"
  answer(session, session.functions.error, status)
  leave()
  ctx.KONG_EXITED = exited
end


-- Runs a phase in which `exit` ends the request.
-- @treturn boolean whether the request continues with the next phase
local function run_direct(session, phase)
  local leave = session:enter(phase)
  local ctx = session.ngx.ctx
  if phase == "rewrite" then
    ctx.KONG_REWRITE_START = milliseconds()
    session.requests.rewrite(ctx)
  end
  local outcome = session:handlers(phase, while_returned)
  if phase == "rewrite" then
    ctx = session.ngx.ctx
    ctx.KONG_REWRITE_ENDED_AT = milliseconds()
    ctx.KONG_REWRITE_TIME = ctx.KONG_REWRITE_ENDED_AT - (ctx.KONG_REWRITE_START or 0)
  end
  local goes_on = not outcome
  if outcome == "exited" then
    goes_on = session:finish_exit()
  elseif outcome == "failed" then
    answer_error(session, 500)
  elseif session:has_printed() then
    session:finish()
    goes_on = false
  end
  leave()
  return goes_on
end


-- Sends a response that a plugin has stored in `ctx.delayed_response` itself.
local function send_stored(ctx, session)
  local stored = ctx.delayed_response
  if session.strict then
    session.strict:before_call("exit", stored.status_code, stored.content, stored.headers)
  end
  session.functions.exit(stored.status_code, stored.content, stored.headers)
end


-- Runs access. In this phase, `exit` only stores the response, and the gateway sends it after the
-- handlers.
local function run_access(session)
  local leave = session:enter "access"
  local ctx = session.ngx.ctx
  session.requests.access(ctx)
  forwarded.start(session)
  ctx.delay_response = true

  local outcome = session:handlers("access", function(outcome)
    return outcome ~= "exited" and outcome ~= "failed" and not session.ngx.ctx.delayed_response
  end)
  ctx = session.ngx.ctx
  ctx.delay_response = nil

  local goes_on = false
  if outcome == "failed" then
    answer_error(session, 500)
  elseif ctx.delayed_response then
    answer(session, ctx.delayed_response_callback or send_stored, ctx, session)
  elseif outcome == "exited" then
    goes_on = session:finish_exit()
  elseif session:has_printed() then
    session:finish()
  else
    goes_on = true
  end
  leave()
  return goes_on
end


local function has_handler(session, phase)
  for i = 1, #session.plugins do
    if session.plugins[i].plugin[phase] then
      return true
    end
  end
  return false
end


-- Sends the upstream's answer to the client, chunk by chunk.
local function send_answer(session)
  local upstream = session.upstream
  if session:send_head() then
    for i = 1, #upstream.chunks do
      session:output({ upstream.chunks[i] }, false, upstream.flush)
    end
    if upstream.cut_off then
      -- nginx sends the data that it has. The end of the body never comes.
      session:output({}, false, "always")
      session:break_off()
    else
      session:output({}, true)
    end
  end
end


-- Records the request to the upstream. Returns the failure of the upstream, or nil.
local function ask(session)
  session.upstream_called = true
  body_files.read_by_nginx(session.request)
  local sent = for_upstream(session.request, session.request.variables)
  if not session.life then
    forwarded.apply(session, sent)
  end
  local target = session.ngx.ctx.balancer_data
  if target then
    sent.host, sent.port = target.host, target.port
    -- The kit resolves no names, and tries a server once.
    target.tries = { tries.new(session.ngx, "127.0.0.1", target.port or 80) }
  end
  session.upstream_request = sent
  if session.upstream.failure then
    session:write_log(ERR, session.upstream.failure.log)
  end
  return session.upstream.failure
end


local function proxy(session)
  local upstream, ctx = session.upstream, session.ngx.ctx
  session.requests.proxy(ctx)
  ctx.KONG_PROXIED = true
  session.waits = (has_handler(session, "response") or ctx.buffered_proxying or false)
                  and buffering.is_possible()
  ctx.buffered_proxying = session.waits or nil
  local failure = ask(session)
  if failure and (session.waits or not upstream.cut_off) then
    return answer_error(session, failure.status)
  end

  session.answered = true
  if session.waits then
    ctx.buffered_status = upstream.status
    ctx.buffered_headers = fields.by_name(upstream.headers)
    ctx.buffered_body = session.request.method ~= "HEAD" and concat(upstream.chunks) or ""
  end
  session.host:upstream(upstream.status, upstream.headers)

  if session.waits then
    if run_direct(session, "response") then
      answer(session, function()
        session:print(concat(upstream.chunks))
      end)
    end
    return
  end

  send_answer(session)
end


local _M = {
  ask = ask,
  send_answer = send_answer,
}


--- Runs a session's request through all phases.
function _M.run(session)
  if run_direct(session, "rewrite") and run_access(session) then
    proxy(session)
  end
  local leave = session:enter "log"
  session.ngx.ctx.KONG_LOG_START = milliseconds()
  session:handlers("log", function(outcome)
    return outcome ~= "failed"
  end)
  leave()
end


return _M
