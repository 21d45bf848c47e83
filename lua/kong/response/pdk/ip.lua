--- `kong.ip`: checks whether an address belongs to a trusted proxy.

local band = require("bit").band
local lshift = require("bit").lshift

local byte = string.byte
local find = string.find
local gmatch = string.gmatch
local match = string.match
local sub = string.sub
local tonumber = tonumber
local type = type


local function read_ipv4(text)
  local a, b, c, d = match(text, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  local bytes = { tonumber(a), tonumber(b), tonumber(c), tonumber(d) }
  for i = 1, 4 do
    if not bytes[i] or bytes[i] > 255 then
      return nil
    end
  end
  return bytes
end


--- Appends the bytes of the groups on one side of `::`. Returns false if a group is not valid. The
-- last group of an address (`is_end`) may be an IPv4 address.
local function read_groups(text, bytes, is_end)
  if text == "" then
    return true
  end
  local expected = 1
  for start, group, stop in gmatch(text .. ":", "()([^:]*):()") do
    if start ~= expected then
      return false
    end
    expected = stop
    if find(group, ".", 1, true) then
      local ipv4 = is_end and stop == #text + 2 and read_ipv4(group)
      if not ipv4 then
        return false
      end
      for i = 1, 4 do
        bytes[#bytes + 1] = ipv4[i]
      end
    else
      if not find(group, "^%x%x?%x?%x?$") then
        return false
      end
      local value = tonumber(group, 16)
      bytes[#bytes + 1] = (value - value % 256) / 256
      bytes[#bytes + 1] = value % 256
    end
  end
  return true
end


local function read_ipv6(text)
  local left, right = match(text, "^(.-)::(.*)$")
  local bytes, tail = {}, {}
  if not left then
    return read_groups(text, bytes, true) and #bytes == 16 and bytes or nil
  end
  if find(right, "::", 1, true) or not read_groups(left, bytes)
    or not read_groups(right, tail, true) or #bytes + #tail > 14
  then
    return nil
  end
  for _ = 1, 16 - #bytes - #tail do
    bytes[#bytes + 1] = 0
  end
  for i = 1, #tail do
    bytes[#bytes + 1] = tail[i]
  end
  return bytes
end


--- Returns the 4 or 16 bytes of an address, or nil if the text is not an address.
local function read_address(text)
  if find(text, ":", 1, true) then
    return read_ipv6(text)
  end
  return read_ipv4(text)
end


--- Reads a range: the bytes of its address, and the number of bits that it compares. Returns nil if
-- the text is not a range.
local function read_range(text)
  local address, size = match(text, "^([^/]+)/(%d+)$")
  local bytes = read_address(address or text)
  if not bytes then
    return nil
  end
  local bits = size and tonumber(size) or #bytes * 8
  if bits > #bytes * 8 then
    return nil
  end
  return { bytes = bytes, bits = bits }
end


local function contains(range, bytes)
  local of_range = range.bytes
  if #of_range ~= #bytes then
    return false
  end
  local bits = range.bits
  for i = 1, #bytes do
    if bits <= 0 then
      return true
    end
    local mask = bits >= 8 and 0xff or band(lshift(0xff, 8 - bits), 0xff)
    if band(of_range[i], mask) ~= band(bytes[i], mask) then
      return false
    end
    bits = bits - 8
  end
  return true
end


local _M = {}


--- Whether a text is an IP address. An address may have brackets: `[::1]`.
function _M.is_address(text)
  if byte(text) == 91 and byte(text, -1) == 93 then
    text = sub(text, 2, -2)
  end
  return read_address(text) ~= nil
end


--- Whether a text is an IP address, or a range such as `10.0.0.0/8`.
function _M.is_range(text)
  return read_range(text) ~= nil
end


--- Makes `kong.ip.is_trusted`.
-- @tparam ?table trusted addresses and ranges; other texts are ignored
-- @treturn function `is_trusted(address) -> boolean`
function _M.trust(trusted)
  local ranges, everything = {}, {}
  for i = 1, #(trusted or {}) do
    local range = read_range(trusted[i])
    if range then
      ranges[#ranges + 1] = range
      if range.bits == 0 then
        everything[#range.bytes] = true
      end
    end
  end
  local trusts_all = everything[4] and everything[16] or false

  return function(address)
    if trusts_all then
      return true
    end
    if #ranges == 0 or type(address) ~= "string" then
      return false
    end
    local bytes = read_address(address)
    if not bytes then
      return false
    end
    for i = 1, #ranges do
      if contains(ranges[i], bytes) then
        return true
      end
    end
    return false
  end
end


return _M
