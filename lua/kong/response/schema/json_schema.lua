--- Checks the values of `json` fields: the common keywords of JSON Schema, draft 4.

local values = require "kong.response.schema.values"


local floor = math.floor
local fmt = string.format
local gsub = string.gsub
local huge = math.huge
local ipairs = ipairs
local is_sequence = values.is_sequence
local next = next
local pairs = pairs
local tostring = tostring
local type = type


local NULL = values.NULL

local _M = {}


--- Returns JSON's name for the type of a value, or nil if JSON has no such value.
local function type_of(value)
  if value == NULL then
    return "null"
  end
  local kind = type(value)
  if kind == "table" then
    return next(value) ~= nil and is_sequence(value) and "array" or "object"
  elseif kind == "number" then
    return value == value and value < huge and value > -huge and "number" or nil
  end
  return (kind == "string" or kind == "boolean") and kind or nil
end


local function has_type(value, wanted)
  local kind = type_of(value)
  if wanted == "integer" then
    return kind == "number" and value == floor(value)
  elseif wanted == "array" then
    -- An empty table is an array and an object.
    return kind == "array" or kind == "object" and next(value) == nil
  end
  return kind == wanted
end


local function check_type(wanted, value)
  local list = type(wanted) == "table" and wanted or { wanted }
  for _, name in ipairs(list) do
    if has_type(value, name) then
      return nil
    end
  end
  return fmt(#list == 1 and "wrong type: expected %s, got %s"
             or "wrong type: expected one of %s, got %s", values.list(list), type_of(value))
end


local check


local function check_object(schema, value)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      return fmt("property %s is required", name)
    end
  end
  local properties, others = schema.properties or {}, schema.additionalProperties
  for _, name in ipairs(values.sorted_keys(value)) do
    local property = properties[name] or type(others) == "table" and others
    if not property and others == false then
      return fmt("additional properties forbidden, found %s", tostring(name))
    end
    local err = property and check(property, value[name])
    if err then
      return fmt("property %s validation failed: %s", tostring(name), err)
    end
  end
end


local function check_array(schema, value)
  if schema.minItems and #value < schema.minItems then
    return fmt("expect array to have at least %d items", schema.minItems)
  elseif schema.maxItems and #value > schema.maxItems then
    return fmt("expect array to have at most %d items", schema.maxItems)
  end
  local items = schema.items or {}
  for i = 1, #value do
    local err = check(not is_sequence(items) and items or items[i] or {}, value[i])
    if err then
      return fmt("failed to validate item %d: %s", i, err)
    end
  end
end


local function check_string(schema, value)
  -- The length in characters of UTF-8, not in bytes.
  local _, length = gsub(value, "[^\128-\191]", "")
  if schema.minLength and length < schema.minLength then
    return fmt("string too short, expected at least %d, got %d", schema.minLength, length)
  elseif schema.maxLength and length > schema.maxLength then
    return fmt("string too long, expected at most %d, got %d", schema.maxLength, length)
  end
end


local function check_number(schema, value)
  if schema.minimum and value < schema.minimum then
    return fmt("expected %s to be greater than %s", value, schema.minimum)
  elseif schema.maximum and value > schema.maximum then
    return fmt("expected %s to be smaller than %s", value, schema.maximum)
  end
end


--- Checks a JSON value. Returns a message if it is not valid.
function check(schema, value)
  local err = schema.type and check_type(schema.type, value)
  if err then
    return err
  end
  if schema.enum then
    local found = false
    for _, item in ipairs(schema.enum) do
      found = found or type(item) == type(value) and values.dump(item) == values.dump(value)
    end
    if not found then
      return "matches none of the enum values"
    end
  end
  local kind = type_of(value)
  local is_empty_array = kind == "object" and next(value) == nil and schema.type == "array"
  if kind == "string" then
    return check_string(schema, value)
  elseif kind == "number" then
    return check_number(schema, value)
  elseif kind == "array" or is_empty_array then
    return check_array(schema, value)
  elseif kind == "object" then
    return check_object(schema, value)
  end
end


--- Whether a value has a JSON form. The keys of objects must be strings.
local function is_json(value, depth)
  local kind = type_of(value)
  if not kind or depth > 100 then
    return false
  elseif kind == "array" or kind == "object" then
    for key, item in pairs(value) do
      if kind == "object" and type(key) ~= "string" or not is_json(item, depth + 1) then
        return false
      end
    end
  end
  return true
end


--- Checks the value of a `json` field.
-- @tparam table json_schema `inline` is a JSON Schema. Without it, every JSON value is valid.
-- @param value
-- @treturn ?string the error
function _M.check(json_schema, value)
  if not is_json(value, 1) then
    return "expected a JSON value"
  end
  return json_schema.inline and check(json_schema.inline, value)
end


return _M
