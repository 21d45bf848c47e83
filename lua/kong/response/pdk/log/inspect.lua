--- Shows values as Lua, for people who debug, in the format of inspect.lua 3.1.3.

local concat = table.concat
local find = string.find
local floor = math.floor
local fmt = string.format
local getmetatable = getmetatable
local gsub = string.gsub
local match = string.match
local pairs = pairs
local rawget = rawget
local rep = string.rep
local sort = table.sort
local tostring = tostring
local type = type


local MAX_DEPTH = 30

local ESCAPES = {
  ["\a"] = "\\a", ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\v"] = "\\v", ["\f"] = "\\f",
  ["\r"] = "\\r", ["\\"] = "\\\\",
}

local ORDER = {
  number = 1, boolean = 2, string = 3, table = 4, ["function"] = 5, userdata = 6, thread = 7,
}


local function quote(text)
  text = gsub(text, "([%c\\])(%d?)", function(c, digit)
    local code = ESCAPES[c] or fmt(digit == "" and "\\%d" or "\\%03d", c:byte())
    return code .. digit
  end)
  if find(text, '"', 1, true) and not find(text, "'", 1, true) then
    return "'" .. text .. "'"
  end
  return '"' .. gsub(text, '"', '\\"') .. '"'
end


local function before(one, other)
  local of_one, of_other = type(one), type(other)
  if of_one == of_other and (of_one == "string" or of_one == "number") then
    return one < other
  end
  local rank, other_rank = ORDER[of_one] or 100, ORDER[of_other] or 100
  if rank == other_rank then
    return tostring(one) < tostring(other)
  end
  return rank < other_rank
end


local function length_of(value)
  local length = 0
  while rawget(value, length + 1) ~= nil do
    length = length + 1
  end
  return length
end


-- Returns a number for a table, a function or another value without a text of its own.
local function number_of(state, value)
  local kind = type(value)
  local number = state.numbers[value]
  if not number then
    number = (state.counts[kind] or 0) + 1
    state.counts[kind] = number
    state.numbers[value] = number
  end
  return number
end


-- Counts how often each table appears.
local function count_tables(value, counts)
  if type(value) ~= "table" then
    return
  end
  counts[value] = (counts[value] or 0) + 1
  if counts[value] > 1 then
    return
  end
  for key, item in pairs(value) do
    count_tables(key, counts)
    count_tables(item, counts)
  end
  count_tables(getmetatable(value), counts)
end


local show


local function show_table(state, value, depth)
  if state.shown[value] then
    return fmt("<table %d>", number_of(state, value))
  elseif depth > MAX_DEPTH then
    return "{...}"
  end
  state.shown[value] = true
  local number = state.appearances[value] > 1 and fmt("<%d>", number_of(state, value)) or ""

  local length = length_of(value)
  local keys = {}
  for key in pairs(value) do
    if not (type(key) == "number" and key >= 1 and key <= length and floor(key) == key) then
      keys[#keys + 1] = key
    end
  end
  sort(keys, before)

  local items = {}
  for i = 1, length do
    items[i] = (i > 1 and ", " or " ") .. show(state, value[i], depth + 1)
  end
  local line = "\n" .. rep("  ", depth + 1)
  local function add(key, text)
    items[#items + 1] = (#items > 0 and "," or "") .. line .. key .. " = " .. text
  end
  for i = 1, #keys do
    local key = keys[i]
    local name = type(key) == "string" and match(key, "^[%a_][%w_]*$")
                 or "[" .. show(state, key, depth + 1) .. "]"
    add(name, show(state, value[key], depth + 1))
  end
  local metatable = getmetatable(value)
  if type(metatable) == "table" then
    add("<metatable>", show(state, metatable, depth + 1))
  end

  local is_long = #items > length
  return number .. "{" .. concat(items)
         .. (is_long and "\n" .. rep("  ", depth) or #items > 0 and " " or "") .. "}"
end


function show(state, value, depth)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" or kind == "boolean" or kind == "nil" or kind == "cdata" then
    return tostring(value)
  elseif kind == "table" then
    return show_table(state, value, depth)
  end
  return fmt("<%s %d>", kind, number_of(state, value))
end


--- Returns the text of a value.
return function(value)
  local appearances = {}
  count_tables(value, appearances)
  return show({ numbers = {}, counts = {}, shown = {}, appearances = appearances }, value, 0)
end
