--- Whole requests: the CPU time of the worker per request, without that of an empty request.

local loops = require "bench.lib.loops"
local rounds = require "bench.lib.rounds"


-- The location, its empty counterpart, the number of requests, the name, and the target.
local CASES = {
  { "/filter", "/filter_empty", 600, "header filter: 20 sets, 5 reads", 2, 3 },
  { "/exit_string", "/exit_empty", 1000, "exit: a string, one header", 1, 2 },
  { "/exit_small", "/exit_empty", 1000, "exit: 5 fields, 2 headers", 1.25, 2.5 },
  { "/exit_large", "/exit_empty", 60, "exit: 500 objects", 2.2, 2.2 },
  { "/body_json", "/json_empty", 60, "a body of 100 objects in JSON, changed", 1.5, 1.5 },
  { "/error", "/exit_empty", 1000, "error, a browser's Accept", 1.1, 2.5 },
}


-- Many short rounds, because other programs change the cost of an empty request over time.
local SHORT = 8


local function measure(side, case)
  local path, empty, count = case[1], case[2], case[3]
  return rounds.cpu(side, count, path, loops.ACCEPT) / 1000,
         rounds.cpu(side, count, empty, loops.ACCEPT) / 1000
end


return function(options)
  local rows = {}
  for column, jit_on in ipairs { true, false } do
    local figures = rounds.of_both_sides(jit_on, nil, CASES, options.rounds * SHORT, measure)
    for i, case in ipairs(CASES) do
      rows[i] = rows[i] or { name = case[4], unit = "µs" }
      rows[i][column] = figures[i]
      figures[i].target = case[4 + column]
    end
  end
  return { {
    title = "Whole requests",
    note = "CPU time of the worker per request, minus that of an empty request in the same phases.",
    rows = rows,
  } }
end
