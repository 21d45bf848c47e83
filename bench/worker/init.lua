--- Sets up a worker that is measured: `start(side, jit_on)` in init_by_lua.

local ffi = require "ffi"

local C = ffi.C


-- A function of the C library that nothing else in the worker calls.
ffi.cdef "unsigned int gnu_dev_major(unsigned long device);"

local _M = {}

local clock
local before = 0


--- Sends a text that the client can find among pipelined responses.
local function reply(text)
  ngx.header.content_length = #text
  ngx.print(text)
end

_M.reply = reply


function _M.start(side, jit_on)
  if not jit_on then
    -- Set this first, because the library reads it when it is loaded.
    jit.off()
  end
  kong = { ctx = {} }
  kong.response = require(side == "peer" and "bench.peer.response" or "kong.response")
  --- The JSON module of this side.
  _M.json = require(side == "peer" and "bench.peer.cjson" or "kong.response.json")
  clock = require "bench.worker.clock"
  require "bench.worker.loops"
  require "bench.worker.requests"
end


--- Calls the function at which callgrind writes its count and starts from zero: see
-- bench/lib/counts.lua.
function _M.mark()
  C.gnu_dev_major(0)
  reply("marked")
end


--- Answers with the worker's CPU time since the last call, in nanoseconds.
function _M.cpu()
  local now = clock()
  reply(("%.0f"):format(now - before))
  before = clock()
end


return _M
