--- Clients that hang up while their body is buffered: how long that keeps the worker busy, so that
-- other requests wait. It is the worker's CPU time, which excludes what else the machine does.

local nginx = require "spec.support.nginx"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local MB = 1048576
-- The upstream sends half of this, and then nothing.
local SIZE = 16 * MB
-- The client hangs up once the body filter has seen this many bytes. The client reads nothing, so
-- a body that is not buffered stops early.
local BUFFERED, PASSED = 7 * MB, MB / 4
-- nginx has cleaned up after this time.
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


--- The longest that one of `count` clients that hang up keeps the worker busy, in ms.
-- @tparam string name the side
-- @tparam number upstream the port that bodies come from
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
      -- Other requests use and free the pieces of the heap between two hang-ups.
      side:ask("/fragment?mb=" .. megabytes)
      longest = math.max(longest, hang_up(side, path, size))
    end
    side:check()
    return longest
  end)
end


return _M
