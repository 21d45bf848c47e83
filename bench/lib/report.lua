--- Tables of what was measured: for the terminal and for Markdown.
--
-- A table is { title =, note =, rows = { { name =, unit =, [1] =, [2] = } } }, where 1 is with the
-- JIT on, 2 with it off, and each of them { ours =, peer =, target = }, or nil. Without a target
-- nothing is to be reached. A row with `share = true` gives ours by the peer's, at most the target;
-- others the peer's by ours, at least the target.

local fmt = string.format


local _M = {}


-- The parts of one cell group, as texts: peer, ours, ratio, target, verdict.
local function cells(row, column)
  local cell = row[column]
  if not cell then
    return { "", "", "", "", "" }
  end
  local ratio = row.share and cell.ours / cell.peer or cell.peer / cell.ours
  local digits = (cell.ours < 100 or cell.peer < 100) and "%.1f" or "%.0f"
  local target, verdict = "", ""
  if cell.target then
    local met = row.share and ratio <= cell.target or not row.share and ratio >= cell.target
    target = (row.share and "<= " or ">= ") .. cell.target
    verdict = met and "met" or "not met"
  end
  return { fmt(digits, cell.peer), fmt(digits, cell.ours), fmt("%.2f", ratio), target, verdict }
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


--- The table in Markdown, with a heading of `level`.
function _M.markdown(section, level)
  local lines = { ("#"):rep(level) .. " " .. section.title, "" }
  if section.note then
    lines[#lines + 1] = section.note .. "\n"
  end
  local both = has_column(section.rows, 2)
  local head, rule = "| |", "|---|"
  for column = 1, both and 2 or 1 do
    local mode = section.mode or MODES[column]
    head = head .. fmt(" %s: plain Lua | ours | ratio | target |", mode)
    rule = rule .. "---:|---:|---:|---|"
  end
  lines[#lines + 1] = head
  lines[#lines + 1] = rule
  for _, row in ipairs(section.rows) do
    local line = "| " .. row.name .. ", " .. row.unit .. " |"
    for column = 1, both and 2 or 1 do
      local peer, ours, ratio, target, verdict = unpack(cells(row, column))
      if target ~= "" then
        target = target .. ", " .. verdict
      end
      line = line .. fmt(" %s | %s | %s | %s |", peer, ours, ratio, target)
    end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end


return _M
