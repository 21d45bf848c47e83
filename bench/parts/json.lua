--- JSON of a table body against lua-cjson with the gateway's settings.

local loops = require "bench.lib.loops"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local CASES = {
  { "two", "object of two fields", 1.1 },
  { "deep_objects", "100 nested objects", 1.1 },
  { "deep_arrays", "100 nested arrays", 1.1 },
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
    local function measure(name)
      return loops.measure(worker, name) / 1000
    end
    local function figure(kind, case)
      return measure("json_" .. kind .. "_" .. case[1])
    end
    -- One worker runs both.
    local sides = { { side = "ours" }, { side = "peer" } }
    local writes = rounds.least(sides, CASES, options.rounds, function(side, case)
      if side.side == "peer" then
        return figure("cjson", case)
      end
      return figure("table", case), figure("string", case)
    end)
    local reads = rounds.least(sides, CASES, options.rounds, function(side, case)
      return measure((side.side == "peer" and "cjson" or "json") .. "_read_" .. case[1])
    end)
    local round_trip = rounds.least(sides, { "round_trip" }, options.rounds, function(side, case)
      return measure((side.side == "peer" and "cjson_" or "json_") .. case)
    end)[1]
    worker:check()
    for i, case in ipairs(CASES) do
      writes[i].target = case[3]
      reads[i].target = 1
      rows[i] = { name = case[2], unit = "µs", writes[i] }
      rows[#CASES + i] = { name = "read: " .. case[2], unit = "µs", reads[i] }
    end
    round_trip.target = 1.8
    rows[#rows + 1] = { name = "1 MB: read, changed, written", unit = "µs", round_trip }
  end)
  return { {
    title = "JSON against lua-cjson",
    mode = "JIT on",
    note = "CPU time per value. Ours is `exit` with the table minus `exit` with its JSON as a"
           .. " string.\n"
           .. "In the rows that begin with \"read\", ours is `decode` of `kong.response.json`.\n"
           .. "lua-cjson has the settings of a gateway, if it supports them.",
    rows = rows,
  } }
end
