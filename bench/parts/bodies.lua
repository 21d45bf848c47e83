--- Bodies, collected with get_raw_body and sent with set_raw_body: CPU time and peak memory.

local bodies = require "bench.lib.bodies"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"


local MB = 1048576

-- The location, its counterpart whose body filter does nothing, the query, the number of requests,
-- the factor for the number of rounds, the name, the unit in nanoseconds, and the target. Small
-- bodies have many short rounds, because other programs change the cost of an empty request over
-- time.
local CASES = {
  { "/small", "/small_empty", "chunks=1", 1500, 8, "2 KB in one chunk", "µs", 0.9 },
  { "/small", "/small_empty", "chunks=2", 1500, 8, "2 KB in two chunks", "µs", 0.6 },
  { "/body", "/body_empty", "size=" .. MB, 8, 3, "1 MB, read and set", "ms", 2, 2.5 },
  { "/body_changed", "/body_empty", "size=" .. MB, 8, 3, "1 MB, read, changed and set", "ms" },
  { "/body", "/body_empty", "size=" .. 8 * MB, 2, 2, "8 MB, read and set", "ms" },
  { "/body", "/body_empty", "size=" .. 64 * MB, 1, 1, "64 MB, read and set", "ms", 2.2, 2.2 },
  { "/body", "/body_empty", "size=" .. 256 * MB, 1, 1, "256 MB, read and set", "ms" },
}

local NANOSECONDS = { ["µs"] = 1e3, ms = 1e6 }

-- Several bodies one after the other, because memory that the collector has not freed also counts.
local PEAK_COUNT = 5


local function measure(side, case)
  local path, empty, query, count = unpack(case)
  local unit = NANOSECONDS[case[7]]
  return rounds.cpu(side, count, path .. "?" .. query) / unit,
         rounds.cpu(side, count, empty .. "?" .. query) / unit
end


return function(options)
  local rows = {}
  scope(function(keep)
    local upstream = keep(bodies.start_upstream())
    for column, jit_on in ipairs { true, false } do
      for i, case in ipairs(CASES) do
        local figures = rounds.of_both_sides(jit_on, upstream.ports.port, { case },
                                             options.rounds * case[5], measure)[1]
        figures.target = case[7 + column]
        rows[i] = rows[i] or { name = case[6], unit = case[7] }
        rows[i][column] = figures
      end
      local last = #CASES + 1
      rows[last] = rows[last] or { name = "64 MB, peak memory", unit = "MB", share = true }
      rows[last][column] = rounds.fresh(options.rounds, function(side)
        return bodies.peak(side, jit_on, upstream, 64 * MB, PEAK_COUNT)
      end)
    end
    rows[#rows][1].target = 0.45
  end)
  return { {
    title = "Bodies",
    note = "CPU time of the worker per request, minus that of a request whose body filter does"
           .. " nothing.\n"
           .. "Buffers of 16 KB, a different body each time, each side in a worker of its own.\n"
           .. "Memory is the worker's peak minus the memory of an empty worker. Its ratio is"
           .. " our figure\ndivided by plain Lua's.",
    rows = rows,
  } }
end
