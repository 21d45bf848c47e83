--- The upstream of the bodies, in another worker, which is not measured.

local ngx = ngx


local PIECE = 65536
local FLUSH_EVERY = 16 -- pieces

local _M = {}

local number = 0

local letters = {}
for i = 1, PIECE do
  letters[i] = string.char(33 + (i * 7919 + math.floor(i / 251) * 31) % 90)
end
local filler = table.concat(letters)


--- A body of `?size=` bytes. Each body is different: its number is at both ends.
function _M.content()
  local size = tonumber(ngx.var.arg_size)
  number = number + 1
  local text = ("%016d"):format(number):sub(-math.min(16, size))
  ngx.header.content_length = size
  local left = size - #text
  if left <= PIECE then
    local rest = filler:sub(1, math.max(left - 16, 0))
    ngx.print(text, rest, text:sub(#rest - left))
    return
  end
  ngx.print(text)
  local pieces = 0
  while left > 0 do
    if left > PIECE + 16 then
      ngx.print(filler)
      left = left - PIECE
    elseif left > 16 then
      ngx.print(filler:sub(1, left - 16))
      left = 16
    else
      ngx.print(text:sub(-left))
      left = 0
    end
    pieces = pieces + 1
    if pieces % FLUSH_EVERY == 0 then
      ngx.flush(true)
    end
  end
end


--- Half a body of `?size=` bytes. The other half never comes.
function _M.stalled()
  local size = tonumber(ngx.var.arg_size)
  ngx.header.content_length = size
  ngx.print(filler:rep(size / 2 / PIECE))
  ngx.flush(true)
  ngx.sleep(60)
end


return _M
