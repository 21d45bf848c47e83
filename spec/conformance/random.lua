--- Random numbers that are the same in every process for the same seed.

local bit = require "bit"


local Random = {}
Random.__index = Random


local function next_word(self)
  -- xorshift, 32 bits
  local x = self.state
  x = bit.bxor(x, bit.lshift(x, 13))
  x = bit.bxor(x, bit.rshift(x, 17))
  x = bit.bxor(x, bit.lshift(x, 5))
  self.state = x
  return x % 4294967296
end


--- Returns an integer from `low` to `high`.
function Random:int(low, high)
  return low + next_word(self) % (high - low + 1)
end


--- Returns true once in `n` times.
function Random:once_in(n)
  return next_word(self) % n == 0
end


function Random:pick(list)
  return list[self:int(1, #list)]
end


--- Chooses one of the pairs { weight, value } by weight, and returns its value.
function Random:weighted(pairs)
  local total = 0
  for i = 1, #pairs do
    total = total + pairs[i][1]
  end
  local at = self:int(1, total)
  for i = 1, #pairs do
    at = at - pairs[i][1]
    if at <= 0 then
      return pairs[i][2]
    end
  end
end


return function(seed, index)
  local state = bit.tobit(seed * 2654435761 % 4294967296)
  state = bit.bxor(state, bit.tobit((index + 1) * 2246822519 % 4294967296))
  local random = setmetatable({ state = state == 0 and 1 or state }, Random)
  for _ = 1, 4 do
    next_word(random)
  end
  return random
end
