--- Reads bytes as choices, and makes Lua values from them: plain values, and hostile values that
-- run code when something reads them.

local core = require "kong.response.core"
local ffi = require "ffi"
local json = require "kong.response.json"


local byte = string.byte
local next = next
local rawset = rawset
local setmetatable = setmetatable
-- Also replaces a metatable that is protected.
local replace_metatable = debug.setmetatable
local sub = string.sub


-- How often hostile code may run for one input. After that, it returns nothing, so that no loop is
-- endless.
local MAX_HARM = 200
-- The maximum number of values for one input.
local MAX_VALUES = 3000
local MAX_SHARED = 6

-- Leaves out values that cannot be keys.
local function set(target, key, value)
  if key ~= nil and key == key then
    rawset(target, key, value)
  end
end


local Input = {}
Input.__index = Input


--- @tparam string bytes after their end, every byte is zero
-- @treturn Input
local function open(bytes)
  return setmetatable({
    bytes = bytes,
    at = 0,
    -- All tables of this input. Hostile code changes them, and later values contain them.
    tables = {},
    made = 0,
    shared = 0,
    far = false,
    -- Whether a value can run code, and how often a value has run code.
    hostile = false,
    harm = 0,
    -- Whether a function of the library is running.
    calling = false,
    -- Hostile code calls it.
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


--- Returns a choice: a number from 0 to `count` - 1.
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
  -- LuaJIT needs the canonical NaN.
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


--- Does something hostile, before a hostile function returns.
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


--- Makes a hostile function that returns a chosen value.
function Input:trap(depth)
  self.hostile = true
  local harm, victim, other = self:pick(HARM), self:byte(), self:byte()
  local answer = self:value(depth + 1)
  -- The library reads as many items as a length says. With many long lengths, an input would take
  -- minutes.
  if type(answer) == "number" and answer > 64 and answer < 2^31 then
    answer = 64
  end
  return function()
    if self.harm == MAX_HARM or #self.tables == 0 then
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


-- The kinds of values, by the first byte of a value.
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
  -- An array, sometimes with holes.
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
  -- A table with any keys.
  function(input, depth)
    local mixed = input:new_table()
    for _ = 1, input:below(6) do
      local key = input:value(depth + 1)
      set(mixed, key, input:value(depth + 1))
    end
    return mixed
  end,
  -- A table that exists: shared, or a cycle. There are few of them, because each may double the
  -- text.
  function(input)
    local count = #input.tables
    input.shared = input.shared + 1
    if count == 0 or input.far or input.shared > MAX_SHARED then
      return {}
    end
    return input.tables[input:byte() % count + 1]
  end,
  -- A sparse array. After it, no table is shared, because writing its holes a thousand times takes
  -- too long.
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
  -- A table with a metatable that runs code.
  function(input, depth)
    local value = input:value(depth + 1)
    if type(value) ~= "table" or getmetatable(value) ~= nil then
      value = input:new_table()
    end
    return replace_metatable(value, input:metatable(depth))
  end,
  -- Deeply nested tables.
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
  -- A finalizer, which runs at any garbage collection.
  function(input, depth)
    local garbage = newproxy(true)
    local trap = input:trap(depth)
    getmetatable(garbage).__gc = function()
      local ok = pcall(trap)
      -- A finalizer raises its error at any allocation. It raises only in calls of the library, and
      -- only with the JIT off, because LuaJIT crashes if it does this in compiled code.
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


--- Returns any value.
function Input:value(depth)
  depth = depth or 0
  self.made = self.made + 1
  if depth > 20 or self.made > MAX_VALUES then
    return nil
  end
  return self:pick(MAKERS)(self, depth)
end


--- Returns one of the given values that callers use; rarely, any value.
function Input:likely(list)
  if self:below(6) == 0 then
    return self:value()
  end
  return self:pick(list)
end


return { open = open, WORDS = WORDS, NUMBERS = NUMBERS }
