--- Hot loops for JSON. `exit` encodes a table, but also does other work. So each value is sent as a
-- table and as the encoded string, and the difference is the cost of encoding.

local cjson = require "bench.peer.cjson"
local json = require "kong.response.json"
local values = require "bench.worker.values"

local ngx = ngx
local response = kong.response


local HEADERS = { ["Content-Type"] = "application/json; charset=utf-8" }

-- The number of calls in a loop.
local CALLS = {
  two = 2000, deep_objects = 200, deep_arrays = 200, wide = 40, short_strings = 40,
  long_strings = 40, urls = 40, integers = 40, floats = 20, products_500 = 10,
}

local function nothing()
end


local _M = {}


for name, calls in pairs(CALLS) do
  local value = values[name]
  local text

  _M["json_cjson_" .. name] = { requests = 4, calls = calls, prepare = nothing, run = function(n)
    local last
    for _ = 1, n do
      last = cjson.encode(value)
    end
    return last
  end }

  _M["json_table_" .. name] = { requests = 4, calls = calls, prepare = nothing, run = function(n)
    local exit = response.exit
    for _ = 1, n do
      exit(200, value, HEADERS)
    end
    text = ngx.ctx.response_body
  end }

  -- After the loop above.
  _M["json_string_" .. name] = { requests = 4, calls = calls, prepare = nothing, run = function(n)
    local exit = response.exit
    for _ = 1, n do
      exit(200, text, HEADERS)
    end
  end }
end


for name, calls in pairs(CALLS) do
  local text = json.encode(values[name])
  for side, decode in pairs { json = json.decode, cjson = cjson.decode } do
    _M[side .. "_read_" .. name] = {
      requests = 4, calls = calls, prepare = nothing, run = function(n)
        local last
        for _ = 1, n do
          last = decode(text)
        end
        return last
      end,
    }
  end
end

-- 1 MB of JSON: decode it, change one field, and encode it.
do
  local text = json.encode(values.products(13000))
  for side, module in pairs { json = json, cjson = cjson } do
    _M[side .. "_round_trip"] = {
      requests = 4, calls = 2, prepare = nothing, run = function(n)
        local last
        for i = 1, n do
          local value = module.decode(text)
          value[1].id = i
          last = module.encode(value)
        end
        return last
      end,
    }
  end
end


return _M
