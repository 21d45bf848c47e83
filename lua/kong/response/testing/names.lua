--- What a misspelt name was meant to be.

local abs = math.abs
local byte = string.byte
local gsub = string.gsub
local lower = string.lower
local min = math.min
local pairs = pairs


-- The fewest letters of a name in which a wrong one is a slip, not another word.
local SHORTEST = 4


local function fold(name)
  return (gsub(lower(name), "[_-]", ""))
end


-- How many letters have to be put in, left out, replaced, or swapped with their neighbour.
local function distance(one, other)
  local before_last, last = nil, {}
  for j = 0, #other do
    last[j] = j
  end
  for i = 1, #one do
    local current = { [0] = i }
    for j = 1, #other do
      local same = byte(one, i) == byte(other, j)
      current[j] = min(last[j] + 1, current[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before_last and j > 1 and byte(one, i) == byte(other, j - 1)
        and byte(one, i - 1) == byte(other, j)
      then
        current[j] = min(current[j], before_last[j - 2] + 1)
      end
    end
    before_last, last = last, current
  end
  return last[#other]
end


local _M = {}


--- The known name that is this one in another case, with other dashes, or with one slip.
-- @tparam string name
-- @tparam table known the names are its keys
-- @treturn ?string
function _M.nearest(name, known)
  local folded = fold(name)
  local found
  for candidate in pairs(known) do
    local meant = fold(candidate)
    if meant == folded then
      return candidate
    elseif #meant >= SHORTEST and abs(#meant - #folded) <= 1 and distance(folded, meant) == 1
      and (not found or candidate < found)
    then
      found = candidate
    end
  end
  return found
end


--- `: did you mean "<name>"?`, or nothing.
function _M.suggestion(name, known)
  local meant = _M.nearest(name, known)
  return meant and ': did you mean "' .. meant .. '"?' or ""
end


return _M
