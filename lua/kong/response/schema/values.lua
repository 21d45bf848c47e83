--- Helpers for the values that schemas check.

local json = require "kong.response.json"


local concat = table.concat
local find = string.find
local floor = math.floor
local fmt = string.format
local gmatch = string.gmatch
local match = string.match
local next = next
local pairs = pairs
local sort = table.sort
local sub = string.sub
local tostring = tostring
local type = type


local NULL = json.null

local _M = { NULL = NULL }


--- Returns a deep copy of a value, without metatables.
function _M.copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copied = {}
  for key, item in pairs(value) do
    copied[key] = _M.copy(item)
  end
  return copied
end


--- Whether a table is an array without holes.
function _M.is_sequence(value)
  if type(value) ~= "table" then
    return false
  end
  local count, highest = 0, 0
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key ~= floor(key) then
      return false
    end
    count = count + 1
    if key > highest then
      highest = key
    end
  end
  return count == highest
end


--- Returns the number of bytes of a string, or the number of entries of a table.
function _M.length(value)
  if type(value) ~= "table" then
    return #tostring(value)
  end
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  return count
end


--- Whether an entity check counts a value as absent.
function _M.is_empty(value)
  return value == nil or value == NULL or value == ""
         or type(value) == "table" and next(value) == nil
end


--- Whether a value is a reference to a vault.
function _M.is_reference(value)
  return type(value) == "string" and sub(value, 1, 9) == "{vault://" and sub(value, -1) == "}"
end


--- Returns the value at a path such as `config.redis.host`, or nil if a part of the path is
-- missing.
function _M.get(value, path)
  for name in gmatch(path, "[^.]+") do
    if type(value) ~= "table" then
      return nil
    end
    value = value[name]
  end
  return value
end


--- Sets the value at a path, and makes the missing tables of the path.
function _M.set(target, path, value)
  local head, tail = match(path, "^([^.]+)%.(.+)$")
  if not head then
    target[path] = value
    return
  end
  if type(target[head]) ~= "table" then
    target[head] = {}
  end
  return _M.set(target[head], tail, value)
end


--- Returns the keys of a table in a fixed order.
function _M.sorted_keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  sort(keys, function(one, other)
    if type(one) == type(other) and type(one) ~= "table" then
      return one < other
    end
    return tostring(one) < tostring(other)
  end)
  return keys
end


--- Returns a value as text for messages.
function _M.show(value)
  if value == NULL then
    return "null"
  end
  return tostring(value)
end


--- Returns values as text: `a, b`.
function _M.list(values)
  local shown = {}
  for i = 1, #values do
    shown[i] = _M.show(values[i])
  end
  return concat(shown, ", ")
end


--- Returns values as text: `'a', 'b'`.
function _M.quoted_list(values)
  local shown = {}
  for i = 1, #values do
    shown[i] = fmt("'%s'", _M.show(values[i]))
  end
  return concat(shown, ", ")
end


--- Returns a value as Lua source on one line.
function _M.dump(value)
  if type(value) == "string" then
    return fmt("%q", value)
  elseif type(value) ~= "table" then
    return _M.show(value)
  end
  local items, count = {}, 0
  while value[count + 1] ~= nil do
    count = count + 1
    items[count] = _M.dump(value[count])
  end
  local keys = _M.sorted_keys(value)
  for i = 1, #keys do
    local key = keys[i]
    if type(key) ~= "number" or key < 1 or key > count or key ~= floor(key) then
      local is_name = type(key) == "string" and find(key, "^[%a_][%w_]*$")
      items[#items + 1] = fmt(is_name and "%s=%s" or "[%s]=%s",
                              is_name and key or _M.dump(key), _M.dump(value[key]))
    end
  end
  return "{" .. concat(items, ",") .. "}"
end


return _M
