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


--- Nanoseconds per call of the loop `name`.
function _M.measure(side, name)
  side.counts = side.counts or {}
  local count = side.counts[name]
  if not count then
    count = tonumber(side:ask("/count?case=" .. name))
    side.counts[name] = count
  end
  local spent, called = side:batch(count, "/loop?case=" .. name, ACCEPT, "/spent")
                        :match("^(%d+) (%d+)$")
  return tonumber(spent) / tonumber(called)
end


return _M
