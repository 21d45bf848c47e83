--- The cost of a call of each function, in a hot loop of one request.

local loops = require "bench.lib.loops"
local rounds = require "bench.lib.rounds"


-- The loops in bench/worker/calls.lua, the names of the cases, and the targets with the JIT on and
-- off. A target is the peer's time divided by ours.
local CASES = {
  { "get_status", "get_status()", 0.95, 2 },
  { "get_header_hit", "get_header(name), present", 5, 6 },
  { "get_header_miss", "get_header(name), absent", 5, 6 },
  { "get_headers", "get_headers()", 1, 1.1 },
  { "get_source", "get_source()", 0.95, 2 },
  { "set_status", "set_status(200)", 0.95, 2 },
  { "set_header", "set_header(name, value)", 0.95, 2 },
  { "set_header_number", "set_header(name, number)", 1, 2 },
  { "set_header_boolean", "set_header(name, boolean)", 1, 2 },
  { "add_header", "add_header(name, value)", 0.95, 2 },
  { "add_header_number", "add_header(name, number)", 1, 2 },
  { "add_header_boolean", "add_header(name, boolean)", 1, 2 },
  { "clear_header", "clear_header(name)", 0.95, 2 },
  { "set_headers", "set_headers(8 headers)", 1, 2.5 },
  { "exit_string", "exit(200, string)", 0.9 },
  { "exit_table", "exit(200, 5 fields, 2 headers)" },
  { "error", "error(404), a browser's Accept" },
  { "get_raw_body", "get_raw_body(), a chunk of 16 KB" },
  { "get_raw_body_again", "get_raw_body(), chunk already read" },
  { "set_raw_body", "set_raw_body(31 bytes)" },
}


return function(options)
  local rows = {}
  for column, jit_on in ipairs { true, false } do
    local figures = rounds.of_both_sides(jit_on, nil, CASES, options.rounds, function(side, case)
      return loops.measure(side, case[1])
    end)
    for i, case in ipairs(CASES) do
      rows[i] = rows[i] or { name = case[2], unit = "ns" }
      rows[i][column] = figures[i]
      figures[i].target = case[2 + column]
    end
  end
  return { {
    title = "Per call, in a hot loop of one request",
    note = "CPU time. The response has the 16 headers of `bench/worker/fields.lua`.",
    rows = rows,
  } }
end
