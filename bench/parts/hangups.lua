--- Clients that hang up while their body is buffered, in a worker with a fragmented heap.

local bodies = require "bench.lib.bodies"
local hangups = require "bench.lib.hangups"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"


-- The size of the heap in MB, and whether the plugin reads the body.
local CASES = {
  { 250, false, "250 MB of heap, body not read" },
  { 250, true, "250 MB of heap, body read" },
  { 1200, false, "1.2 GB of heap, body not read" },
  { 1200, true, "1.2 GB of heap, body read" },
}

-- The number of clients that hang up in each round.
local HANG_UPS = 5


return function(options)
  local rows = {}
  scope(function(keep)
    local upstream = keep(bodies.start_upstream())
    for i, case in ipairs(CASES) do
      local megabytes, read, name = unpack(case)
      local figures = rounds.fresh(options.rounds, function(side)
        return hangups.longest(side, upstream.ports.port, read, megabytes, HANG_UPS)
      end)
      rows[i] = { name = name, unit = "ms", figures }
    end
  end)
  return { {
    title = "Clients that hang up",
    mode = "JIT on",
    note = "The longest time that another request waits for a client that hangs up in the middle\n"
           .. "of a body of 16 MB: CPU time of the worker, the longest of " .. HANG_UPS
           .. " in a row. A third of the\nworker's heap is free, in small pieces.",
    rows = rows,
  } }
end
