--- Draws curves and bars as SVG, with gnuplot.

local fmt = string.format


local _M = {}


local HEAD = [[
set terminal svg size %d,%d dynamic background "white" font "sans-serif,13"
set output "%s"
set title "%s" noenhanced
set grid
set border 3
set tics nomirror
]]

local COLOURS = { "#c43c2b", "#1f6feb", "#e39b93", "#8db8f2" }


-- The script contains the figures as a block of data.
local function run(script)
  local pipe = assert(io.popen("gnuplot", "w"))
  pipe:write(script)
  assert(pipe:close(), "gnuplot failed")
end


--- Curves over logarithmic axes.
-- @tparam string path of the SVG
-- @tparam table curve `title`, `x` and `y` (names of the axes), `series` (names), `points`:
--   { n, figure of the first series, figure of the second … }, and optionally `tics` (labels of n)
function _M.curves(path, curve)
  local lines = { fmt(HEAD, 760, 460, path, curve.title) }
  lines[#lines + 1] = fmt('set xlabel "%s"\nset ylabel "%s"\nset logscale xy\nset key left top',
                          curve.x, curve.y)
  lines[#lines + 1] = 'set format xy "%g"'
  if curve.tics then
    local tics = {}
    for label, at in pairs(curve.tics) do
      tics[#tics + 1] = fmt('"%s" %d', label, at)
    end
    lines[#lines + 1] = "set xtics (" .. table.concat(tics, ", ") .. ")"
  end
  lines[#lines + 1] = "$data << END"
  for _, point in ipairs(curve.points) do
    lines[#lines + 1] = table.concat(point, " ")
  end
  lines[#lines + 1] = "END"
  local plots = {}
  for i, name in ipairs(curve.series) do
    plots[i] = fmt('$data using 1:%d with linespoints linewidth 2 pointtype 7 pointsize 0.5'
                   .. ' linecolor "%s" dashtype %d title "%s"',
                   i + 1, COLOURS[i], i > 2 and 2 or 1, name)
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
  run(table.concat(lines, "\n") .. "\n")
end


--- Bars of the ratio to plain Lua, with the JIT on and off.
-- @tparam table bars { name, ratio with the JIT on, ratio with it off }
function _M.bars(path, title, bars)
  local lines = { fmt(HEAD, 860, 480, path, title) }
  lines[#lines + 1] = [[
set style data histogram
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set xtics rotate by -30 left noenhanced
set ylabel "times as fast"
set yrange [0:*]
set key right top
$data << END]]
  for _, bar in ipairs(bars) do
    lines[#lines + 1] = fmt('"%s" %s %s', bar[1], bar[2], bar[3] or "NaN")
  end
  lines[#lines + 1] = "END"
  lines[#lines + 1] = fmt('plot $data using 2:xtic(1) linecolor "%s" title "JIT on", '
    .. '$data using 3 linecolor "%s" title "JIT off", 1 with lines linecolor "#555555" '
    .. 'dashtype 2 title "plain Lua"', COLOURS[2], COLOURS[4])
  run(table.concat(lines, "\n") .. "\n")
end


return _M
