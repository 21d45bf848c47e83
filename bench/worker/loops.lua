--- Runs the hot loops of `calls.lua` and `json.lua` in the header filter or the body filter of a
-- request, and adds up their cost.

local calls = require "bench.worker.calls"
local clock = require "bench.worker.clock"
local reply = require("bench.worker.init").reply

local ngx = ngx
local response = kong.response


local HEADER_FILTER, BODY_FILTER = 0x200, 0x400

local _M = {}

local cases = {}
local spent, called = 0, 0

for _, group in ipairs { calls, require "bench.worker.json",
                              require "bench.worker.growth" } do
  for name, case in pairs(group) do
    cases[name] = case
  end
end


local function measure(case)
  local args = ngx.req.get_uri_args()
  local size = tonumber(args.n)
  case.prepare(size)
  local n, run = case.calls or tonumber(args.calls), case.run
  local before = clock()
  local start = clock()
  run(n, size)
  local stop = clock()
  -- The first two readings give the cost of reading the clock.
  spent = spent + (stop - start) - (start - before)
  called = called + n
end


function _M.header_filter()
  ngx.ctx.KONG_PHASE = HEADER_FILTER
  local case = cases[ngx.var.arg_case]
  if not case.phase then
    measure(case)
  end
end


function _M.body_filter()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = BODY_FILTER
  local case = cases[ngx.var.arg_case]
  if case.phase and not ctx.measured then
    ctx.measured = true
    measure(case)
    -- The request frees the rest of the buffered body.
    ngx.arg[1], ngx.arg[2] = "done", true
  elseif ctx.response_body then
    ngx.arg[2] = true
    ngx.arg[1] = ctx.response_body
    ctx.response_body = ""
  end
end


--- Collects a body and sends it. Adds up only the time in these two functions.
function _M.body()
  local ctx = ngx.ctx
  ctx.KONG_PHASE = BODY_FILTER
  local before = clock()
  local start = clock()
  local body = response.get_raw_body()
  if body then
    response.set_raw_body(body)
    called = called + 1
  end
  local stop = clock()
  spent = spent + (stop - start) - (start - before)
end


--- Answers with the nanoseconds and the number of calls since the last request to it.
function _M.spent()
  reply(("%.0f %.0f"):format(spent, called))
  -- Collect the garbage of this loop before the next one.
  collectgarbage()
  spent, called = 0, 0
end


--- Answers with the number of requests for one measurement.
function _M.count()
  reply(tostring(cases[ngx.var.arg_case].requests))
end


return _M
