--- Shows values as JSON with sorted names, so that people can compare them.

local concat = table.concat
local floor = math.floor
local fmt = string.format
local getmetatable = getmetatable
local gsub = string.gsub
local json = require "kong.response.json"
local pairs = pairs
local rep = string.rep
local sort = table.sort
local tostring = tostring
local type = type


local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t",
}

local MAX_DEPTH = 20
-- Tables can hold each other, so that a few of them would fill the memory.
local MAX_VALUES = 1000


local function quote(text)
  return '"' .. gsub(text, '[%z\1-\31"\\\127]', function(char)
    return ESCAPES[char] or fmt("\\u%04x", char:byte())
  end) .. '"'
end


-- Returns the length of an array, or nil for another table.
local function length_of(value)
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      return nil
    end
    count = count + 1
  end
  return count == #value and count > 0 and count or nil
end


-- Whether a metatable marks the table as an array, even if it is empty.
local function is_marked(value)
  local metatable = getmetatable(value)
  return metatable == json.array_mt or metatable == json.empty_array_mt
end


local function sorted_names(value)
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  sort(names, function(one, other)
    return tostring(one) < tostring(other)
  end)
  return names
end


local function show(value, depth, seen)
  local kind = type(value)
  if value == json.null then
    return "null"
  elseif value == json.empty_array then
    return "[]"
  elseif kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return floor(value) == value and fmt("%.14g", value) or fmt("%.17g", value)
  elseif kind ~= "table" then
    -- JSON has no form for other types, so they become `<function>` and so on.
    return (kind == "boolean" or kind == "nil") and tostring(value) or "<" .. kind .. ">"
  elseif depth > MAX_DEPTH then
    return "..."
  end

  local items = {}
  local length = length_of(value)
  local names = length and {} or sorted_names(value)
  for i = 1, length or #names do
    seen.values = seen.values + 1
    if seen.values > MAX_VALUES then
      items[i] = "..."
      break
    end
    local item = show(value[length and i or names[i]], depth + 1, seen)
    items[i] = length and item or quote(tostring(names[i])) .. ": " .. item
  end
  local open, close = length and "[" or "{", length and "]" or "}"
  if #items == 0 then
    return is_marked(value) and "[]" or open .. close
  end
  local line = "\n" .. rep("  ", depth)
  return open .. line .. "  " .. concat(items, "," .. line .. "  ") .. line .. close
end


--- Returns a value as JSON on several lines. `...` replaces tables inside 20 others, and what
-- follows the first 1,000 values.
return function(value)
  return show(value, 0, { values = 0 })
end
