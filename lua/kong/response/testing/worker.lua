--- The state that requests of one worker share: dictionaries, timers, `kong.cache`.

local clock = require "kong.response.testing.clock"
local shared = require "kong.response.testing.ngx.shared"


local select = select
local setmetatable = setmetatable
local sort = table.sort
local unpack = unpack


local Worker = {}
Worker.__index = Worker


--- Sets a timer.
-- @tparam number delay in seconds
-- @tparam ?number interval in seconds, after which the timer runs again
function Worker:add_timer(delay, interval, callback, ...)
  self.count = self.count + 1
  self.timers[#self.timers + 1] = {
    time = clock.now() + delay, interval = interval, turn = self.count, callback = callback,
    arguments = { select("#", ...), ... },
  }
end


local function runs_before(one, other)
  if one.time ~= other.time then
    return one.time < other.time
  end
  return one.turn < other.turn
end


-- Removes and returns the first timer that is due. `last_turn` excludes timers that were set later.
local function take_due(self, last_turn)
  sort(self.timers, runs_before)
  for i = 1, #self.timers do
    local timer = self.timers[i]
    if timer.time <= clock.now() and timer.turn <= last_turn then
      table.remove(self.timers, i)
      return timer
    end
  end
end


--- Whether a timer is set.
function Worker:has_timers()
  return #self.timers > 0
end


--- Runs the timers that are due. Timers that a callback sets run the next time.
-- @tparam function call `call(callback, premature, ...)`
function Worker:run_timers(call)
  local last_turn = self.count
  local timer = take_due(self, last_turn)
  while timer do
    if timer.interval then
      self.count = self.count + 1
      timer.time, timer.turn = timer.time + timer.interval, self.count
      self.timers[#self.timers + 1] = timer
      -- If more than one interval has passed, run the timer once for each.
      last_turn = timer.time <= clock.now() and self.count or last_turn
    end
    call(timer.callback, false, unpack(timer.arguments, 2, timer.arguments[1] + 1))
    timer = take_due(self, last_turn)
  end
end


local _M = {}


--- Makes a worker.
-- @tparam[opt] table declared the dictionaries; see `ngx.shared`
function _M.new(declared)
  return setmetatable({ shared = shared.new(declared), timers = {}, count = 0 }, Worker)
end


return _M
