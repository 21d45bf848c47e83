--- The time of a test: it stands still unless a test moves it, or code sleeps.

local os_time = os.time


local _M = {}


-- What the running test, or the last one, has set; nil for the time of the system.
local time


--- Sets the clock.
-- @tparam ?number seconds nil for the time of the system
function _M.set(seconds)
  time = seconds or os_time()
end


--- `ngx.now()`: seconds, with milliseconds.
function _M.now()
  return time or os_time()
end


--- Moves the clock.
function _M.move(seconds)
  time = _M.now() + seconds
end


return _M
