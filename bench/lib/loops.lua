--- Runs the hot loops of a worker.

local _M = {}


local ACCEPT = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
_M.ACCEPT = ACCEPT


local function ask(side, count, query)
  local spent, called = side:batch(count, "/loop?" .. query, ACCEPT, "/spent")
                        :match("^(%-?%d+) (%d+)$")
  return tonumber(spent) / tonumber(called)
end


--- Nanoseconds per call of the loop `name`, which decides the number of requests and calls.
function _M.measure(side, name)
  side.counts = side.counts or {}
  local count = side.counts[name]
  if not count then
    count = tonumber(side:ask("/count?case=" .. name))
    side.counts[name] = count
  end
  return ask(side, count, "case=" .. name)
end


--- Nanoseconds per call of the loop `name` for the size `n`.
function _M.measure_size(side, name, n, count, calls)
  return ask(side, count, ("case=%s&n=%d&calls=%d"):format(name, n, calls))
end


return _M
