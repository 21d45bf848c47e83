--- `require("ngx.re")`. `split` returns the same as lua-resty-core's.

local re = require "kong.response.testing.ngx.re"


local sub = string.sub
local tostring = tostring


local _M = {}


--- It does nothing: its options change only the speed.
function _M.opt()
end


-- Adds a piece, and returns the new number of pieces.
local function add(pieces, count, piece)
  pieces[count + 1] = piece
  return count + 1
end


--- Splits a subject at the matches of an expression. Groups of the expression also become pieces.
-- Without a maximum, it leaves out empty pieces at the end.
function _M.split(subject, pattern, options, ctx, max, result)
  subject = tostring(subject)
  max = max and max > 0 and max or nil
  local pieces, count = result or {}, 0
  local from = ctx and ctx.pos or 1
  local cursor = { pos = from }
  local splits = 0
  while not max or splits < max - 1 do
    local start = cursor.pos
    local groups, err = re.match(subject, pattern, options, cursor)
    if err then
      return nil, err
    elseif not groups or cursor.pos > #subject + 1 then
      break
    end
    local after = cursor.pos
    local before = after - #groups[0]
    if groups[0] == "" then
      if start > #subject then
        break
      end
      -- An empty match splits after the next character.
      before, after = start + 1, start + 1
      if after > #subject then
        break
      end
      cursor.pos = after
    end
    count = add(pieces, count, sub(subject, from, before - 1))
    splits = splits + 1
    for i = 1, #groups do
      if groups[i] then
        count = add(pieces, count, groups[i])
      end
    end
    from = after
  end
  count = add(pieces, count, sub(subject, from))
  if not max then
    while count > 0 and pieces[count] == "" do
      pieces[count] = nil
      count = count - 1
    end
  end
  for i = #pieces, count + 1, -1 do
    pieces[i] = nil
  end
  return pieces
end


return _M
