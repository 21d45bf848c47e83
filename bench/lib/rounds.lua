--- Interleaved rounds: each round measures every case of every side once.

local scope = require "bench.lib.scope"
local server = require "bench.lib.server"
local stats = require "bench.lib.stats"


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


--- @tparam table sides
-- @tparam table cases
-- @tparam number rounds the number of rounds after one for warming up
-- @tparam function measure `measure(side, case)` returns a number
-- @treturn table for each case the medians, by the names of the sides
function _M.medians(sides, cases, rounds, measure)
  local samples = {}
  for i = 1, #cases do
    samples[i] = { ours = {}, peer = {} }
  end
  for round = 0, rounds do
    for i, case in ipairs(cases) do
      for k = 1, #sides do
        -- In each round, another side is the first one.
        local side = sides[(round + k) % #sides + 1]
        local figure = measure(side, case)
        if round > 0 then
          table.insert(samples[i][side.side], figure)
        end
      end
    end
  end

  local medians = {}
  for i = 1, #cases do
    medians[i] = {}
    for name, figures in pairs(samples[i]) do
      medians[i][name] = figures[1] and stats.median(figures)
    end
  end
  return medians
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
