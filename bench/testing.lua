-- Measures the cost of one case of a plugin's test.

package.path = "./build/lualib/?.lua;./?.lua;" .. package.path
package.cpath = "./build/lualib/?.so;" .. package.cpath

local testing = require "kong.response.testing"


local KEYS = { header = "apikey", keys = { ["key-of-alice"] = { name = "alice" } } }

local CASES = {
  { "exit in access", {
    plugin = "examples.key-check.plugin",
    config = KEYS,
  } },
  { "proxied", {
    plugin = "examples.key-check.plugin",
    config = KEYS,
    request = { headers = { apikey = "key-of-alice" } },
    upstream = { headers = { Vary = "Accept" }, body = "espresso" },
  } },
  { "proxied, strict", {
    plugin = "examples.security-headers.plugin",
    upstream = { body = "espresso" },
    strict = true,
  } },
  { "body transformed", {
    plugin = "examples.json-transform.plugin",
    config = { remove = { "internal" } },
    upstream = { headers = { ["Content-Type"] = "application/json" },
                 body = { '{"internal":1,', '"name":"espresso"}' } },
  } },
}

local BATCHES, RUNS = 20, 250


-- The smallest of the batches, because other programs only add time.
for _, case in ipairs(CASES) do
  local name, given = case[1], case[2]
  local least = math.huge
  for _ = 0, BATCHES do
    collectgarbage()
    local start = os.clock()
    for _ = 1, RUNS do
      testing.run(given)
    end
    least = math.min(least, os.clock() - start)
  end
  print(("%-20s %6.1f µs"):format(name, least / RUNS * 1e6))
end
