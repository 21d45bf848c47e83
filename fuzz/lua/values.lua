--- Bytes read as choices, and the values of Lua that they choose: plain ones, and ones that do harm
-- when somebody looks at them.

local core = require "kong.response.core"
local ffi = require "ffi"
local json = require "kong.response.json"


local byte = string.byte
local next = next
local rawset = rawset
local setmetatable = setmetatable
-- Also where the one that is there is protected.
local replace_metatable = debug.setmetatable
local sub = string.sub


-- Hostile code runs so often for one input, and answers nothing after that: nothing loops for ever.
local MOST_HARM = 200
-- So many values are made for one input.
local MOST_VALUES = 3000
local MOST_SHARED = 6

-- What is no key is left out.
local function set(target, key, value)
  if key ~= nil and key == key then
    rawset(target, key, value)
  end
end


local Input = {}
Input.__index = Input


--- @tparam string bytes behind whose end everything is zero
-- @treturn Input
local function open(bytes)
  return setmetatable({
    bytes = bytes,
    at = 0,
    -- Every table made, for hostile code to change and for later values to refer to.
    tables = {},
    made = 0,
    shared = 0,
    far = false,
    -- Whether a value can run code at all, and how often one did.
    hostile = false,
    harm = 0,
    -- Whether a function of the library is running.
    calling = false,
    -- Called by hostile code.
    again = function() end,
  }, Input)
end


function Input:more()
  return self.at < #self.bytes
end


function Input:byte()
  self.at = self.at + 1
  return byte(self.bytes, self.at) or 0
end


--- A choice: 0 to `count` - 1.
function Input:below(count)
  return self:byte() % count
end


