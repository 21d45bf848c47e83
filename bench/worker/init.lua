--- What a worker that is measured runs; `start(side, jit_on)` in init_by_lua.

local _M = {}

local HEADER_FILTER, BODY_FILTER = 0x200, 0x400

local calls, clock
local spent, called = 0, 0


function _M.start(side, jit_on)
  if not jit_on then
    jit.off()
  end
  kong = { ctx = {} }
  kong.response = require(side == "peer" and "bench.peer.response" or "kong.response")
  clock = require "bench.worker.clock"
  calls = require "bench.worker.calls"
end


local function measure(case)
  case.prepare()
  local n, run = case.calls, case.run
  local before = clock()
  local start = clock()
  run(n)
  local stop = clock()
  -- The first two readings say what reading the clock costs.
  spent = spent + (stop - start) - (start - before)
  called = called + n
end


function _M.header_filter()
  ngx.ctx.KONG_PHASE = HEADER_FILTER
  local case = calls[ngx.var.arg_case]
  if not case.phase then
    measure(case)
  end
end


function _M.body_filter()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = BODY_FILTER
  local case = calls[ngx.var.arg_case]
  if case.phase and not ctx.measured then
    ctx.measured = true
    measure(case)
    -- What is left in the buffer of the body goes with the request.
    ngx.arg[1], ngx.arg[2] = "done", true
  elseif ctx.response_body then
    ngx.arg[2] = true
    ngx.arg[1] = ctx.response_body
    ctx.response_body = ""
  end
end


local function reply(text)
  ngx.header.content_length = #text
  ngx.print(text)
end


--- Answers with the nanoseconds and the calls since it was asked last.
function _M.spent()
  reply(("%.0f %.0f"):format(spent, called))
  spent, called = 0, 0
end


function _M.loops()
  reply(tostring(calls[ngx.var.arg_case].requests))
end


return _M
