-- Decompresses gzip bodies, for later plugins (with a lower PRIORITY) that read or change them.
-- Needs lua-zlib: Debian's package lua-zlib, LuaRocks' lua-zlib.
--
--     { plugin = require "examples.gunzip.plugin", config = {
--         max_size = 10 * 1024 * 1024, -- bytes of a decompressed body
--     } }

local zlib = require "zlib"


local Gunzip = { PRIORITY = 900 }


local MAX_SIZE = 10 * 1024 * 1024

-- One byte can become a thousand. The size of a slice limits how far the result exceeds the limit.
local SLICE = 4096

local GZIP = 31 -- zlib's window bits for it


local function unpack(packed, max_size)
  local pieces, size, position = {}, 0, 1
  -- A body can have several gzip members, one after the other.
  while position <= #packed do
    local member, start = zlib.inflate(GZIP), position
    repeat
      if position > #packed then
        return nil, "it ends too early"
      end
      local ok, piece, ended, used = pcall(member, packed:sub(position, position + SLICE - 1))
      if not ok then
        return nil, piece
      end
      size = size + #piece
      if size > max_size then
        return nil, "it has more than " .. max_size .. " bytes"
      end
      pieces[#pieces + 1] = piece
      position = ended and start + used or position + SLICE
    until ended
  end
  return table.concat(pieces)
end


function Gunzip:header_filter(config)
  local encoding = kong.response.get_header("Content-Encoding")
  if not encoding or encoding:lower() ~= "gzip" then
    return
  end
  -- A part of a gzip body is not a gzip body.
  if kong.response.get_status() == 206 then
    return
  end

  kong.ctx.plugin.unpack = true
  kong.response.clear_header("Content-Encoding")
  kong.response.clear_header("Content-Length")
  kong.response.clear_header("Accept-Ranges")
  -- The bytes change, but not their meaning.
  local etag = kong.response.get_header("ETag")
  if etag and etag:sub(1, 2) ~= "W/" then
    kong.response.set_header("ETag", "W/" .. etag)
  end
end


function Gunzip:body_filter(config)
  if not kong.ctx.plugin.unpack then
    return
  end

  local packed = kong.response.get_raw_body()
  if not packed or packed == "" then
    return -- before the end of the body, or an empty body
  end
  local body, err = unpack(packed, config.max_size or MAX_SIZE)
  if not body then
    -- nginx has sent the headers. So break off the response, and the client sees the error.
    error("the upstream's body cannot be unpacked: " .. err)
  end
  kong.response.set_raw_body(body)
end


return Gunzip