function Input:pick(list)
  return list[self:below(#list) + 1]
end


function Input:text(most)
  local length = self:below(most + 1)
  local text = sub(self.bytes, self.at + 1, self.at + length)
  self.at = self.at + length
  return text
end


function Input:double()
  local bytes = ffi.new("uint8_t[8]")
  for i = 0, 7 do
    bytes[i] = self:byte()
  end
  -- Of all NaNs, LuaJIT knows one.
  if bytes[7] % 128 == 127 and bytes[6] >= 240 then
    return bytes[6] == 240 and (bytes[7] < 128 and 1 / 0 or -1 / 0) or 0 / 0
  end
  return ffi.cast("double *", bytes)[0]
end


local WORDS = {
  "", "message", "X-A", "x_a", "Content-Type", "Content-Length", "a/b\"\\\n\127", "\255\254", "1",
  "0", "application/grpc", "text/html", "Transfer-Encoding", "caf\195\169", "\0", "\r\nX-Evil: 1",
}

local NUMBERS = {
  0, 1, -1, 2, 3, 0.5, -0.0, 1e14, 1e15, 1e16, 2^53, 2^53 + 2, 9.95, 0.1 + 0.2, 1e308, 5e-324,
  32768, 32769, 65537, -2^31, 2^31, 1 / 0, -1 / 0, 0 / 0,
}


--- What hostile code does, before it answers something.
local HARM = {
  function() error("thrown") end,
  function() error({}) end,
  function() error() end,
  function() error(setmetatable({}, { __tostring = function() error("again") end })) end,
  function() coroutine.yield("yielded") end,
  function(_, victim)
    for key in next, victim do
      victim[key] = nil
    end
  end,
  function(_, victim)
    for i = 1, 40 do
      rawset(victim, i, i)
      rawset(victim, "more" .. i, i)
    end
  end,
  function() collectgarbage() end,
  function(_, victim, other) pcall(setmetatable, victim, getmetatable(other)) end,
  function(input) input.again(input) end,
  function(_, victim)
    rawset(victim, (next(victim)) or 1, nil)
    collectgarbage()
  end,
  function()
    local function deeper() return 1 + deeper() end
    deeper()
  end,
  function() end,
  function() collectgarbage("step", 1) end,
}


--- A function that does harm, and answers what was chosen.
function Input:trap(depth)
  self.hostile = true
  local harm, victim, other = self:pick(HARM), self:byte(), self:byte()
  local answer = self:value(depth + 1)
  -- A length costs as many looks: a few times as much for each, and an input takes minutes.
  if type(answer) == "number" and answer > 64 and answer < 2^31 then
    answer = 64
  end
  return function()
    if self.harm == MOST_HARM or #self.tables == 0 then
      return nil
    end
    self.harm = self.harm + 1
    harm(self, self.tables[victim % #self.tables + 1], self.tables[other % #self.tables + 1])
    return answer
  end
end


function Input:new_table()
  local new = {}
  self.tables[#self.tables + 1] = new
  return new
end


function Input:metatable(depth)
  local metatable = {}
  local fields = self:byte()
  if fields % 2 >= 1 then
    metatable.__len = self:trap(depth)
  end
  if fields % 4 >= 2 then
    metatable.__index = fields >= 128 and self:value(depth + 1) or self:trap(depth)
    self.hostile = true
  end
  if fields % 8 >= 4 then
    metatable.__pairs = self:trap(depth)
  end
  if fields % 16 >= 8 then
    metatable.__tostring = self:trap(depth)
  end
  if fields % 32 >= 16 then
    metatable.__newindex = self:trap(depth)
  end
  if fields % 64 >= 32 then
    metatable.__metatable = false
  end
  return metatable
end


-- By the first byte of a value.
local MAKERS = {
  function() return nil end,
  function() return true end,
  function() return false end,
  function(input) return input:below(256) end,
  function(input) return input:pick(NUMBERS) end,
  function(input) return input:double() end,
  function(input) return input:pick(WORDS) end,
  function(input) return input:text(64) end,
  function() return core.null end,
  function() return core.empty_array end,
  -- An array, perhaps with holes.
  function(input, depth)
    local array = input:new_table()
    for i = 1, input:below(8) do
      set(array, i, input:value(depth + 1))
    end
    return array
  end,
  -- An object.
  function(input, depth)
    local object = input:new_table()
    for _ = 1, input:below(8) do
      local key = input:below(2) == 0 and input:pick(WORDS) or input:text(16)
      set(object, key, input:value(depth + 1))
    end
    return object
  end,
  -- Any keys.
  function(input, depth)
    local mixed = input:new_table()
    for _ = 1, input:below(6) do
      local key = input:value(depth + 1)
      set(mixed, key, input:value(depth + 1))
    end
    return mixed
  end,
  -- One that was made before: shared, or a cycle. Few, for each may double what is to be written.
  function(input)
    local count = #input.tables
    input.shared = input.shared + 1
    if count == 0 or input.far or input.shared > MOST_SHARED then
      return {}
    end
    return input.tables[input:byte() % count + 1]
  end,
  -- Far apart; and then nothing is shared: so many holes a thousand times take too long.
  function(input, depth)
    local sparse = input:new_table()
    for _ = 1, input:below(4) do
      local power = input:below(18)
      if power > 8 then
        power = input.shared == 0 and power or 8
        input.far = true
      end
      local at = 2 ^ power + input:below(8)
      set(sparse, at, input:value(depth + 1))
    end
    return sparse
  end,
  function(input, depth)
    local value = input:value(depth + 1)
    if type(value) ~= "table" or getmetatable(value) ~= nil then
      value = input:new_table()
    end
    return replace_metatable(value, input:pick { json.array_mt, json.empty_array_mt })
  end,
  function() return print end,
  function() return coroutine.create(print) end,
  function() return io.stdout end,
  function(input) return ffi.new("int64_t", input:byte()) end,
  function() return ffi.new("void *") end,
  -- With a metatable that runs code.
  function(input, depth)
    local value = input:value(depth + 1)
    if type(value) ~= "table" or getmetatable(value) ~= nil then
      value = input:new_table()
    end
    return replace_metatable(value, input:metatable(depth))
  end,
  -- Deep.
  function(input, depth)
    local value = input:value(depth + 1)
    local levels = input:byte() * 5
    if levels > 50 then
      levels = input.shared == 0 and levels or 50
      input.far = true
    end
    for _ = 1, levels do
      value = { value }
    end
    return value
  end,
  -- A finalizer that runs whenever the collector comes by.
  function(input, depth)
    local garbage = newproxy(true)
    local trap = input:trap(depth)
    getmetatable(garbage).__gc = function()
      local ok = pcall(trap)
      -- Raised wherever something is allocated: here only in calls of the library, and not where
      -- LuaJIT would crash of it, leaving compiled code.
      if not ok and input.calling and not jit.status() then
        error("raised by a finalizer")
      end
    end
    return input:value(depth + 1)
  end,
  function(input)
    local proxy = newproxy(true)
    getmetatable(proxy).__tostring = input:trap(0)
    getmetatable(proxy).__index = input:trap(0)
    return proxy
  end,
}


--- Any value.
function Input:value(depth)
  depth = depth or 0
  self.made = self.made + 1
  if depth > 20 or self.made > MOST_VALUES then
    return nil
  end
  return self:pick(MAKERS)(self, depth)
end


--- A value of those that a caller should give; seldom any other.
function Input:likely(list)
  if self:below(6) == 0 then
    return self:value()
  end
  return self:pick(list)
end


return { open = open, WORDS = WORDS, NUMBERS = NUMBERS }
