--- Checks values against fields (results of `definition.field`).

local entity_checks = require "kong.response.schema.entity_checks"
local json_schema = require "kong.response.schema.json_schema"
local values = require "kong.response.schema.values"


local floor = math.floor
local next = next
local type = type


local NULL = values.NULL
local REQUIRED = "required field missing"
local INFINITE = 1 / 0

local _M = {}


local function validate_elements(field, value)
  local errors = {}
  for i = 1, #value do
    local ok, err = _M.field(field.elements, value[i])
    if not ok then
      errors[i] = err
    end
  end
  if next(errors) then
    return errors
  end
end


local function validate_map(field, value)
  if type(value) ~= "table" then
    return "expected a map"
  end
  local keys = values.sorted_keys(value)
  for i = 1, #keys do
    local ok, err = _M.field(field.keys, keys[i])
    if ok then
      ok, err = _M.field(field.values, value[keys[i]])
    end
    if not ok then
      return err
    end
  end
end


local function validate_record(field, value)
  if type(value) ~= "table" then
    return "expected a record"
  end
  local errors = {}
  for i = 1, #field.list do
    local entry = field.list[i]
    local ok, err = _M.field(entry.field, value[entry.name])
    if not ok then
      errors[entry.name] = err
    end
  end
  for name in next, value do
    if not field.by_name[name] then
      errors[name] = "unknown field"
    end
  end
  entity_checks.run(field.checks, value, errors, _M.field)
  if next(errors) then
    return errors
  end
end


local function validate_foreign(_, value)
  if type(value) ~= "table" then
    return "expected a record"
  elseif type(value.id) == "string" and not value.id:find("^%x+%-%x+%-%x+%-%x+%-%x+$") then
    return { id = "expected a valid UUID" }
  end
end


-- A check for each type. It returns a message, or a table of messages, if the value is not valid.
local TYPES = {
  string = function(field, value)
    if type(value) ~= "string" then
      return "expected a string"
    elseif value == "" and field.len_min == nil then
      return "length must be at least 1"
    end
  end,

  number = function(_, value)
    return type(value) ~= "number" and "expected a number" or nil
  end,

  integer = function(_, value)
    local is_integer = type(value) == "number" and value == floor(value) and value < INFINITE
                       and value > -INFINITE
    return not is_integer and "expected an integer" or nil
  end,

  boolean = function(_, value)
    return type(value) ~= "boolean" and "expected a boolean" or nil
  end,

  ["function"] = function(_, value)
    return type(value) ~= "function" and "expected a function" or nil
  end,

  array = function(field, value)
    if not values.is_sequence(value) then
      return "expected an array"
    end
    return validate_elements(field, value)
  end,

  set = function(field, value)
    if not values.is_sequence(value) then
      return "expected a set"
    end
    return validate_elements(field, value)
  end,

  map = validate_map,
  record = validate_record,
  foreign = validate_foreign,
  json = function(field, value)
    return json_schema.check(field.json_schema, value)
  end,

  any = function() end,
}


--- Checks the value of a field.
-- @tparam table field
-- @param value
-- @treturn boolean whether it is valid
-- @return a message or a table of messages, if it is not valid
function _M.field(field, value)
  if value == nil then
    if field.required then
      return false, REQUIRED
    end
    return true
  elseif value == NULL then
    if field.ne == NULL then
      return false, field.err or "value must not be null"
    elseif field.eq ~= nil and field.eq ~= NULL then
      return false, field.err or "value must be " .. values.show(field.eq)
    elseif field.required then
      return false, REQUIRED
    end
    return true
  elseif field.eq == NULL then
    return false, field.err or "value must be null"
  end

  local err = TYPES[field.type](field, value)
  if err then
    return false, err
  elseif field.referenceable and values.is_reference(value) then
    return true
  end
  for i = 1, #field.validators do
    local validator = field.validators[i]
    local ok, message = validator.validate(validator.argument, value)
    if not ok then
      return false, field.err or message
    end
  end
  return true
end


return _M
