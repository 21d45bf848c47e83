--- JSON of a table body against lua-cjson with the gateway's settings.

local loops = require "bench.lib.loops"
local server = require "bench.lib.server"
local stats = require "bench.lib.stats"


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
  local side = server.start("ours", true, { locations = loops.LOCATIONS })
  local samples = {}
  local ok, err = pcall(function()
    for round = 0, options.rounds do
      for i, case in ipairs(CASES) do
        local name = case[1]
        samples[i] = samples[i] or { ours = {}, peer = {} }
        local table_ns = loops.measure(side, "json_table_" .. name)
        local peer = loops.measure(side, "json_cjson_" .. name)
        local ours = table_ns - loops.measure(side, "json_string_" .. name)
        if round > 0 then
          table.insert(samples[i].ours, ours / 1000)
          table.insert(samples[i].peer, peer / 1000)
        end
      end
    end
    side:check()
  end)
  side:stop()
  if not ok then
    error(err, 0)
  end

  local rows = {}
  for i, case in ipairs(CASES) do
    rows[i] = { name = case[2], unit = "µs", {
      ours = stats.median(samples[i].ours),
      peer = stats.median(samples[i].peer),
      target = case[3],
    } }
  end
  return { {
    title = "JSON against lua-cjson",
    mode = "JIT on",
    note = "CPU time per value. Ours is `exit` with the table, less `exit` with its JSON as text.\n"
           .. "lua-cjson has the gateway's settings, as far as it has them.",
    rows = rows,
  } }
end
