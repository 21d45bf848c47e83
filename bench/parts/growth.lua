--- The growth of cost with the number of headers, the size of the body, the nodes of JSON, and the
-- number of plugins.

local bodies = require "bench.lib.bodies"
local loops = require "bench.lib.loops"
local rounds = require "bench.lib.rounds"
local scope = require "bench.lib.scope"


local KB = 1024


-- The number of repetitions for `n`, so that each case takes long enough to measure.
local function times(all, n, most)
  return math.max(1, math.min(most, math.floor(all / n)))
end


local function loop(name, all, requests)
  return function(side, n)
    return loops.measure_size(side, "grow_" .. name, n, requests, times(all, n, 2000)) / 1000
  end
end


local function json(side, n)
  local function figure(name)
    return loops.measure_size(side, "grow_" .. name, n, 1, times(20000, n, 5000)) / 1000
  end
  if side.side == "peer" then
    return figure("json_cjson")
  end
  return figure("json_table"), figure("json_string")
end


local function body(side, n)
  local count = times(4096 * KB, n, 200)
  return bodies.timed(side, count, "/body_timed?size=" .. n) / 1e6
end


local CURVES = {
  { file = "get_header", title = "get_header by the number of headers", x = "headers",
    y = "µs per call", sizes = { 10, 20, 50, 100, 200, 500, 1000 },
    measure = loop("get_header", 20000, 4) },
  { file = "set_header", title = "set_header by the number of headers", x = "headers",
    y = "µs per call", sizes = { 10, 20, 50, 100, 200, 500, 1000 },
    measure = loop("set_header", 20000, 8) },
  { file = "plugins", title = "header filter by the number of plugins (a read, two sets each)",
    x = "plugins", y = "µs per request", sizes = { 1, 2, 5, 10, 20, 50, 100 },
    measure = loop("plugins", 200, 20) },
  { file = "body", title = "get_raw_body and set_raw_body by the size of the body", x = "bytes",
    y = "ms per body", measure = body,
    note = "The curve bends in two places: where a body is larger than the processor's caches,"
           .. " and at 32 MB.\n"
           .. "Up to 32 MB, the C library and this library keep freed memory for reuse."
           .. " Above 32 MB, each page\nis new to the process, and the curve is straight again.",
    tics = { ["1 KB"] = KB, ["16 KB"] = 16 * KB, ["256 KB"] = 256 * KB, ["4 MB"] = 4096 * KB,
             ["64 MB"] = 65536 * KB, ["256 MB"] = 262144 * KB },
    sizes = { KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, 1024 * KB, 4096 * KB, 16384 * KB,
              65536 * KB, 262144 * KB } },
  { file = "json", title = "JSON by the number of nodes, ours and lua-cjson", x = "nodes",
    y = "µs per value", measure = json,
    sizes = { 1, 10, 100, 1000, 10000, 100000, 1000000 } },
}


local function run(curve, options, upstream)
  local points = {}
  for k, n in ipairs(curve.sizes) do
    points[k] = { n }
  end
  for mode, jit_on in ipairs { true, false } do
    rounds.with_sides(jit_on, upstream, function(sides)
      local figures = rounds.least(sides, curve.sizes, options.rounds, curve.measure)
      for k, figure in ipairs(figures) do
        points[k][2 * mode] = figure.peer
        points[k][2 * mode + 1] = figure.ours
      end
    end)
  end
  return {
    title = curve.title, file = "growth-" .. curve.file .. ".svg",
    x = curve.x, y = curve.y, tics = curve.tics, note = curve.note, points = points,
    series = { "plain Lua", "ours", "plain Lua, JIT off", "ours, JIT off" },
  }
end


return function(options)
  local sections = {}
  scope(function(keep)
    local upstream = keep(bodies.start_upstream())
    for i, curve in ipairs(CURVES) do
      sections[i] = run(curve, options, upstream.ports.port)
    end
  end)
  return sections
end
