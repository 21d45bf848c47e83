--- Finds code that reads a misspelt field of its config, for configs with a schema.

local names = require "kong.response.names"
local position = require "kong.response.testing.position"
local running = require "kong.response.testing.running"


local fmt = string.format
local getmetatable = getmetatable
local ipairs = ipairs
local next = next
local pairs = pairs
local setmetatable = setmetatable
local type = type


-- Fields that a gateway adds. They are nil in the config of a global plugin.
local ADDED = { "route_id", "service_id", "consumer_id", "plugin_instance_name" }


-- The metatable of a record, whose names are the keys of `known`.
local function watch_of(known, path)
  return {
    __index = function(_, name)
      local session = running.session
      if not session or type(name) ~= "string" or known[name] then
        return nil
      end
      local meant = names.nearest(name, known)
      if meant then
        session:misread(fmt("the config has no field %q: did you mean %q?", path .. name,
                            path .. meant), position.of_plugin())
      end
      return nil
    end,
  }
end


local watch


local function watch_record(record, definition, path, known)
  for _, list in ipairs { definition.fields or {}, definition.shorthand_fields or {} } do
    for _, field in ipairs(list) do
      local name, inner = next(field)
      known[name] = true
      watch(record[name], inner, path .. name .. ".")
    end
  end
  for name in pairs(record) do
    known[name] = true
  end
  if getmetatable(record) == nil then
    setmetatable(record, watch_of(known, path))
  end
end


function watch(value, definition, path)
  if type(value) ~= "table" or type(definition) ~= "table" then
    return
  elseif definition.type == "record" then
    watch_record(value, definition, path, {})
    return
  end
  local elements = definition.elements or definition.values
  for _, item in pairs(type(elements) == "table" and value or {}) do
    watch(item, elements, path)
  end
end


--- Watches a config.
-- @tparam table schema
-- @tparam table config its metatable changes
return function(schema, config)
  local known = {}
  for _, name in ipairs(ADDED) do
    known[name] = true
  end
  for _, field in ipairs(schema.fields or {}) do
    if field.config then
      watch_record(config, field.config, "", known)
    end
  end
end
