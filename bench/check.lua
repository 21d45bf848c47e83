--- Compares the numbers of instructions of requests and calls with the recorded ones:
-- `luajit bench/check.lua`, after `make build`. RECORD=1 in the environment records them.

package.path = "./?.lua;./build/lualib/?.lua;" .. package.path
package.cpath = "./build/lualib/?.so;" .. package.cpath

local counts = require "bench.lib.counts"
local machine = require "bench.lib.machine"
local scope = require "bench.lib.scope"


local FILE = "bench/record/instructions.txt"
local TOLERANCE = 0.05

-- Whole requests: the location, its empty counterpart, the name, and the number of requests.
local REQUESTS = {
  { "/filter", "/filter_empty", "header filter: 20 sets, 5 reads" },
  { "/exit_string", "/exit_empty", "exit: a string, one header" },
  { "/exit_small", "/exit_empty", "exit: 5 fields, 2 headers" },
  { "/exit_large", "/exit_empty", "exit: 500 objects", 20 },
  { "/error", "/exit_empty", "error, a browser's Accept" },
  { "/small?chunks=1", "/small_empty?chunks=1", "body of 2 KB in one chunk", 300 },
  { "/small?chunks=2", "/small_empty?chunks=2", "body of 2 KB in two chunks", 300 },
}

-- Calls: the loop and the name. It leaves out loops that depend on the order of `pairs`, because
-- their counts differ from run to run.
local CALLS = {
  { "get_header_hit", "get_header(name), present" },
  { "set_header", "set_header(name, value)" },
  { "set_header_number", "set_header(name, number)" },
  { "exit_string", "exit(200, string) in header_filter" },
  { "get_raw_body", "get_raw_body(), a chunk of 16 KB" },
  { "json_read_products_500", "JSON read: 500 objects" },
}

local HEAD = [[
`make bench-check` compares the instructions that a worker executes with these. It fails where
there are over 5 %% more. `make bench-check RECORD=1` writes them. Whole requests are counted above
an empty request in the same phases.

* Recorded: %s
* %s

| | JIT on | JIT off |
|---|---:|---:|
]]


local function read_record()
  local file = io.open(FILE)
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  local recorded = {}
  for name, on, off in text:gmatch("\n| ([^|\n]+) | (%d+) | (%d+) |") do
    recorded[name] = { tonumber(on), tonumber(off) }
  end
  return recorded, text:match("\n%* (Versions: [^\n]*)")
end


local function versions()
  for _, line in ipairs(machine.describe()) do
    if line:find("^Versions") then
      return line
    end
  end
end


-- { name, with the JIT on, with the JIT off } of every case.
local function measure()
  local rows = {}
  for column, jit_on in ipairs { true, false } do
    scope(function(keep)
      local counter = keep(counts.start(jit_on))
      for i, case in ipairs(REQUESTS) do
        rows[i] = rows[i] or { case[3] }
        rows[i][1 + column] = counter:request(case[1], case[2], case[4])
      end
      for i, case in ipairs(CALLS) do
        local at = #REQUESTS + i
        rows[at] = rows[at] or { case[2] }
        rows[at][1 + column] = counter:call(case[1])
      end
      counter.side:check()
    end)
  end
  return rows
end


local function write_record(rows)
  local file = assert(io.open(FILE, "w"))
  assert(file:write(HEAD:format(os.date("!%Y-%m-%d"), versions())))
  for _, row in ipairs(rows) do
    assert(file:write(("| %s | %.0f | %.0f |\n"):format(unpack(row))))
  end
  file:close()
  print("The counts are in " .. FILE .. ".")
end


-- Prints the comparison. Returns whether no case needs more instructions than allowed.
local function compare(rows, recorded)
  local is_fine = true
  print(("%-42s %12s %12s %8s"):format("instructions", "recorded", "now", "change"))
  for column, mode in ipairs { "JIT on", "JIT off" } do
    for _, row in ipairs(rows) do
      local name, now = row[1], row[1 + column]
      local before = recorded[name] and recorded[name][column]
      local change = before and now / before - 1
      local is_more = not change or change > TOLERANCE
      local verdict = not change and "  not recorded" or is_more and "  too many"
                      or change < -TOLERANCE and "  fewer: use RECORD=1" or ""
      print(("%-42s %12s %12.0f %8s%s"):format(
        name .. ", " .. mode, before or "", now,
        change and ("%+.1f %%"):format(change * 100) or "", verdict))
      is_fine = is_fine and not is_more
    end
  end
  return is_fine
end


if os.getenv("RECORD") == "1" then
  write_record(measure())
else
  local recorded, recorded_versions = read_record()
  if recorded_versions ~= versions() then
    print("The record was made with other versions, whose counts may differ:")
    print("  recorded: " .. (recorded_versions or "nothing"))
    print("  here:     " .. versions())
  end
  if not compare(measure(), recorded) then
    io.stderr:write("more instructions than recorded in ", FILE, "\n")
    os.exit(1)
  end
end
