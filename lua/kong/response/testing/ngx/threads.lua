--- `ngx.thread` and `ngx.semaphore`, for handlers that run one after another.

local coroutines = require "kong.response.testing.coroutines"


local co_create = coroutines.create
local co_resume = coroutines.resume
local co_status = coroutines.status
local co_yield = coroutines.yield
local error = error
local fmt = string.format
local select = select
local setmetatable = setmetatable
local type = type
local unpack = unpack


local EXIT = coroutines.EXIT


-- By the coroutine of a thread.
local threads = setmetatable({}, { __mode = "k" })


local function keep(thread, ok, ...)
  if ok and (...) == EXIT and co_status(thread.co) == "suspended" then
    return co_yield(EXIT)
  elseif co_status(thread.co) == "dead" then
    thread.results = { ok, select("#", ...), ... }
  end
end


local thread = {}


function thread.spawn(code, ...)
  if type(code) ~= "function" then
    error(fmt("bad argument #1 to 'spawn' (function expected, got %s)", type(code)), 2)
  end
  local co = co_create(code)
  local own = { co = co }
  threads[co] = own
  keep(own, co_resume(co, ...))
  return co
end


-- The first of the threads that is done.
local function take_done(given)
  for i = 1, #given do
    local own = threads[given[i]]
    if own.results and not own.waited then
      own.waited = true
      return own.results
    end
  end
end


function thread.wait(...)
  local given = { ... }
  if #given == 0 then
    error("at least one coroutine should be specified", 2)
  end
  for i = 1, #given do
    if type(given[i]) ~= "thread" then
      error(fmt("attempt to wait on an object that is not a coroutine"), 2)
    end
    local own = threads[given[i]]
    if not own then
      error("attempt to wait on a coroutine that is not a user thread", 2)
    elseif own.waited or own.killed then
      return nil, "already waited or killed"
    end
  end
  local results = take_done(given)
  while not results do
    for i = 1, #given do
      local own = threads[given[i]]
      if not own.results then
        keep(own, co_resume(own.co))
      end
    end
    results = take_done(given)
  end
  return unpack({ results[1], unpack(results, 3, results[2] + 2) }, 1, results[2] + 1)
end


function thread.kill(co)
  local own = type(co) == "thread" and threads[co]
  if not own then
    return nil, "not user thread"
  elseif own.killed or own.waited then
    return nil, "already waited or killed"
  elseif own.results then
    return nil, "already terminated"
  end
  own.killed = true
  return 1
end


local Semaphore = {}
Semaphore.__index = Semaphore


function Semaphore:wait(seconds)
  if type(seconds) ~= "number" then
    seconds = 0
  end
  if seconds < 0 then
    error("no negative number", 2)
  end
  if self.resources > 0 then
    self.resources = self.resources - 1
    return true
  end
  return nil, "timeout"
end


function Semaphore:post(count)
  count = count or 1
  if count < 1 then
    error("positive number required", 2)
  end
  self.resources = self.resources + count
  return true
end


function Semaphore:count()
  return self.resources
end


local semaphore = {}


function semaphore.new(count)
  count = count or 0
  if count < 0 then
    error("no negative number", 2)
  end
  return setmetatable({ resources = count }, Semaphore)
end


return { thread = thread, semaphore = semaphore }
