--- Reads the tables of a case: their fields, and lists of headers.

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


--- Checks that a table has only known fields, and that each has the right type.
-- @tparam table value
-- @tparam table known types by name: `"string"`, `"string table"` for two types, `""` for any type
-- @tparam string what the name of the table in errors
-- @tparam[opt] string path the text before the names of fields in errors; the default is the name
--   of the table and a dot
-- @raise `<what> must be a table, got <type>`; `unknown field "<name>" of <what>`, with
--   `: did you mean "<name>"?` for a similar name; `<what>.<name> must be a <type>, got <type>`
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
    -- `find` is enough, because no name of a type is a part of another name.
    if expected ~= "" and expected ~= got and not find(expected, got, 1, true) then
      error(fmt("%s%s must be a %s, got %s", path or what .. ".", name,
                gsub(expected, " ", " or "), got), 0)
    end
  end
end


--- Returns a key that an array cannot have, as text for messages; nil if the table is an array.
function _M.stray_key(value)
  local length = #value
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > length or key % 1 ~= 0 then
      return type(key) == "string" and fmt("%q", key) or tostring(key)
    end
  end
end


--- Checks that a table is an array without holes.
-- @raise `<what> must be a string or a list of strings, got a table with the key <key>`
function _M.check_list(value, what)
  local key = _M.stray_key(value)
  if key then
    error(fmt("%s must be a string or a list of strings, got a table with the key %s", what, key),
          0)
  end
end


-- The name must be a token of RFC 9110.
local function check_name(name, what)
  if not find(name, "^[%w!#$%%&'*+.^_`|~-]+$") then
    error(fmt("%s[%q] is not a header name", what, name), 0)
  end
end


local function value_of(value, name, what)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(fmt("%s[%q] must be a string or a list of strings, got %s", what, name, kind), 0)
  elseif kind == "string" and find(value, "[\r\n%z]") then
    error(fmt("%s[%q] must not have a line end or a zero byte, got %q", what, name, value), 0)
  end
  return tostring(value)
end


--- Returns headers as an ordered list of `{ name, value }`.
-- @tparam ?table given such a list, or a table of values by name (then the result is sorted). An
--   array as a value repeats the header.
-- @tparam string what the name of the table in errors
-- @treturn table
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


--- Returns the first value of a header in a list, or nil.
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


--- Returns the values of a list by name. The value of a repeated header is an array.
-- @tparam table list
-- @tparam number count the number of headers to read
-- @tparam ?boolean raw true keeps the case of names; otherwise they become lower-case
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


--- Returns the values of a list by name. The table finds names in any case, and with `_` for `-`.
function _M.by_name(list)
  return setmetatable(_M.collect(list, #list), by_name)
end


return _M
