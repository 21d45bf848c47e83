--- Measures how long a worker is busy when a client hangs up while its body is buffered. Other
-- requests wait during that time. The figure is the worker's CPU time, which does not depend on
-- other programs.

local nginx = require "spec.support.nginx"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local MB = 1048576
-- The size of a body. The upstream sends half of it and then waits.
local SIZE = 16 * MB
-- The client hangs up when the body filter has seen this many bytes. The client reads nothing, so a
-- body that is not buffered stops early.
local BUFFERED, PASSED = 7 * MB, MB / 4
-- After this time, nginx has freed the request.
local SECONDS = 0.05

local _M = {}


local function hang_up(side, path, size)
  local client = side.nginx:connect()
  client:send("GET " .. path .. "?size=" .. SIZE .. " HTTP/1.1\r\nHost: localhost\r\n\r\n")
  assert(nginx.wait_until(30, function()
    return tonumber(side:ask("/seen")) >= size
  end), "the body does not arrive")
  side:ask("/cpu")
  client:close()
  nginx.sleep(SECONDS)
  return tonumber(side:ask("/cpu")) / 1e6
end


--- The longest time, in ms, that the worker is busy after one of `count` clients hangs up.
-- @tparam string name the side
-- @tparam number upstream the port of the upstream
-- @tparam boolean read whether the body is read, and so buffered
-- @tparam number megabytes the size of the worker's heap; a third of it is free
-- @tparam number count
function _M.longest(name, upstream, read, megabytes, count)
  return scope(function(keep)
    local side = keep(server.start(name, true, upstream))
    local path, size = "/stalled_empty", PASSED
    if read then
      path, size = "/stalled", BUFFERED
    end
    local longest = 0
    for _ = 1, count do
      -- Between two clients, other requests use and free parts of the heap.
      side:ask("/fragment?mb=" .. megabytes)
      longest = math.max(longest, hang_up(side, path, size))
    end
    side:check()
    return longest
  end)
end


return _M
