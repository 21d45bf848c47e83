--- The values in the document of `kong.log.serialize`: copies of entities, and values that plugins
-- add.

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


--- Returns the keys in a path: those of `a.b\.c` are `a` and `b.c`.
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


--- Returns a deep copy of a value. The copy has the same metatables.
function _M.deep(value)
  return copy(value, {})
end


--- Returns the error in a value that a plugin adds, or nil.
function _M.mistake(value)
  if not is_fit(value, {}) then
    return BAD_VALUE
  end
end


--- Sets a value at a path in a document.
-- @tparam table document
-- @tparam string path for example `a.b\.c`
-- @param value
-- @tparam string mode `set`, `add` (only if there is no value), or `replace` (only if there is one)
-- @treturn ?string the error
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
    -- A copy, because later values may be set in it.
    place[key] = _M.deep(value)
  end
end


return _M
