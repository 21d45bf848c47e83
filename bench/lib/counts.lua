--- Counts the instructions that a worker executes, with valgrind's callgrind: unlike time they are the
-- same in every run, whatever else the machine does.
--
-- callgrind writes its count to a file and begins anew before each call of one C function. The
-- location /mark of the measured server calls that.

local loops = require "bench.lib.loops"
local server = require "bench.lib.server"


local CALLGRIND = {
  "valgrind", "--tool=callgrind", "--dump-before=gnu_dev_major",
  -- LuaJIT writes machine code while it runs, so valgrind must not keep its translations of it.
  "--smc-check=all-non-file",
  "--callgrind-out-file=%{dir}/callgrind.%p", "--log-file=%{dir}/valgrind.%p",
}

-- LuaJIT compiles while the first requests are served, which are not counted.
local WARM_UP, REQUESTS = 100, 50

local Counter = {}
Counter.__index = Counter


--- Starts a server of ours under callgrind: `stop()` ends it.
function Counter.start(jit_on)
  local side = server.start("ours", jit_on, nil, CALLGRIND)
  return setmetatable({ side = side, marks = 0 }, Counter)
end


-- The instructions since the last mark: of `count` requests of `path`, and of the one that makes this
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


-- The instructions of `count` requests of `path`.
function Counter:requests(path, warm_up, count)
  local side = self.side
  side:batch(warm_up, path, loops.ACCEPT, "/spent")
  self:mark(path, 0)
  return self:mark(path, count) - self:mark(path, 0)
end


--- The instructions per request of `path`, less those of a request of `empty`.
function Counter:request(path, empty)
  local all = self:requests(path, WARM_UP, REQUESTS)
  return (all - self:requests(empty, WARM_UP, REQUESTS)) / REQUESTS
end


--- The instructions per call in the hot loop `name` of bench/worker.
function Counter:call(name)
  local side = self.side
  local count = tonumber(side:ask("/count?case=" .. name))
  local all = self:requests("/loop?case=" .. name, count, count)
  return all / tonumber(side:ask("/spent"):match("%d+$"))
end


function Counter:stop()
  self.side:stop()
end


return Counter
