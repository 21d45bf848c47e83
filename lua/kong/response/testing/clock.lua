--- The time of a test. It moves only if the test moves it, or if code sleeps.

local os_time = os.time


local _M = {}


-- The time of the running test or the last one; nil before the first test.
local time


--- Sets the clock.
-- @tparam ?number seconds since 1970; by default the time of the system
function _M.set(seconds)
  time = seconds or os_time()
end


--- Returns the time, in seconds since 1970.
function _M.now()
  return time or os_time()
end


--- Returns the time in milliseconds, as the fields of `ngx.ctx` have it.
function _M.milliseconds()
  return _M.now() * 1000
end


--- Moves the clock by a number of seconds.
function _M.move(seconds)
  time = _M.now() + seconds
end


return _M
