--- Interleaved rounds: each round measures every case of every side once.

local scope = require "bench.lib.scope"
local server = require "bench.lib.server"
local stats = require "bench.lib.stats"


local MAX_WORKERS = 5
local ROUNDS_OF_A_WORKER = 4

local _M = {}


--- Starts both sides (see `server.start`), calls `use(sides)`, and stops them, even after an error.
function _M.with_sides(jit_on, upstream, use)
  scope(function(keep)
    local sides = {}
    for i, name in ipairs { "ours", "peer" } do
      sides[i] = keep(server.start(name, jit_on, upstream))
    end
    use(sides)
    for _, side in ipairs(sides) do
      side:check()
    end
  end)
end


--- Measures each case of each side `rounds` times, after one round for warming up, and puts the
-- smallest results into `least`.
local function measure_rounds(least, sides, cases, rounds, measure)
  for round = 0, rounds do
    for i, case in ipairs(cases) do
      least[i] = least[i] or {}
      for k = 1, #sides do
        -- In each round, another side is the first one.
        local side = sides[(round + k) % #sides + 1]
        local figure, base = measure(side, case)
        if round > 0 then
          local known = least[i][side.side] or { math.huge, math.huge }
          least[i][side.side] = { math.min(known[1], figure), math.min(known[2], base or 0) }
        end
      end
    end
  end
end


-- Replaces each pair of a figure and its base by the difference.
local function differences(least)
  for _, sides in ipairs(least) do
    for name, known in pairs(sides) do
      sides[name] = known[1] - known[2]
    end
  end
  return least
end


--- Returns the smallest figures, because other programs and the host of a virtual machine only add
-- time. A figure can be a difference. Then each of the two measured times is the smallest.
-- @tparam table sides
-- @tparam table cases
-- @tparam number rounds the number of rounds after one for warming up
-- @tparam function measure `measure(side, case)` returns a number, and optionally the number that
-- is subtracted
-- @treturn table for each case the figures, by the names of the sides
function _M.least(sides, cases, rounds, measure)
  local least = {}
  measure_rounds(least, sides, cases, rounds, measure)
  return differences(least)
end


--- As `least`, for both sides (see `with_sides`). The rounds are divided among up to five workers
-- of each side, because in each worker LuaJIT compiles other traces, and memory has other
-- addresses.
function _M.of_both_sides(jit_on, upstream, cases, rounds, measure)
  local least = {}
  local workers = math.min(MAX_WORKERS, math.ceil(rounds / ROUNDS_OF_A_WORKER))
  for _ = 1, workers do
    _M.with_sides(jit_on, upstream, function(sides)
      measure_rounds(least, sides, cases, math.ceil(rounds / workers), measure)
    end)
  end
  return differences(least)
end


--- The medians of `rounds` figures for each side. `measure(name)` starts a worker for each figure.
function _M.fresh(rounds, measure)
  local figures = { ours = {}, peer = {} }
  for round = 1, rounds do
    for k = 1, 2 do
      local name = (round + k) % 2 == 0 and "ours" or "peer"
      table.insert(figures[name], measure(name))
    end
  end
  return { ours = stats.median(figures.ours), peer = stats.median(figures.peer) }
end


--- The CPU time of the worker, in nanoseconds per request, for `count` requests of `path`.
function _M.cpu(side, count, path, headers)
  side:ask("/cpu")
  return tonumber(side:batch(count, path, headers, "/cpu")) / count
end


return _M
