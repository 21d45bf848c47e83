--- Hot loops and bodies for a size `n`, to measure the growth of cost.

local band = require("bit").band
local cjson = require "bench.peer.cjson"
local fields = require "bench.worker.fields"
local values = require "bench.worker.values"

local ngx = ngx
local response = kong.response


local JSON_HEADERS = { ["Content-Type"] = "application/json; charset=utf-8" }
local WORDS = {
  "X-Trace", "X-Feature", "Link-Set", "X-Upstream-Time", "X-Region", "Report", "X-Quota", "X-Shard",
  "X-Edge", "Policy", "X-Tenant-Label", "Timing", "X-Experiment", "X-Origin", "Digest", "X-Node",
}

-- The first names are those of real responses. The others are generated.
local NAMES = {}
for i = 1, 1000 do
  local field = fields.RESPONSE[i]
  NAMES[i] = field and field[1] or WORDS[band(i, 15) + 1] .. "-" .. i
end

-- `run(calls, n)`. `prepare(n)` runs before it, and its time does not count.
local _M = {}


-- Sixteen of the first `n` names, spread evenly.
local function spread(n)
  local names = {}
  for i = 1, 16 do
    names[i] = NAMES[math.ceil(i * n / 16)]
  end
  return names
end


local function fill(n)
  local header = ngx.header
  for i = 1, n do
    header[NAMES[i]] = "a value of common length"
  end
end


_M.grow_get_header = { prepare = fill, run = function(calls, n)
  local get_header, names = response.get_header, spread(n)
  local last
  for i = 1, calls do
    last = get_header(names[band(i, 15) + 1])
  end
  return last
end }


_M.grow_set_header = { prepare = fill, run = function(calls, n)
  local set_header, names = response.set_header, spread(n)
  for i = 1, calls do
    set_header(names[band(i, 15) + 1], "a value of common length")
  end
end }


-- Each plugin reads a header and sets two. All plugins use the same names, because another curve
-- shows the growth with the headers.
local function plugin(i)
  local list = fields.RESPONSE
  local value = response.get_header("Content-Type")
  response.set_header(list[band(i, 7) + 2][1], value)
  response.set_header(list[band(i, 3) + 10][1], "on")
end


local function fill_response()
  fill(#fields.RESPONSE)
end


_M.grow_plugins = { prepare = fill_response, run = function(calls, n)
  for _ = 1, calls do
    for i = 1, n do
      plugin(i)
    end
  end
end }


local value, text, nodes


local function make(n)
  if n ~= nodes then
    value, nodes = values.tree(n), n
    text = cjson.encode(value)
  end
end


_M.grow_json_table = { prepare = make, run = function(calls)
  local exit = response.exit
  for _ = 1, calls do
    exit(200, value, JSON_HEADERS)
  end
end }


_M.grow_json_string = { prepare = make, run = function(calls)
  local exit = response.exit
  for _ = 1, calls do
    exit(200, text, JSON_HEADERS)
  end
end }


_M.grow_json_cjson = { prepare = make, run = function(calls)
  local last
  for _ = 1, calls do
    last = cjson.encode(value)
  end
  return last
end }


return _M
