--- The hot loops, each with many calls of one function of `kong.response` in one request. Each loop
-- is a function of its own, so that LuaJIT compiles each separately.

local band = require("bit").band
local fields = require "bench.worker.fields"

local ngx = ngx
local response = kong.response


local RESPONSE, ADDED = fields.RESPONSE, fields.ADDED
local PRESENT = {}
for i, field in ipairs(RESPONSE) do
  PRESENT[i] = field[1]
end
local ABSENT = fields.ABSENT
assert(#PRESENT == 16 and #ABSENT == 16 and #ADDED == 8, "the loops count on it")

local FIVE = require("bench.worker.values").five
local TWO_HEADERS = { ["Cache-Control"] = "no-store", ["X-Request-Id"] = "4d4fa917ea095b96" }
local CHUNK = ("0123456789abcdef"):rep(1023)
local number = 1e6
local SMALL = '{"name":"espresso","price":2.5}'


local function fill()
  local header = ngx.header
  for i = 1, #RESPONSE do
    header[RESPONSE[i][1]] = RESPONSE[i][2]
  end
end


local function nothing()
end


-- `loops`: the number of requests, and of calls in each. The time of `prepare` does not count. Each
-- loop keeps the result of a call until its end, so that the compiler cannot remove the call.
local _M = {}


_M.get_status = { requests = 4, calls = 20000, prepare = fill, run = function(n)
  local get_status = response.get_status
  local last
  for _ = 1, n do
    last = get_status()
  end
  return last
end }


_M.get_header_hit = { requests = 4, calls = 4000, prepare = fill, run = function(n)
  local get_header = response.get_header
  local last
  for i = 1, n do
    last = get_header(PRESENT[band(i, 15) + 1])
  end
  return last
end }


_M.get_header_miss = { requests = 4, calls = 4000, prepare = fill, run = function(n)
  local get_header = response.get_header
  local last
  for i = 1, n do
    last = get_header(ABSENT[band(i, 15) + 1])
  end
  return last
end }


_M.get_headers = { requests = 4, calls = 2000, prepare = fill, run = function(n)
  local get_headers = response.get_headers
  local last
  for _ = 1, n do
    last = get_headers()
  end
  return last
end }


_M.get_source = { requests = 4, calls = 20000, prepare = fill, run = function(n)
  local get_source = response.get_source
  local last
  for _ = 1, n do
    last = get_source()
  end
  return last
end }


_M.set_status = { requests = 4, calls = 20000, prepare = fill, run = function(n)
  local set_status = response.set_status
  for _ = 1, n do
    set_status(200)
  end
end }


_M.set_header = { requests = 40, calls = 320, prepare = fill, run = function(n)
  local set_header = response.set_header
  for i = 1, n do
    local field = RESPONSE[band(i, 15) + 1]
    set_header(field[1], field[2])
  end
end }


_M.set_header_number = { requests = 40, calls = 320, prepare = fill, run = function(n)
  local set_header = response.set_header
  for i = 1, n do
    set_header("X-RateLimit-Remaining", band(i, 1023))
  end
end }


_M.set_header_boolean = { requests = 40, calls = 320, prepare = fill, run = function(n)
  local set_header = response.set_header
  for i = 1, n do
    set_header("X-RateLimit-Remaining", band(i, 1) == 0)
  end
end }


-- Each call makes the list longer.
_M.add_header = { requests = 200, calls = 64, prepare = fill, run = function(n)
  local add_header = response.add_header
  for i = 1, n do
    local field = ADDED[band(i, 7) + 1]
    add_header(field[1], field[2])
  end
end }


_M.add_header_number = { requests = 200, calls = 64, prepare = fill, run = function(n)
  local add_header = response.add_header
  for i = 1, n do
    add_header(ADDED[band(i, 7) + 1][1], band(i, 1023))
  end
end }


_M.add_header_boolean = { requests = 200, calls = 64, prepare = fill, run = function(n)
  local add_header = response.add_header
  for i = 1, n do
    add_header(ADDED[band(i, 7) + 1][1], band(i, 1) == 0)
  end
end }


-- nginx keeps an unused slot for each removed header, so a request has only one round.
_M.clear_header = { requests = 600, calls = 16, prepare = fill, run = function(n)
  local clear_header = response.clear_header
  for i = 1, n do
    clear_header(PRESENT[band(i, 15) + 1])
  end
end }


_M.set_headers = { requests = 40, calls = 50, prepare = fill, run = function(n)
  local set_headers, eight = response.set_headers, fields.EIGHT
  for _ = 1, n do
    set_headers(eight)
  end
end }


_M.exit_string = { requests = 40, calls = 100, prepare = nothing, run = function(n)
  local exit = response.exit
  for _ = 1, n do
    exit(200, SMALL)
  end
end }


_M.exit_table = { requests = 40, calls = 100, prepare = nothing, run = function(n)
  local exit = response.exit
  for _ = 1, n do
    exit(200, FIVE, TWO_HEADERS)
  end
end }


_M.error = { requests = 40, calls = 100, prepare = nothing, run = function(n)
  local send = response.error
  for _ = 1, n do
    send(404)
  end
end }


-- Each call gets a different chunk of 16 KB. The loop does not reach the end of the body.
_M.get_raw_body = { requests = 10, calls = 64, phase = "body_filter", prepare = nothing,
                    run = function(n)
  local get_raw_body = response.get_raw_body
  local arg, chunk = ngx.arg, { "", CHUNK }
  for _ = 1, n do
    -- Pass pieces, so that nginx makes the chunk. With one string, the chunk would exist before the
    -- call.
    number = number + 1
    chunk[1] = tostring(number)
    arg[1] = chunk
    get_raw_body()
  end
end }


_M.get_raw_body_again = { requests = 4, calls = 2000, phase = "body_filter", prepare = nothing,
                          run = function(n)
  local get_raw_body = response.get_raw_body
  for _ = 1, n do
    get_raw_body()
  end
end }


_M.set_raw_body = { requests = 40, calls = 100, phase = "body_filter", prepare = nothing,
                    run = function(n)
  local set_raw_body = response.set_raw_body
  for _ = 1, n do
    set_raw_body(SMALL)
  end
end }


return _M
