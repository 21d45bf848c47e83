--- Collects the body in the body filter, in a table of chunks. In measurements, this takes less
-- time than `string.buffer`, even with a known size, and not more memory.

local phase = require "bench.peer.phase"

local error = error
local ngx = ngx
local type = type
local concat = table.concat


local BODY = phase.BODY
local check_phase = phase.check
local arg = ngx.arg

local _M = {}


function _M.get()
  check_phase(BODY)
  local ctx = ngx.ctx
  local chunk, last = arg[1], arg[2]
  local chunks = ctx.peer_chunks
  if not chunks then
    if last then
      return chunk
    end
    chunks = { n = 0 }
    ctx.peer_chunks = chunks
  end
  if chunk ~= "" then
    local n = chunks.n + 1
    chunks.n = n
    chunks[n] = chunk
    if not last then
      arg[1] = nil
    end
  end
  if last then
    ctx.peer_chunks = nil
    local body = concat(chunks, "", 1, chunks.n)
    arg[1] = body
    return body
  end
end


function _M.set(body)
  check_phase(BODY)
  if type(body) ~= "string" then
    error("body must be a string", 2)
  end
  ngx.ctx.peer_chunks = nil
  -- Gateways send a newline for an empty body.
  arg[1] = body == "" and "\n" or body
  arg[2] = true
end


return _M
