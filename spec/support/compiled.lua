--- Tells whether LuaJIT compiles an expression. A worker of nginx loads this file.
--
-- LuaJIT counts how often code runs in 64 counters, and the address of the code chooses the
-- counter. So chance decides where a trace begins, and whether it closes the loop. Each attempt has
-- a new loop at a new address, and resets the counters.

local util = require "jit.util"
local vmdef = require "jit.vmdef"


local ATTEMPTS = 5
local LOOP = "for _ = 1, 2000 do local _ = %s end"


--- Runs the expression in a loop.
-- @treturn boolean whether LuaJIT compiled the whole loop. If it cannot compile a call, it aborts
--   the trace, or the trace returns to the interpreter.
-- @treturn string the reasons for which LuaJIT aborted traces
local function attempt(expression)
  local loop = assert(loadstring(LOOP:format(expression)))
  local is_loop, aborts = false, {}
  local function watch(what, trace, func, _, code, info)
    if what == "stop" and util.traceinfo(trace).linktype == "loop" then
      is_loop = true
    elseif what == "abort" then
      aborts[#aborts + 1] = vmdef.traceerr[code]:format(tostring(info)) .. " in "
                            .. tostring(util.funcinfo(func).loc)
    end
  end
  jit.flush()
  -- Resets the counters.
  jit.off()
  jit.on()
  jit.attach(watch, "trace")
  loop()
  jit.attach(watch)
  return is_loop, table.concat(aborts, "\n")
end


local _M = {}


--- Returns "compiled", or "not compiled" and the reasons of the last attempt, each on its line.
-- @tparam string expression Lua that sees the globals
function _M.result(expression)
  local is_loop, reasons
  for _ = 1, ATTEMPTS do
    is_loop, reasons = attempt(expression)
    if is_loop then
      return "compiled"
    end
  end
  return "not compiled\n" .. reasons
end


return _M
