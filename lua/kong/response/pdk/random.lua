--- Random bytes from the operating system.

local byte = string.byte
local fmt = string.format
local gsub = string.gsub
local open = io.open
local random = math.random
local sub = string.sub


local _M = {}


--- Returns `count` random bytes as hex digits.
function _M.hex(count)
  local file = open("/dev/urandom", "rb")
  local bytes = file and file:read(count)
  if file then
    file:close()
  end
  if not bytes then
    return (gsub(("x"):rep(count), "x", function()
      return fmt("%02x", random(0, 255))
    end))
  end
  return (gsub(bytes, ".", function(c)
    return fmt("%02x", byte(c))
  end))
end


--- Returns a random UUID (version 4).
function _M.uuid()
  local digits = _M.hex(16)
  return fmt("%s-%s-4%s-a%s-%s", sub(digits, 1, 8), sub(digits, 9, 12), sub(digits, 14, 16),
             sub(digits, 18, 20), sub(digits, 21, 32))
end


return _M
