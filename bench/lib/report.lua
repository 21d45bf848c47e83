--- Makes tables of the results, for the terminal and for Markdown.
--
-- A table is { title =, note =, rows = { { name =, unit =, [1] =, [2] = } } }. 1 is with the JIT on
-- and 2 with the JIT off. Each of them is { ours =, peer =, target = } or nil. The target is
-- optional. The ratio of a row with `share = true` is ours / peer, and the target is its maximum.
-- The ratio of other rows is peer / ours, and the target is its minimum.

local fmt = string.format


local _M = {}


local function figure(value)
  return fmt(value >= 100 and "%.0f" or value >= 10 and "%.1f" or value >= 1 and "%.2f" or "%.3g",
             value)
end


-- The texts of a group of cells: peer, ours, ratio, target, verdict.
local function cells(row, column)
  local cell = row[column]
  if not cell then
    return { "", "", "", "", "" }
  end
  local ratio = row.share and cell.ours / cell.peer or cell.peer / cell.ours
  local target, verdict = "", ""
  if cell.target then
    local met = row.share and ratio <= cell.target or not row.share and ratio >= cell.target
    target = (row.share and "<= " or ">= ") .. cell.target
    verdict = met and "met" or "not met"
  end
  -- Not rounded to the nearest, so that the shown ratio is never better than the real one.
  local shown = (row.share and math.ceil or math.floor)(ratio * 100) / 100
  return { figure(cell.peer), figure(cell.ours), fmt("%.2f", shown), target, verdict }
end


local function has_column(rows, column)
  for _, row in ipairs(rows) do
    if row[column] then
      return true
    end
  end
  return false
end


local MODES = { "JIT on", "JIT off" }


--- The table as lines for the terminal.
function _M.text(section)
  local lines = { "", section.title }
  local both = has_column(section.rows, 2)
  local head = fmt("%-44s", "")
  local names = fmt("%-44s", "")
  for column = 1, both and 2 or 1 do
    head = head .. fmt("  %-42s", section.mode or MODES[column])
    names = names .. fmt("  %9s %9s %6s %7s %-7s", "peer", "ours", "ratio", "target", "")
  end
  lines[#lines + 1] = head:gsub("%s+$", "")
  lines[#lines + 1] = names:gsub("%s+$", "")
  for _, row in ipairs(section.rows) do
    local line = fmt("%-44s", row.name .. ", " .. row.unit)
    for column = 1, both and 2 or 1 do
      line = line .. fmt("  %9s %9s %6s %7s %-7s", unpack(cells(row, column)))
    end
    lines[#lines + 1] = line:gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end


local function add_table(lines, columns)
  local head, rule = "| |", "|---|"
  for column = 1, columns do
    head = head .. fmt(" Lua, %s | ours | ratio |", MODES[column])
    rule = rule .. "---:|---:|---:|"
  end
  lines[#lines + 1] = head
  lines[#lines + 1] = rule
end


local function add_row(lines, row, columns, with_target)
  local line = "| " .. row.name .. ", " .. row.unit .. " |"
  for column = 1, columns do
    local peer, ours, ratio, target, verdict = unpack(cells(row, column))
    if with_target and target ~= "" then
      ratio = ratio .. (verdict == "met" and " (" or " (**not** ") .. target .. ")"
    end
    line = line .. fmt(" %s | %s | %s |", peer, ours, ratio)
  end
  lines[#lines + 1] = line
end


--- The table in Markdown, with a heading of `level`.
function _M.markdown(section, level)
  local lines = { ("#"):rep(level) .. " " .. section.title, "" }
  if section.note then
    lines[#lines + 1] = section.note .. "\n"
  end
  local columns = has_column(section.rows, 2) and 2 or 1
  add_table(lines, columns)
  for _, row in ipairs(section.rows) do
    add_row(lines, row, columns, true)
  end
  return table.concat(lines, "\n")
end


--- All tables as one table with only figures and ratios, for docs/benchmarks.md.
function _M.readme(sections)
  local lines = {}
  add_table(lines, 2)
  for _, section in ipairs(sections) do
    if section.rows then
      lines[#lines + 1] = "| **" .. section.title .. "** | | | | | | |"
      for _, row in ipairs(section.rows) do
        add_row(lines, row, 2, false)
      end
    end
  end
  return table.concat(lines, "\n")
end


-- The growth of a figure with n in the upper half of the points: the slope over logarithmic axes,
-- by least squares. 1 is linear growth.
local function exponent(points, column)
  local sx, sy, sxx, sxy, count = 0, 0, 0, 0, 0
  for i = math.ceil(#points / 2), #points do
    local x, y = math.log(points[i][1]), math.log(math.max(points[i][column], 1e-6))
    sx, sy, sxx, sxy, count = sx + x, sy + y, sxx + x * x, sxy + x * y, count + 1
  end
  return (count * sxy - sx * sy) / (count * sxx - sx * sx)
end


local function curve_rows(curve)
  local rows = {}
  for i, point in ipairs(curve.points) do
    rows[i] = { fmt("%d", point[1]) }
    for column = 2, 5 do
      rows[i][column] = figure(point[column])
    end
  end
  local last = { "exponent of growth" }
  for column = 2, 5 do
    last[column] = fmt("%.2f", exponent(curve.points, column))
  end
  rows[#rows + 1] = last
  return rows
end


--- A curve, { title =, x =, y =, series =, points = }, as lines for the terminal.
function _M.curve_text(curve)
  local lines = { "", curve.title .. ", " .. curve.y }
  lines[#lines + 1] = fmt("%20s %20s %20s %20s %20s", curve.x, unpack(curve.series))
  for _, row in ipairs(curve_rows(curve)) do
    lines[#lines + 1] = fmt("%20s %20s %20s %20s %20s", unpack(row))
  end
  return table.concat(lines, "\n")
end


--- The same in Markdown, with its picture.
function _M.curve_markdown(curve, level)
  local lines = { ("#"):rep(level) .. " " .. curve.title, "",
                  fmt("![%s](%s)", curve.title, curve.file), "",
                  fmt("| %s | %s |", curve.x, table.concat(curve.series, " | ")),
                  "|---:|---:|---:|---:|---:|" }
  for _, row in ipairs(curve_rows(curve)) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = curve.y
                      .. ". The last line is the exponent of the growth over the upper half of the"
                      .. " sizes.\nWith exponent 1, twice the size takes twice the time."
                      .. (curve.note and "\n" .. curve.note or "")
  return table.concat(lines, "\n")
end


return _M
