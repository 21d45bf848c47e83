-- Unpacks gzipped bodies, for plugins behind it (with a lower PRIORITY) that read or change them.
-- Needs lua-zlib: Debian's package lua-zlib, LuaRocks' lua-zlib.
--
--     { plugin = require "examples.gunzip.plugin", config = {
--         max_size = 10 * 1024 * 1024, -- bytes of a body, unpacked
--     } }

local zlib = require "zlib"


local Gunzip = { PRIORITY = 900 }


local MAX_SIZE = 10 * 1024 * 1024

-- A byte can unpack to a thousand. What is fed at once decides how far over the limit that may go.
local SLICE = 4096

local GZIP = 31 -- zlib's window bits for it


local function unpack(packed, max_size)
  local pieces, size, position = {}, 0, 1
  -- Several members in a row are one body.
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
  -- A part of a packed body is no packed body.
  if kong.response.get_status() == 206 then
    return
  end

  kong.ctx.plugin.unpack = true
  kong.response.clear_header("Content-Encoding")
  kong.response.clear_header("Content-Length")
  kong.response.clear_header("Accept-Ranges")
  -- The bytes are others, what they mean is the same.
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
    return -- there is more to come, or nothing at all
  end
  local body, err = unpack(packed, config.max_size or MAX_SIZE)
  if not body then
    -- The head is on its way. That the response breaks off tells the client.
    error("the upstream's body cannot be unpacked: " .. err)
  end
  kong.response.set_raw_body(body)
end


return Gunzip
