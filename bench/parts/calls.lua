--- Every function per call, in a hot loop of one request.

local server = require "bench.lib.server"
local stats = require "bench.lib.stats"


local LOCATIONS = [[
location = /spent { content_by_lua_block { require("bench.worker.init").spent() } }
location = /loops { content_by_lua_block { require("bench.worker.init").loops() } }
location = /calls {
  content_by_lua_block { ngx.print("ok") }
  header_filter_by_lua_block { require("bench.worker.init").header_filter() }
  body_filter_by_lua_block { require("bench.worker.init").body_filter() }
}
]]

local ACCEPT = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"

-- The names of the loops in bench/worker/calls.lua, what they are called, and what is to be
-- reached: peer's time by ours, with the JIT on and off.
local CASES = {
  { "get_status", "get_status()", 0.95, 2 },
  { "get_header_hit", "get_header(name), there", 5, 6 },
  { "get_header_miss", "get_header(name), not there", 5, 6 },
  { "get_headers", "get_headers()", 1, 1.1 },
  { "get_source", "get_source()", 0.95, 2 },
  { "set_status", "set_status(200)", 0.95, 2 },
  { "set_header", "set_header(name, value)", 0.95, 2 },
  { "add_header", "add_header(name, value)", 0.95, 2 },
  { "clear_header", "clear_header(name)", 0.95, 2 },
  { "set_headers", "set_headers(8 headers)", 1, 2.5 },
  { "exit_string", "exit(200, string)" },
  { "exit_table", "exit(200, 5 fields, 2 headers)" },
  { "error", "error(404), a browser's Accept" },
  { "get_raw_body", "get_raw_body(), a chunk of 16 KB" },
  { "get_raw_body_again", "get_raw_body(), chunk taken already" },
  { "set_raw_body", "set_raw_body(31 bytes)" },
}


local function measure(side, name)
  local count = side.loops[name]
  if not count then
    count = tonumber(side:ask("/loops?case=" .. name))
    side.loops[name] = count
  end
  local spent, called = side:batch(count, "/calls?case=" .. name, ACCEPT, "/spent")
                        :match("^(%d+) (%d+)$")
  return tonumber(spent) / tonumber(called)
end


local function start(side, jit_on)
  local started = server.start(side, jit_on, { locations = LOCATIONS })
  started.loops = {}
  return started
end


return function(options)
  local rows = {}
  for column, jit_on in ipairs { true, false } do
    local sides = { start("ours", jit_on), start("peer", jit_on) }
    local ok, err = pcall(function()
      local samples = {}
      for round = 0, options.rounds do
        for i, case in ipairs(CASES) do
          samples[i] = samples[i] or { ours = {}, peer = {} }
          -- Who begins takes turns.
          for k = 1, 2 do
            local side = sides[(round + k) % 2 + 1]
            local ns = measure(side, case[1])
            -- The first round warms up.
            if round > 0 then
              table.insert(samples[i][side.side], ns)
            end
          end
        end
      end
      for i, case in ipairs(CASES) do
        rows[i] = rows[i] or { name = case[2], unit = "ns" }
        rows[i][column] = {
          ours = stats.median(samples[i].ours),
          peer = stats.median(samples[i].peer),
          target = case[2 + column],
        }
      end
      sides[1]:check()
      sides[2]:check()
    end)
    sides[1]:stop()
    sides[2]:stop()
    if not ok then
      error(err, 0)
    end
  end
  return { {
    title = "Per call, hot loop in one request",
    note = "CPU time. The response has 16 headers, named as in `bench/worker/fields.lua`.",
    rows = rows,
  } }
end
