--- Finds the deprecated fields that a config sets.

local deprecation = require "kong.response.pdk.log.deprecation"
local values = require "kong.response.schema.values"


local dump = values.dump
local ipairs = ipairs
local pairs = pairs
local type = type


local NULL = values.NULL

local _M = {}


local function walk(field, value, warn)
  if value == nil or value == NULL then
    return
  end
  local deprecated = field.deprecation
  if deprecated and dump(value) ~= dump(deprecated.old_default) then
    warn(deprecated.message, { removal = deprecated.removal_in_version })
  end
  if type(value) ~= "table" then
    return
  end
  for _, list in ipairs { field.list or {}, field.shorthands or {} } do
    for _, entry in ipairs(list) do
      walk(entry.field, value[entry.name], warn)
    end
  end
  if field.elements or field.values then
    for _, item in pairs(value) do
      walk(field.elements or field.values, item, warn)
    end
  end
end


--- Returns the warnings about a valid config without defaults.
-- @tparam table field a result of `definition.field`
-- @param value
-- @treturn table an array of texts, in the order of the fields
function _M.of(field, value)
  local texts = {}
  walk(field, value, deprecation(function(text)
    texts[#texts + 1] = text
  end))
  return texts
end


return _M
