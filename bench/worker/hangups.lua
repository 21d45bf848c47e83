--- Bodies that arrive only in part, in a worker with a fragmented heap.

local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local reply = require("bench.worker.init").reply
local requests = require "bench.worker.requests"

local C = ffi.C
local ngx = ngx
local tonumber = tonumber


ffi.cdef [[
void *malloc(size_t size);
void free(void *block);
void *memset(void *block, int byte, size_t size);
]]

local MB = 1048576
-- The sizes of the pieces in bytes: the smallest, the difference to the next, and their number.
local LEAST, STEP, SIZES = 2000, 1700, 8

local data, size = ffi.new "unsigned char *[1]", ffi.new "size_t[1]"
local seen = 0

local _M = {}


local holes


--- Makes the heap `?mb=` larger and frees every third piece of that. Later calls allocate the freed
-- pieces and free them again. Resets the count of `seen`.
function _M.fragment()
  seen = 0
  local used = {}
  if holes then
    for i = 1, #holes do
      used[i] = C.malloc(holes[i])
      C.memset(used[i], 1, holes[i])
    end
  else
    holes = {}
    local left, i = tonumber(ngx.var.arg_mb) * MB, 0
    while left > 0 do
      i = i + 1
      local bytes = LEAST + i % SIZES * STEP
      local block = C.malloc(bytes)
      C.memset(block, 1, bytes)
      if i % 3 == 0 then
        holes[#holes + 1] = bytes
        used[#holes] = block
      end
      left = left - bytes
    end
  end
  for i = 1, #used do
    C.free(used[i])
  end
  reply("done")
end


-- ngx.arg[1] would make a Lua string of each chunk, whose cost is not measured here.
local function count()
  C.ngx_http_lua_ffi_get_body_filter_param_body(get_request(), data, size)
  seen = seen + tonumber(size[0])
end


function _M.body()
  count()
  requests.body()
end


function _M.body_empty()
  count()
  requests.body_empty()
end


--- Answers with the number of bytes that the body filter has seen since the last `fragment`.
function _M.seen()
  reply(("%.0f"):format(seen))
end


return _M
