--- The cost of a call of a plugin through the life cycle, in each phase.

local locations = require "bench.lib.locations"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local REQUESTS = 1000
-- Many short rounds, as for whole requests.
local SHORT = 8

local WAYS = { ours = "lifecycle", peer = "direct" }


return function(options)
  local rows = {}
  for column, jit_on in ipairs { true, false } do
    scope(function(keep)
      local worker = keep(server.start("ours", jit_on))
      -- One worker runs both.
      local sides = { { side = "ours" }, { side = "peer" } }
      local figures = rounds.least(sides, locations.PHASES, options.rounds * SHORT,
        function(side, phase)
          return rounds.cpu(worker, REQUESTS, "/" .. phase .. "_" .. WAYS[side.side]) / 1000,
                 rounds.cpu(worker, REQUESTS, "/" .. phase .. "_empty") / 1000
        end)
      worker:check()
      for i, phase in ipairs(locations.PHASES) do
        rows[i] = rows[i] or { name = phase, unit = "µs" }
        rows[i][column] = figures[i]
      end
    end)
  end
  return { {
    title = "The life cycle with a plugin that does nothing",
    note = "CPU time of the worker per request, minus that of a request that calls nothing in this"
           .. " phase.\n"
           .. "Plain Lua sets `ngx.ctx.KONG_PHASE` and calls the handler. Ours is the life"
           .. " cycle with this\nplugin.",
    rows = rows,
  } }
end
