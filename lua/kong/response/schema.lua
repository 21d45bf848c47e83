--- Checks the configs of plugins against their `schema.lua`, and sets defaults, as gateways do.
--
--     local schemas = require "kong.response.schema"
--     local schema = require "kong.plugins.key-check.schema"
--     local row, errors = schemas.validate(schema, { header = "apikey" })

local definition = require "kong.response.schema.definition"
local deprecations = require "kong.response.schema.deprecations"
local fill = require "kong.response.schema.fill"
local names = require "kong.response.names"
local messages = require "kong.response.schema.messages"
local typedefs = require "kong.response.schema.typedefs"
local validate = require "kong.response.schema.validate"
local values = require "kong.response.schema.values"


local error = error
local fmt = string.format
local ipairs = ipairs
local next = next
local pairs = pairs
local pcall = pcall
local setmetatable = setmetatable
local tostring = tostring
local type = type


-- The parts of a schema, and their types.
local PARTS = { name = "string", fields = "table", entity_checks = "table" }

-- The fields of each plugin in a gateway's database. A schema can replace them.
local function fields_of_row()
  return {
    { id = typedefs.uuid },
    { name = { type = "string", required = true } },
    { instance_name = typedefs.utf8_name },
    { created_at = typedefs.auto_timestamp_s },
    { updated_at = typedefs.auto_timestamp_s },
    { route = { type = "foreign", reference = "routes" } },
    { service = { type = "foreign", reference = "services" } },
    { consumer = { type = "foreign", reference = "consumers" } },
    { config = { type = "record", required = true, fields = {} } },
    { protocols = typedefs.protocols },
    { enabled = { type = "boolean", required = true, default = true } },
    { tags = typedefs.tags },
  }
end


local function check_defaults(field, path)
  if field.default ~= nil and field.default ~= values.NULL then
    local default = field.default
    if field.type == "record" and type(default) == "table" then
      default = fill.record(field, default) or default
    end
    local ok, err = validate.field(field, default)
    if not ok then
      error(fmt("%s: default: %s", path, type(err) == "table" and values.dump(err) or err), 0)
    end
  end
  for _, entry in ipairs(field.list or {}) do
    check_defaults(entry.field, path .. "." .. entry.name)
  end
  if field.elements then
    check_defaults(field.elements, path .. ".elements")
  elseif field.values then
    check_defaults(field.values, path .. ".values")
  end
end


local function read(given)
  if type(given) ~= "table" then
    error(fmt("a schema must be a table, got %s", type(given)), 0)
  elseif type(given.name) ~= "string" then
    error("name: required field missing", 0)
  end
  for name, part in pairs(given) do
    if not PARTS[name] then
      error(fmt("%s: unknown field", tostring(name)), 0)
    elseif type(part) ~= PARTS[name] or name == "fields" and not values.is_sequence(part) then
      error(fmt("%s: expected %s", name, name == "name" and "a string" or "an array"), 0)
    end
  end
  if not given.fields then
    error("fields: required field missing", 0)
  end

  local own = {}
  for i, entry in ipairs(given.fields) do
    local name, field = nil, nil
    if type(entry) == "table" then
      name, field = next(entry)
    end
    if name == nil then
      error(fmt("fields[%d]: expected a table with one field", i), 0)
    end
    own[name] = field
  end
  local config = own.config
  local fields = fields_of_row()
  for _, entry in ipairs(fields) do
    local name = next(entry)
    if own[name] then
      entry[name], own[name] = own[name], nil
    end
  end
  local unknown = next(own)
  if unknown ~= nil then
    error(fmt("%s: cannot create a new field", tostring(unknown)), 0)
  end
  if config ~= nil and (type(config) ~= "table" or config.type ~= "record") then
    error("config: the field must be a record", 0)
  end

  local row = definition.field({
    type = "record", fields = fields, entity_checks = given.entity_checks,
  }, given.name, true)
  check_defaults(row, given.name)
  return row
end


-- The results of `read`, by schema.
local known = setmetatable({}, { __mode = "k" })


local function of(given)
  local row = known[given]
  if not row then
    local ok, result = pcall(read, given)
    if not ok then
      local name = given
      if type(given) == "table" then
        name = given.name or "(no name)"
      end
      error(fmt("error initializing schema for plugin: error in definition of '%s': %s",
                tostring(name), result), 0)
    end
    row = result
    known[given] = row
  end
  return row
end


local function validate_row(schema, config, extra)
  local row = of(schema)
  local given = { name = schema.name, config = config }
  for name, value in pairs(extra or {}) do
    given[name] = value
  end
  local filled, errors = fill.record(row, given)
  if not filled then
    return nil, errors
  end
  local ok, failed = validate.field(row, filled)
  if not ok then
    return nil, failed
  end
  return filled
end


-- Fields that a row gets automatically. Handlers do not see them, so their values are not needed.
local NOT_NEEDED = { id = values.NULL, created_at = values.NULL, updated_at = values.NULL }

-- The fields that a list of plugins can set in a row.
local OF_LIST = { route = true, service = true, consumer = true, instance_name = true }


--- Returns the fields of a row that a list of plugins sets, and `NOT_NEEDED`.
local function fields_for_config(given)
  local fields = {}
  for name, value in pairs(NOT_NEEDED) do
    fields[name] = value
  end
  for name, value in pairs(given) do
    if not OF_LIST[name] then
      error(fmt("row: unknown field %q%s", tostring(name),
                names.suggestion(tostring(name), OF_LIST)), 0)
    end
    fields[name] = value
  end
  return fields
end


--- Sets the fields that a gateway adds to a config.
local function add_fields_of_row(config, row, place)
  for _, name in ipairs { "route", "service", "consumer" } do
    local bound = row[name]
    config[name .. "_id"] = bound ~= values.NULL and bound and bound.id or nil
  end
  config.plugin_instance_name = row.instance_name ~= values.NULL and row.instance_name or nil
  config.__plugin_id = place.id
  config.__seq__ = place.index
  config.__key__ = fmt("plugins:%s:%s:%s:%s::", row.name, config.route_id or "",
                       config.service_id or "", config.consumer_id or "")
end


local _M = {
  --- Returns an error table as one line.
  line = messages.line,
}


--- Checks a config.
-- @tparam table schema
-- @tparam ?table config
-- @tparam ?table extra other fields of the plugin's row: `{ consumer = { id = "…" } }`
-- @treturn table|nil the row with defaults; fields without a value are `null`
-- @treturn ?table an error table: messages by field
-- @raise `error initializing schema for plugin: error in definition of '<name>': <error>`
function _M.validate(schema, config, extra)
  return validate_row(schema, config, extra)
end


--- Makes the config that the handlers of a plugin get.
-- @tparam table schema
-- @tparam ?table config
-- @tparam[opt] function resolve `resolve(reference)` returns the secret of a vault's reference
-- @tparam[opt] table place the plugin's place in a list: `id`, `index`, and `row` with `route`,
--   `service`, `consumer` and `instance_name`. Without it, the config does not have the fields that
--   a gateway adds.
-- @treturn table|nil
-- @treturn table|string warnings about deprecated fields; or the errors in the config, if there is
--   no result
-- @raise as `validate`
function _M.config(schema, config, resolve, place)
  local filled, errors = validate_row(schema, config, fields_for_config(place and place.row or {}))
  if not filled then
    return nil, messages.line(errors)
  end
  local field = of(schema).by_name.config
  local selected = fill.select(field, filled.config, resolve or function()
    return ""
  end)
  if place then
    add_fields_of_row(selected, filled, place)
  end
  return selected, deprecations.of(field, config)
end


return _M
