--- Writes values of sequences as Lua source, and reads them. A value without a literal is { special
-- = name }.

local concat = table.concat
local fmt = string.format


local function quote(text)
  return '"' .. text:gsub('[%z\1-\31\127-\255"\\]', function(byte)
    if byte == '"' or byte == "\\" then
      return "\\" .. byte
    elseif byte == "\n" then
      return "\\n"
    elseif byte == "\r" then
      return "\\r"
    end
    return fmt("\\%03d", byte:byte())
  end) .. '"'
end


local function number(value)
  if value ~= value then
    return "0/0"
  elseif value == math.huge then
    return "1/0"
  elseif value == -math.huge then
    return "-1/0"
  end
  local text = fmt("%.14g", value)
  return tonumber(text) == value and text or fmt("%.17g", value)
end


local source


local function key_source(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then
    return key
  end
  return "[" .. source(key) .. "]"
end


local SPECIALS = {
  ["function"] = "print",
  userdata = "io.stdout",
  cycle = "cycle",
  loud = "loud",
}


local function order(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then
    return ta < tb
  elseif ta == "number" or ta == "string" then
    return a < b
  end
  return tostring(a) < tostring(b)
end


--- Returns a value as Lua source. The keys of tables are sorted.
function source(value, depth)
  depth = depth or 0
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "nil" or kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" or depth > 6 then
    return "<" .. kind .. ">"
  elseif rawget(value, "special") then
    return SPECIALS[value.special]
  end

  local items, keys, length = {}, {}, 0
  while rawget(value, length + 1) ~= nil do
    length = length + 1
    items[length] = source(value[length], depth + 1)
  end
  for key in next, value do
    if type(key) ~= "number" or key < 1 or key > length or key % 1 ~= 0 then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, order)
  for _, key in ipairs(keys) do
    items[#items + 1] = key_source(key) .. " = " .. source(rawget(value, key), depth + 1)
  end
  return #items == 0 and "{}" or "{ " .. concat(items, ", ") .. " }"
end


--- Returns the `n` arguments of a call as Lua source.
local function list(values, n)
  local items = {}
  for i = 1, n do
    items[i] = source(values[i])
  end
  return concat(items, ", ")
end


local function special(name)
  if name == "function" then
    return print
  elseif name == "userdata" then
    return io.stdout
  elseif name == "cycle" then
    local cycle = {}
    cycle.cycle = cycle
    return cycle
  end
  return setmetatable({}, { __tostring = function()
    return "loud"
  end })
end


--- Returns a copy in which every { special = name } is replaced with its value.
local function real(value)
  if type(value) ~= "table" then
    return value
  elseif value.special then
    return special(value.special)
  end
  -- In sorted order, because the order of insertion decides the order of `pairs`.
  local copy, keys = {}, {}
  for key in next, value do
    keys[#keys + 1] = key
  end
  table.sort(keys, order)
  for _, key in ipairs(keys) do
    copy[key] = real(value[key])
  end
  return copy
end


--- Returns a sequence as text for `load`.
local function dump(value)
  if type(value) == "table" then
    local items = {}
    for key, item in next, value do
      items[#items + 1] = "[" .. dump(key) .. "]=" .. dump(item)
    end
    return "{" .. concat(items, ",") .. "}"
  end
  return source(value)
end


local function load_dump(text)
  return assert(loadstring("return " .. text))()
end


return { source = source, list = list, real = real, dump = dump, load = load_dump }
