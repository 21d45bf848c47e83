--- Compares the library with plain Lua: `luajit bench/run.lua [PART...]`, after `make build`. In
-- the environment, ROUNDS is the number of rounds, and RECORD=1 writes the results to
-- bench/record/.

package.path = "./?.lua;./build/lualib/?.lua;" .. package.path
package.cpath = "./build/lualib/?.so;" .. package.cpath

local machine = require "bench.lib.machine"
local record = require "bench.lib.record"
local report = require "bench.lib.report"


local PARTS = { "kit", "calls", "requests", "lifecycle", "bodies", "hangups", "json", "growth" }
local ROUNDS, LEAST_RECORDED = 5, 5


local function refuse(message)
  io.stderr:write(message, "\n")
  os.exit(2)
end


local function chosen(asked)
  local known = {}
  for _, part in ipairs(PARTS) do
    known[part] = true
  end
  for _, part in ipairs(asked) do
    if not known[part] then
      refuse(("ONLY: there is no part %q. The parts are: %s"):format(
        part, table.concat(PARTS, " ")))
    end
  end
  return #asked > 0 and asked or PARTS
end


local rounds = tonumber(os.getenv("ROUNDS") or ROUNDS)
if not rounds or rounds < 1 or rounds % 1 ~= 0 then
  refuse("ROUNDS must be a whole number, 1 or more")
end
local recording = os.getenv("RECORD") == "1"
if recording and ... then
  refuse("RECORD=1 records all parts: leave out ONLY")
elseif recording and rounds < LEAST_RECORDED then
  refuse("RECORD=1 needs ROUNDS=" .. LEAST_RECORDED .. " or more")
end

local before = record.describe()
print(table.concat(before, "\n"))
if machine.is_loaded() then
  print("WARNING: other programs keep this machine busy, and the figures vary more than usual.")
end
print([[
"peer" is the same work in plain Lua (bench/peer). For JSON, it is lua-cjson. The ratio is the
peer's figure divided by ours: 2 means that the library is twice as fast. For memory, the ratio is
our figure divided by the peer's. "target" is the ratio that this project wants to reach.]])

local sections = {}
for _, part in ipairs(chosen { ... }) do
  for _, section in ipairs(require("bench.parts." .. part) { rounds = rounds }) do
    sections[#sections + 1] = section
    print((section.points and report.curve_text or report.text)(section))
  end
end

if recording then
  record.write(sections, rounds, before)
  print("\nThe results are in bench/record/ and docs/benchmarks.md.")
end
