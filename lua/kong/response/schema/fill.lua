--- Sets the defaults in a config, and makes the config for handlers from a valid one.

local json = require "kong.response.json"
local random = require "kong.response.pdk.random"
local sets = require "kong.response.pdk.sets"
local validate = require "kong.response.schema.validate"
local values = require "kong.response.schema.values"


local copy = values.copy
local floor = math.floor
local fmt = string.format
local get = values.get
local ipairs = ipairs
local next = next
local pairs = pairs
local setmetatable = setmetatable
local time = os.time
local type = type


local NULL = values.NULL

local _M = {}


local function concat_path(path)
  return table.concat(path, ".")
end


--- Replaces the shorthands in a record with the fields that they set. Adds their errors to
-- `errors`.
local function expand(record, value, errors)
  for _, shorthand in ipairs(record.shorthands) do
    local name, given = shorthand.name, value[shorthand.name]
    if given ~= nil then
      local ok, err = validate.field(shorthand.field, given)
      if not ok then
        errors[name] = err
        return
      end
      value[name] = nil
      local deprecation = shorthand.field.deprecation
      for _, replacement in ipairs(deprecation and deprecation.replaced_with or {}) do
        local path = concat_path(replacement.path)
        local new = get(value, path)
        local meant = given ~= NULL and get(shorthand.func(given), path)
        if new ~= nil and new ~= NULL and meant ~= nil and new ~= meant then
          errors[name] = fmt("both deprecated and new field are used but their values mismatch: "
            .. "%s = %s vs %s = %s", name, values.show(given), path, values.show(new))
          return
        end
      end
      for field, new in pairs(shorthand.func(given) or {}) do
        local there = value[field]
        if type(there) == "table" and type(new) == "table" then
          for key, item in pairs(new) do
            if not deprecation or there[key] == nil then
              there[key] = item
            end
          end
        elseif not deprecation or there == nil then
          value[field] = new
        end
      end
    end
  end
end


local function without_duplicates(items)
  local seen, kept = {}, {}
  for i = 1, #items do
    if not seen[items[i]] then
      seen[items[i]] = true
      kept[#kept + 1] = items[i]
    end
  end
  return kept
end


local function automatic(name, field)
  if field.uuid then
    return random.uuid()
  elseif name == "created_at" or name == "updated_at" then
    return time()
  elseif field.type == "string" then
    return random.hex(16)
  end
end


local fill


local function fill_record(field, value, errors)
  expand(field, value, errors)
  if next(errors) then
    return value
  end
  for _, entry in ipairs(field.list) do
    value[entry.name] = fill(entry.field, value[entry.name], errors, entry.name)
  end
  return value
end


--- Sets the defaults in the value of a field. It changes the value itself.
-- @tparam table field
-- @param value
-- @tparam table errors gets the errors of shorthands
-- @tparam ?string name
-- @return the value
function fill(field, value, errors, name)
  if value == nil and field.auto then
    value = automatic(name, field)
  end
  if value == nil then
    if field.default ~= nil then
      value = copy(field.default)
    elseif not field.required then
      return NULL
    elseif field.type == "record" then
      value = {}
    end
  end
  if type(value) ~= "table" then
    return value
  end

  local kind = field.type
  if kind == "record" then
    return fill_record(field, value, errors)
  elseif (kind == "array" or kind == "set") and values.is_sequence(value) then
    for i = 1, #value do
      value[i] = fill(field.elements, value[i], errors)
    end
    return kind == "set" and without_duplicates(value) or value
  elseif kind == "map" then
    for key, item in pairs(value) do
      value[key] = fill(field.values, item, errors)
    end
  end
  return value
end


--- Sets the defaults in a copy of a record.
-- @treturn table|nil the copy
-- @treturn ?table the errors of shorthands
function _M.record(field, value)
  local errors = {}
  local filled = fill_record(field, copy(value), errors)
  if next(errors) then
    return nil, errors
  end
  return filled
end


local select_value


local function select_record(field, value, resolve)
  local selected, references = {}, nil
  for _, entry in ipairs(field.list) do
    local item = value[entry.name]
    if entry.field.referenceable and values.is_reference(item) then
      references = references or {}
      references[entry.name] = item
      selected[entry.name] = resolve(item)
    else
      selected[entry.name] = select_value(entry.field, item, resolve)
    end
  end
  for _, shorthand in ipairs(field.shorthands) do
    local deprecation = shorthand.field.deprecation
    for _, replacement in ipairs(deprecation and deprecation.replaced_with or {}) do
      selected[shorthand.name] = get(selected, concat_path(replacement.path))
    end
  end
  selected["$refs"] = references
  return selected
end


function select_value(field, value, resolve)
  if value == NULL and field.required then
    value = copy(field.default)
  end
  if value == nil or value == NULL then
    return nil
  end
  local kind = field.type
  if kind == "string" then
    return (value ~= "" or field.len_min == 0) and value or nil
  elseif kind == "integer" then
    return floor(value)
  elseif kind == "record" then
    return select_record(field, value, resolve)
  elseif kind == "array" or kind == "set" then
    local items = {}
    for i = 1, #value do
      items[i] = select_value(field.elements, value[i], resolve)
    end
    return kind == "set" and sets.make(items) or setmetatable(items, json.array_mt)
  elseif kind == "map" then
    local items = {}
    for key, item in pairs(value) do
      items[key] = select_value(field.values, item, resolve)
    end
    return items
  end
  return value
end


--- Returns the config for handlers, from a valid record with defaults.
-- @tparam table field
-- @tparam table value
-- @tparam function resolve `resolve(reference)` returns the secret of a vault's reference
-- @treturn table
function _M.select(field, value, resolve)
  return select_record(field, value, resolve)
end


return _M
