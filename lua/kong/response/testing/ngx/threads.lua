--- `ngx.thread` and `ngx.semaphore`. A thread runs until it yields or ends, or until a call waits
-- for it.

local coroutines = require "kong.response.testing.coroutines"
local running = require "kong.response.testing.running"


local co_create = coroutines.create
local co_resume = coroutines.resume
local co_status = coroutines.status
local co_yield = coroutines.yield
local error = error
local fmt = string.format
local running_coroutine = coroutine.running
local select = select
local setmetatable = setmetatable
local type = type
local unpack = unpack


local EXIT = coroutines.EXIT

-- The phases in which code can wait.
local WAITS = { rewrite = true, access = true, content = true, timer = true }


-- The state of each thread, by its coroutine: `results`, `waited`, `killed`.
local threads = setmetatable({}, { __mode = "k" })

-- The coroutine that has spawned each thread.
local parents = setmetatable({}, { __mode = "kv" })


-- Stores the results of a thread if it has ended.
local function store_results(co, ok, ...)
  if ok and (...) == EXIT and co_status(co) == "suspended" then
    return co_yield(EXIT)
  elseif co_status(co) == "dead" then
    threads[co].results = { ok, select("#", ...), ... }
    if not ok then
      running.current():passed_on((...))
    end
  end
end


local thread = {}


function thread.spawn(code, ...)
  local phase = running.current().host:get_phase()
  if not WAITS[phase] then
    error(running.disabled_in(phase), 2)
  end
  if type(code) ~= "function" then
    error("bad argument #1 to 'spawn' (Lua function expected)", 2)
  end
  local co = co_create(code)
  threads[co], parents[co] = {}, running_coroutine()
  store_results(co, co_resume(co, ...))
  return co
end


-- Returns the results of the first thread that has ended and was not waited for. Without such a
-- thread, it returns nil and whether one of the threads still runs.
local function take_results(given)
  local still_runs = false
  for i = 1, #given do
    local state = threads[given[i]]
    if state.results and not state.waited then
      state.waited = true
      return state.results
    end
    still_runs = still_runs or not state.results and not state.killed
  end
  return nil, still_runs
end


function thread.wait(...)
  local given = { ... }
  if #given == 0 then
    error("at least one coroutine should be specified", 2)
  end
  for i = 1, #given do
    if type(given[i]) ~= "thread" then
      error(fmt("bad argument #%d to 'wait' (lua thread expected)", i), 2)
    elseif not threads[given[i]] then
      error("attempt to wait on a coroutine that is not a user thread", 2)
    elseif parents[given[i]] ~= running_coroutine() then
      -- Without this check, threads that wait for each other would never end.
      error("only the parent coroutine can wait on the thread", 2)
    end
  end
  -- nginx looks only at the last thread, so that code can wait for all threads in a loop.
  local last = threads[given[#given]]
  local is_over = last.waited or last.killed
  local results, still_runs = take_results(given)
  while not results and still_runs and not is_over do
    for i = 1, #given do
      local state = threads[given[i]]
      if not state.results and not state.killed then
        store_results(given[i], co_resume(given[i]))
      end
    end
    results, still_runs = take_results(given)
  end
  if not results then
    return nil, "already waited or killed"
  end
  return unpack({ results[1], unpack(results, 3, results[2] + 2) }, 1, results[2] + 1)
end


function thread.kill(co)
  if type(co) ~= "thread" then
    error("bad argument #1 to 'kill' (lua thread expected)", 2)
  end
  local state = threads[co]
  if not state then
    return nil, "not user thread"
  elseif parents[co] ~= running_coroutine() then
    return nil, "killer not parent"
  elseif state.killed or state.waited then
    return nil, "already waited or killed"
  elseif state.results then
    return nil, "already terminated"
  end
  state.killed = true
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
  local phase = running.current().host:get_phase()
  if not WAITS[phase] then
    return nil, running.disabled_in(phase)
  elseif self.resources > 0 then
    self.resources = self.resources - 1
    return true
  elseif seconds > 0 then
    -- A timer that runs during the sleep may post.
    running.current().ngx.sleep(seconds)
    if self.resources > 0 then
      return self:wait(0)
    end
    return false, "timeout"
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
