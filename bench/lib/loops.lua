--- Asks a worker for its hot loops.

local _M = {}


_M.LOCATIONS = [[
# The id is there already: to make one costs nginx 10 µs.
set $bench_request_id $request_id;
location = /spent { content_by_lua_block { require("bench.worker.loops").spent() } }
location = /count { content_by_lua_block { require("bench.worker.loops").count() } }
location = /loop {
  content_by_lua_block { ngx.print("ok") }
  header_filter_by_lua_block { require("bench.worker.loops").header_filter() }
  body_filter_by_lua_block { require("bench.worker.loops").body_filter() }
}
]]

local ACCEPT = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
_M.ACCEPT = ACCEPT


local function ask(side, count, query)
  local spent, called = side:batch(count, "/loop?" .. query, ACCEPT, "/spent")
                        :match("^(%-?%d+) (%d+)$")
  return tonumber(spent) / tonumber(called)
end


--- Nanoseconds per call of the loop `name`, in as many requests and calls as it wants.
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
