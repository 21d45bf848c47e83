--- Measures ours against plain Lua: `luajit bench/run.lua [PART...]`, behind `make build`.
-- ROUNDS in the environment is the number of rounds.

package.path = "./?.lua;./build/lualib/?.lua;" .. package.path
package.cpath = "./build/lualib/?.so;" .. package.cpath

local report = require "bench.lib.report"


local PARTS = { "kit", "calls", "requests", "bodies", "json" }

local rounds = tonumber(os.getenv("ROUNDS") or 7)
if not rounds or rounds < 5 then
  io.stderr:write("ROUNDS is a number from 5 up\n")
  os.exit(2)
end

local asked = { ... }
for _, part in ipairs(asked) do
  if not (" " .. table.concat(PARTS, " ") .. " "):find(" " .. part .. " ", 1, true) then
    io.stderr:write(("no part %q: there are %s\n"):format(part, table.concat(PARTS, ", ")))
    os.exit(2)
  end
end

for _, part in ipairs(#asked > 0 and asked or PARTS) do
  for _, section in ipairs(require("bench.parts." .. part) { rounds = rounds }) do
    print(report.text(section))
  end
end
