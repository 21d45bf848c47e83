--- Writes the results to `bench/record/`, and their table into docs/benchmarks.md.

local machine = require "bench.lib.machine"
local plot = require "bench.lib.plot"
local report = require "bench.lib.report"


local FOLDER = "bench/record/"

-- The table of docs/benchmarks.md is between these lines.
local BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

-- The bars of the picture, each with its row and its label.
local BARS = {
  { "header filter: 20 sets, 5 reads", "20 sets, 5 reads" },
  { "exit: 5 fields, 2 headers", "exit, small table" },
  { "exit: 500 objects", "exit, 500 objects" },
  { "error, a browser's Accept", "error" },
  { "1 MB, read and set", "body of 1 MB" },
  { "get_header(name), present", "get_header" },
  { "get_headers()", "get_headers" },
  { "set_header(name, value)", "set_header" },
  { "set_headers(8 headers)", "set_headers" },
  { "get_status()", "get_status" },
}

local _M = {}


local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end


local function find_row(sections, name)
  for _, section in ipairs(sections) do
    for _, row in ipairs(section.rows or {}) do
      if row.name == name then
        return row
      end
    end
  end
  error("no row is called " .. name)
end


local function draw(sections)
  local bars = {}
  for i, bar in ipairs(BARS) do
    local row = find_row(sections, bar[1])
    bars[i] = { bar[2], row[1].peer / row[1].ours, row[2].peer / row[2].ours }
  end
  plot.bars(FOLDER .. "overview.svg", "CPU time: plain Lua's by ours", bars)
  for _, section in ipairs(sections) do
    if section.points then
      plot.curves(FOLDER .. section.file, section)
    end
  end
end


local function results(sections, rounds, before)
  local lines = {
    "# Record of the benchmarks", "",
    "Written by `make bench RECORD=1`: " .. os.date("!%Y-%m-%d") .. ", "
    .. rounds .. " rounds. "
    .. "[Benchmarks](../../docs/benchmarks.md#how-it-is-measured) describes the measurement.", "",
  }
  for _, line in ipairs(before) do
    lines[#lines + 1] = "* " .. line
  end
  for _, section in ipairs(sections) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = (section.points and report.curve_markdown or report.markdown)(section, 2)
  end
  return table.concat(lines, "\n") .. "\n"
end


local function update_readme(sections)
  local file = assert(io.open("docs/benchmarks.md"))
  local text = file:read("*a")
  file:close()
  local _, start = text:find(BEGIN, 1, true)
  local stop = text:find(END, 1, true)
  assert(start and stop, "docs/benchmarks.md has lost the lines around its table")
  local tables = report.readme(sections)
  write("docs/benchmarks.md", text:sub(1, start) .. "\n" .. tables .. "\n" .. text:sub(stop))
end


--- @tparam table sections the tables of all parts
-- @tparam number rounds
-- @tparam table before the result of `machine.describe` before the run
function _M.write(sections, rounds, before)
  draw(sections)
  write(FOLDER .. "results.md", results(sections, rounds, before))
  update_readme(sections)
end


_M.describe = machine.describe


return _M
