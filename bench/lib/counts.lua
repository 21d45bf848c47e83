--- Counts the instructions that a worker executes, with valgrind's callgrind. Unlike time, the
-- counts do not depend on the load of the machine.
--
-- Before each call of one C function, callgrind writes its count to a file and starts from zero.
-- The location /mark of the measured server calls that function.

local loops = require "bench.lib.loops"
local server = require "bench.lib.server"


local CALLGRIND = {
  "valgrind", "--tool=callgrind", "--dump-before=gnu_dev_major",
  -- LuaJIT writes machine code while it runs, so valgrind must not reuse old translations of it.
  "--smc-check=all-non-file",
  "--callgrind-out-file=%{dir}/callgrind.%p", "--log-file=%{dir}/valgrind.%p",
}

local REQUESTS = 100
-- The numbers of requests before counting starts. LuaJIT compiles during these requests.
local WARM_UP, WARM_UP_JIT_OFF = 400, 20

local Counter = {}
Counter.__index = Counter


--- Starts a server with our functions under callgrind. `stop()` stops it.
function Counter.start(jit_on)
  local side = server.start("ours", jit_on, nil, CALLGRIND)
  return setmetatable({ side = side, marks = 0 }, Counter)
end


-- The instructions since the last mark: `count` requests of `path`, and the request that makes this
-- mark.
function Counter:mark(path, count)
  local side = self.side
  side:batch(count, path, loops.ACCEPT, "/mark")
  self.marks = self.marks + 1
  local file = io.open(("%s/callgrind.%d.%d"):format(side.nginx.dir, side.nginx:worker_pids()[1],
                                                     self.marks))
  local total = file and file:read("*a"):match("\ntotals: (%d+)")
  if file then
    file:close()
  end
  return tonumber(total) or error("callgrind has written no count", 0)
end


-- The instructions for `count` requests of `path`.
function Counter:requests(path, warm_up, count)
  local side = self.side
  side:batch(warm_up, path, loops.ACCEPT, "/spent")
  self:mark(path, 0)
  return self:mark(path, count) - self:mark(path, 0)
end


--- The instructions per request of `path`, without those of a request of `empty`, in `count`
-- requests.
function Counter:request(path, empty, count)
  count = count or REQUESTS
  local warm_up = self.side.jit_on and WARM_UP * count / REQUESTS or WARM_UP_JIT_OFF
  return (self:requests(path, warm_up, count) - self:requests(empty, warm_up, count)) / count
end


--- The instructions per call in the hot loop `name` of bench/worker.
function Counter:call(name)
  local side = self.side
  local count = math.min(tonumber(side:ask("/count?case=" .. name)), 20)
  local all = self:requests("/loop?case=" .. name, count, count)
  return all / tonumber(side:ask("/spent"):match("%d+$"))
end


function Counter:stop()
  self.side:stop()
end


return Counter
