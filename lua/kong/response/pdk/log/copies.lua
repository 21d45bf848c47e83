--- What a log's document is made of: copies of entities, and values that plugins add.

local json = require "kong.response.json"


local find = string.find
local fmt = string.format
local getmetatable = getmetatable
local pairs = pairs
local setmetatable = setmetatable
local sub = string.sub
local tostring = tostring
local type = type


local BAD_VALUE = "value must be nil, a number, string, boolean or a non-self-referencial table"
  .. " containing numbers, string and booleans"

local SIMPLE = { ["nil"] = true, number = true, string = true, boolean = true }
local KEYS = { number = true, string = true, boolean = true }


local function copy(value, copies)
  if type(value) ~= "table" then
    return value
  elseif copies[value] then
    return copies[value]
  end
  local new = {}
  copies[value] = new
  for key, item in pairs(value) do
    new[copy(key, copies)] = copy(item, copies)
  end
  return setmetatable(new, getmetatable(value))
end


local function is_fit(value, seen)
  local kind = type(value)
  if SIMPLE[kind] or value == json.null then
    return true
  elseif kind ~= "table" or seen[value] then
    return false
  end
  seen[value] = true
  for key, item in pairs(value) do
    if not KEYS[type(key)] or not is_fit(item, seen) then
      return false
    end
  end
  return true
end


--- The keys in a path such as `a.b\.c`.
local function keys_of(path)
  local keys, key, start = {}, "", 1
  while true do
    local dot = find(path, ".", start, true)
    if not dot then
      keys[#keys + 1] = key .. sub(path, start)
      return keys
    elseif sub(path, dot - 1, dot - 1) == "\\" and dot > start then
      key = key .. sub(path, start, dot - 2) .. "."
    else
      keys[#keys + 1] = key .. sub(path, start, dot - 1)
      key = ""
    end
    start = dot + 1
  end
end


local _M = {}


--- A copy that shares no table with the value, but the metatables.
function _M.deep(value)
  return copy(value, {})
end


--- What is wrong with a value that a plugin adds; nil if nothing is.
function _M.mistake(value)
  if not is_fit(value, {}) then
    return BAD_VALUE
  end
end


--- Sets a value at a path in a document.
-- @treturn ?string what is wrong
function _M.set(document, path, value, mode)
  local keys = keys_of(path)
  local place = document
  for i = 1, #keys - 1 do
    local key = keys[i]
    local next_place = place[key]
    if next_place == nil then
      if mode == "replace" then
        return
      end
      next_place = {}
      place[key] = next_place
    elseif type(next_place) ~= "table" then
      return fmt("The key '%s' could not be used as a serialize value. Subkey '%s' is not a table."
                 .. " It's %s", path, key, tostring(next_place))
    end
    place = next_place
  end

  local key = keys[#keys]
  local is_there = place[key] ~= nil
  if mode == "set" or (mode == "add") ~= is_there then
    -- A copy: a later value may go into it.
    place[key] = _M.deep(value)
  end
end


return _M
