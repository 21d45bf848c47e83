--- Reads the tables that describe a test: their fields, and lists of headers.

local names = require "kong.response.names"


local error = error
local find = string.find
local pairs = pairs
local tostring = tostring
local type = type
local fmt = string.format
local gsub = string.gsub
local lower = string.lower
local rawget = rawget
local setmetatable = setmetatable
local sort = table.sort


local _M = {}


--- Sees to it that a table has no field but the known ones, each of its type.
-- @tparam table value
-- @tparam table known types by name: `"string"`, several as `"string table"`, `""` where the caller
--   checks
-- @tparam string what the name of the table in errors
-- @tparam[opt] string path what stands before the names of fields, by default the table's name
-- @raise `<what> must be a table, got <type>`, `unknown field "<name>" of <what>` and, where one is
--   near, `: did you mean "<name>"?`, `<what>.<name> must be a <type>, got <type>`
function _M.check(value, known, what, path)
  if type(value) ~= "table" then
    error(fmt("%s must be a table, got %s", what, type(value)), 0)
  end
  for name, field in pairs(value) do
    local expected, got = known[name], type(field)
    if not expected then
      name = tostring(name)
      error(fmt("unknown field %q of %s%s", name, what, names.suggestion(name, known)), 0)
    end
    -- No name of a type is a part of another one's.
    if expected ~= "" and expected ~= got and not find(expected, got, 1, true) then
      error(fmt("%s%s must be a %s, got %s", path or what .. ".", name,
                gsub(expected, " ", " or "), got), 0)
    end
  end
end


--- A key of a table that makes it no list, as it is shown; nil if there is none.
function _M.stray_key(value)
  local length = #value
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > length or key % 1 ~= 0 then
      return type(key) == "string" and fmt("%q", key) or tostring(key)
    end
  end
end


--- Sees to it that a table is a list, without holes.
-- @raise `<what> must be a string or a list of strings, got a table with the key <key>`
function _M.check_list(value, what)
  local key = _M.stray_key(value)
  if key then
    error(fmt("%s must be a string or a list of strings, got a table with the key %s", what, key),
          0)
  end
end


-- What RFC 9110 calls a token.
local function check_name(name, what)
  if not find(name, "^[%w!#$%%&'*+.^_`|~-]+$") then
    error(fmt("%s[%q] is not a header name", what, name), 0)
  end
end


local function value_of(value, name, what)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(fmt("%s[%q] must be a string or a list of strings, got %s", what, name, kind), 0)
  end
  return tostring(value)
end


--- An ordered list of `{ name, value }` of headers given as such a list, or by name (then sorted);
-- an array as a value repeats the header.
-- @raise `<what>[<i>] must be { name, value }`, `<what>["<name>"] is not a header name`,
--   `<what>["<name>"] must be a string or a list of strings, got <type>`
function _M.headers(given, what)
  given = given or {}
  local list = {}
  local named = {}
  local length = #given
  for name, value in pairs(given) do
    if type(name) == "string" then
      check_name(name, what)
      named[#named + 1] = name
    elseif type(value) ~= "table" or type(value[1]) ~= "string" or type(name) ~= "number"
      or name < 1 or name > length
    then
      error(fmt("%s[%s] must be { name, value }", what, tostring(name)), 0)
    end
  end
  for i = 1, length do
    if given[i] == nil then
      error(fmt("%s[%d] must be { name, value }", what, i), 0)
    end
    local name = given[i][1]
    check_name(name, what)
    list[i] = { name, value_of(given[i][2], name, what) }
  end
  sort(named)
  for i = 1, #named do
    local name = named[i]
    local value = given[name]
    if type(value) == "table" then
      _M.check_list(value, fmt("%s[%q]", what, name))
      for j = 1, #value do
        list[#list + 1] = { name, value_of(value[j], name, what) }
      end
    else
      list[#list + 1] = { name, value_of(value, name, what) }
    end
  end
  return list
end


local function fold(name)
  return (gsub(lower(name), "_", "-"))
end


--- The first value of a header in a list.
function _M.find(list, name)
  name = fold(name)
  for i = 1, #list do
    if fold(list[i][1]) == name then
      return list[i][2]
    end
  end
  return nil
end


local by_name = {
  __index = function(headers, name)
    if type(name) == "string" then
      return rawget(headers, fold(name))
    end
  end,
}


--- A table of a list: values by name, an array of them where the header is repeated.
-- @tparam table list
-- @tparam number count of headers that are read
-- @tparam ?boolean raw whether names keep their case; they become lower-case otherwise
function _M.collect(list, count, raw)
  local headers = {}
  for i = 1, count do
    local name, value = list[i][1], list[i][2]
    if not raw then
      name = lower(name)
    end
    local before = headers[name]
    if type(before) == "table" then
      before[#before + 1] = value
    elseif before then
      headers[name] = { before, value }
    else
      headers[name] = value
    end
  end
  return headers
end


--- A table of a list whose names are found in any case, and with `_` for `-`.
function _M.by_name(list)
  return setmetatable(_M.collect(list, #list), by_name)
end


return _M
