--- Runs the cases of `peer_cases` in nginx: `?case=` is the number, and `?side=` the library or the
-- plain Lua.

local cases = require "spec.support.peer_cases"

local sides = { ours = require "kong.response", peer = require "bench.peer.response" }
local BITS = require("kong.response.core").phases

local _M = {}


local function run(phase)
  local case = cases[tonumber(ngx.var.arg_case)]
  ngx.ctx.KONG_PHASE = BITS[phase]
  if case.phase ~= phase then
    return
  end
  local noted = {}
  case.run(sides[ngx.var.arg_side], function(...)
    for i = 1, select("#", ...) do
      noted[#noted + 1] = tostring((select(i, ...)))
    end
  end)
  return table.concat(noted, " | ")
end


function _M.access()
  run("access")
end


function _M.content()
  ngx.print("one, ")
  ngx.print("two")
end


function _M.header_filter()
  -- The body filter below does this.
  ngx.ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true
  local noted = run("header_filter")
  -- These cases do not test Content-Length.
  if not ngx.ctx.KONG_EXITED then
    ngx.header["Content-Length"] = nil
  end
  if noted and noted ~= "" then
    ngx.header["X-Noted"] = noted
  end
end


function _M.body_filter()
  run("body_filter")
  local body = ngx.ctx.response_body
  if body then
    ngx.arg[2] = true
    ngx.arg[1] = body
  end
end


return _M
