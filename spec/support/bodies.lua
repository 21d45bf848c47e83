--- Helpers for the specs of the body functions.

local _M = {}


--- Locations for `hosts.each`.
_M.LOCATIONS = {
  ["= /content"] = {},
  ["= /return"] = { reply = "all at once" },
  ["= /return_nothing"] = { reply = "" },
  ["= /return_204"] = { reply = 204 },
  ["= /proxy"] = { upstream = true, http_version = 1.0 },
  ["= /proxy11"] = { upstream = true },
  ["= /unbuffered"] = { upstream = true, directives = "proxy_buffering off;" },
  ["= /small_buffers"] = {
    upstream = true, http_version = 1.0,
    directives = "proxy_buffer_size 4k; proxy_buffers 64 4k; proxy_busy_buffers_size 8k;",
  },
  ["= /balanced"] = { upstream = true, balancer = true, http_version = 1.0 },
}

-- Every block of 64 KiB differs, so that a spec sees a lost, repeated or swapped block.
_M.BIG = [[
  local blocks = {}
  for i = 1, 80 do
    blocks[i] = ("%08x"):format(i):rep(8192)
  end
  local big = table.concat(blocks)
]]

_M.CLEAR_LENGTH = "ngx.header.content_length = nil"

--- Notes the results of get_raw_body.
_M.KEEP = "note(response.get_raw_body())"

--- Reverses the body, between angle brackets.
_M.WRAP = [[
  local body = response.get_raw_body()
  if body then
    response.set_raw_body("<" .. body:reverse() .. ">")
  end
]]

_M.THREE_CHUNKS = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]]


--- A string with every byte.
function _M.all_bytes()
  local bytes = {}
  for byte = 0, 255 do
    bytes[#bytes + 1] = string.char(byte)
  end
  return table.concat(bytes)
end


--- Runs the test with both versions of HTTP.
function _M.each_version(test)
  for _, http2 in ipairs { false, true } do
    test({ http2 = http2 })
  end
end


return _M
