--- The state that requests of one worker share: dictionaries, timers, `kong.cache`.

local clock = require "kong.response.testing.clock"
local shared = require "kong.response.testing.ngx.shared"


local select = select
local setmetatable = setmetatable
local sort = table.sort
local unpack = unpack


-- A callback that sleeps runs other timers. This is the maximum depth, so that a timer which sets
-- itself again before it sleeps comes to an end.
local MAX_DEPTH = 50

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
    if timer.time <= clock.now() and timer.turn <= last_turn and not timer.is_running then
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
  if self.depth >= MAX_DEPTH then
    return
  end
  self.depth = self.depth + 1
  local last_turn, started = self.count, clock.now()
  local timer = take_due(self, last_turn)
  while timer do
    if timer.interval then
      self.count = self.count + 1
      timer.time, timer.turn = timer.time + timer.interval, self.count
      self.timers[#self.timers + 1] = timer
      -- If more than one interval has passed, run the timer once for each. The time for which
      -- callbacks sleep does not count: they may sleep longer than the interval.
      last_turn = timer.time <= started and self.count or last_turn
    end
    timer.is_running = true
    call(timer.callback, false, unpack(timer.arguments, 2, timer.arguments[1] + 1))
    timer.is_running = false
    timer = take_due(self, last_turn)
  end
  self.depth = self.depth - 1
end


local _M = {}


--- Makes a worker.
-- @tparam[opt] table declared the dictionaries; see `ngx.shared`
function _M.new(declared)
  return setmetatable({ shared = shared.new(declared), timers = {}, count = 0, depth = 0 }, Worker)
end


return _M
