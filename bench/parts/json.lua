--- JSON of a table body against lua-cjson with the gateway's settings.

local loops = require "bench.lib.loops"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local CASES = {
  { "two", "object of two fields", 1.1 },
  { "deep_objects", "100 objects, one in the other", 1.1 },
  { "deep_arrays", "100 arrays, one in the other", 1.1 },
  { "wide", "object of 1,000 keys", 1.1 },
  { "short_strings", "1,000 strings of 20 bytes", 1.1 },
  { "long_strings", "20 strings of 10 KB", 4 },
  { "urls", "500 URLs", 2.2 },
  { "integers", "1,000 integers", 4 },
  { "floats", "1,000 floats", 4 },
  { "products_500", "500 objects of five fields", 2.2 },
}


return function(options)
  local rows = {}
  scope(function(keep)
    local worker = keep(server.start("ours", true))
    local function figure(kind, case)
      return loops.measure(worker, "json_" .. kind .. "_" .. case[1]) / 1000
    end
    -- Both are in the same worker.
    local sides = { { side = "ours" }, { side = "peer" } }
    local medians = rounds.medians(sides, CASES, options.rounds, function(side, case)
      if side.side == "peer" then
        return figure("cjson", case)
      end
      return figure("table", case) - figure("string", case)
    end)
    worker:check()
    for i, case in ipairs(CASES) do
      medians[i].target = case[3]
      rows[i] = { name = case[2], unit = "µs", medians[i] }
    end
  end)
  return { {
    title = "JSON against lua-cjson",
    mode = "JIT on",
    note = "CPU time per value. Ours is `exit` with the table, less `exit` with its JSON as text.\n"
           .. "lua-cjson has the gateway's settings, as far as it has them.",
    rows = rows,
  } }
end
