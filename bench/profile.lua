--- Shows which functions use the CPU time of a measured worker: see CONTRIBUTING.md.

package.path = "./?.lua;./build/lualib/?.lua;" .. package.path

local bodies = require "bench.lib.bodies"
local loops = require "bench.lib.loops"
local nginx = require "spec.support.nginx"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local SECONDS = 5
local REQUESTS = 50

local side, path, jit_mode = ...
if (side ~= "ours" and side ~= "peer") or not path or (jit_mode ~= "on" and jit_mode ~= "off") then
  io.stderr:write("usage: luajit bench/profile.lua ours|peer PATH on|off\n")
  os.exit(2)
end

scope(function(keep)
  local upstream = keep(bodies.start_upstream())
  local measured = keep(server.start(side, jit_mode == "on", upstream.ports.port))
  measured:batch(REQUESTS, path, loops.ACCEPT, "/cpu")

  local data = upstream.dir .. "/perf.data"
  -- Machines without hardware counters also have this event.
  local perf = io.popen(("perf record -q -e cpu-clock -F 5000 -g -o %s -p %d sleep %d 2>&1")
                        :format(data, measured.nginx:worker_pids()[1], SECONDS))
  local stop, count, spent = nginx.now() + SECONDS, 0, 0
  while nginx.now() < stop do
    spent = spent + tonumber(measured:batch(REQUESTS, path, loops.ACCEPT, "/cpu"))
    count = count + REQUESTS
  end
  io.stderr:write(perf:read("*a"))
  perf:close()
  print(("%s, %s, JIT %s: %.1f µs per request"):format(side, path, jit_mode, spent / count / 1000))
  io.stdout:flush()
  os.execute("perf report -i " .. data .. " --no-children -g none --percent-limit 0.5 2> /dev/null"
             .. " | grep -v '^#'")
  measured:check()
end)
