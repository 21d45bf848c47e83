--- Reads the definitions of fields in a schema: checks them, and copies them. A copy has the
-- attributes of the definition, and these:
--
--   source          the definition
--   validators      the attributes that check a value
--   list, by_name   only a record: its fields in order, `{ name =, field = }`, and by name
--   shorthands      only a record: the fields that set other fields
--   checks          only a record: its entity checks

local attributes = require "kong.response.schema.attributes"
local entity_checks = require "kong.response.schema.entity_checks"
local names = require "kong.response.names"
local values = require "kong.response.schema.values"


local error = error
local fmt = string.format
local ipairs = ipairs
local next = next
local pairs = pairs
local tostring = tostring
local type = type


local function set_of(text)
  local set = {}
  for name in text:gmatch("%S+") do
    set[name] = true
  end
  return set
end


-- The attributes of every field.
local COMMON = set_of [[
  type required default auto unique err description examples abstract immutable deprecation
  referenceable encrypted indexed unique_across_ws legacy transient hidden translate_backwards
  eq ne custom_validator
]]

-- The other attributes of fields of a type.
local OF_TYPE = {
  string = set_of [[
    one_of not_one_of uuid is_regex len_eq len_min len_max starts_with not_match match_none match
    match_all match_any
  ]],
  number = set_of "one_of not_one_of gt timestamp between",
  integer = set_of "one_of not_one_of gt timestamp between",
  boolean = set_of "one_of",
  array = set_of "elements len_eq len_min len_max contains mutually_exclusive_subsets",
  set = set_of "elements len_eq len_min len_max contains mutually_exclusive_subsets",
  map = set_of "keys values len_eq len_min len_max",
  record = set_of "fields entity_checks shorthand_fields transformations",
  foreign = set_of "reference on_delete schema match_none",
  json = set_of "json_schema",
  ["function"] = set_of "",
  any = set_of "",
}

-- The required attributes of fields of a type.
local REQUIRED = {
  array = { "elements" },
  set = { "elements" },
  map = { "keys", "values" },
  record = { "fields" },
  json = { "json_schema" },
}

local KNOWN = {}
for name in pairs(COMMON) do
  KNOWN[name] = true
end
for _, allowed in pairs(OF_TYPE) do
  for name in pairs(allowed) do
    KNOWN[name] = true
  end
end


-- Names of types in other tools.
local OF_OTHERS = {
  int = "integer", long = "integer", float = "number", double = "number", bool = "boolean",
  str = "string", text = "string", list = "array", object = "record", table = "record",
  dict = "map",
}

local _M = {}


local function refuse(path, message, ...)
  error(fmt("%s: " .. message, path, ...), 0)
end


local function check_attributes(field, path)
  if type(field) ~= "table" then
    refuse(path, "a field must be a table, got %s", type(field))
  end
  local kind = field.type
  if kind == nil then
    refuse(path, "missing type declaration")
  elseif not OF_TYPE[kind] then
    local meant = OF_OTHERS[kind]
    refuse(path, "%s is no type of a field%s", tostring(kind),
           meant and fmt(": did you mean %q?", meant) or names.suggestion(tostring(kind), OF_TYPE))
  end
  for name in pairs(field) do
    if not COMMON[name] and not OF_TYPE[kind][name] then
      if KNOWN[name] then
        refuse(path, "field of type '%s' cannot have attribute '%s'", kind, name)
      end
      refuse(path, "%s: unknown field%s", tostring(name), names.suggestion(tostring(name), KNOWN))
    end
  end
  local required_attributes = REQUIRED[kind] or {}
  for i = 1, #required_attributes do
    if type(field[required_attributes[i]]) ~= "table" then
      refuse(path, "field of type '%s' must declare '%s'", kind, required_attributes[i])
    end
  end
  local description = field.description
  if description ~= nil and (type(description) ~= "string" or #description < 10
                             or #description > 500) then
    refuse(path, "description: must have 10 to 500 characters")
  end
  local deprecation = field.deprecation
  if deprecation ~= nil then
    if type(deprecation) ~= "table" then
      refuse(path, "deprecation: expected a record")
    end
    for _, name in ipairs { "message", "removal_in_version" } do
      if deprecation[name] == nil then
        refuse(path, "deprecation: %s: required field missing", name)
      elseif type(deprecation[name]) ~= "string" then
        refuse(path, "deprecation: %s: expected a string", name)
      end
    end
  end
end


--- Returns the key and the value of a table with one entry, such as
-- `{ header = { type = "string" } }`.
local function entry_of(entry, path)
  if type(entry) ~= "table" then
    refuse(path, "expected a table with one field, got %s", type(entry))
  end
  local name, field = next(entry)
  if name == nil or next(entry, name) ~= nil then
    refuse(path, "expected a table with one field")
  end
  return name, field
end


local function read_record(read, given, path, is_reached)
  if not values.is_sequence(given.fields) then
    refuse(path, "fields: expected an array")
  end
  local record = { list = {}, by_name = {}, source = given }
  for i = 1, #given.fields do
    local name, field = entry_of(given.fields[i], fmt("%s.fields[%d]", path, i))
    field = read(field, path .. "." .. tostring(name), is_reached)
    record.list[i] = { name = name, field = field }
    record.by_name[name] = field
  end
  record.shorthands = {}
  for i = 1, #(given.shorthand_fields or {}) do
    local name, field = entry_of(given.shorthand_fields[i],
                                 fmt("%s.shorthand_fields[%d]", path, i))
    if type(field) ~= "table" or type(field.func) ~= "function" then
      refuse(path .. "." .. tostring(name), "a shorthand must have a function 'func'")
    end
    local own = {}
    for attribute, value in pairs(field) do
      if attribute ~= "func" then
        own[attribute] = value
      end
    end
    record.shorthands[i] = {
      name = name, func = field.func, field = read(own, path .. "." .. tostring(name), false),
    }
  end
  return record
end


--- Reads a field.
-- @tparam table given
-- @tparam string path the name of the field in errors
-- @tparam boolean is_reached whether all fields that contain this field are records. Then a record
--   is required by default.
-- @treturn table
-- @raise `<path>: <message>`
function _M.field(given, path, is_reached)
  check_attributes(given, path)
  local field = {}
  for name, value in pairs(given) do
    field[name] = value
  end
  field.source = given
  if field.elements then
    field.elements = _M.field(given.elements, path .. ".elements", false)
  end
  if field.keys then
    field.keys = _M.field(given.keys, path .. ".keys", false)
    field.values = _M.field(given.values, path .. ".values", false)
  end
  if field.type == "record" then
    local record = read_record(_M.field, given, path, is_reached)
    field.list, field.by_name, field.shorthands = record.list, record.by_name, record.shorthands
    if is_reached and field.required == nil then
      field.required = true
    end
    field.checks = entity_checks.read(given.entity_checks, field, path, _M.field)
  end
  field.validators = attributes.of(field)
  return field
end


return _M
