--- The route, the service and consumers of a description, as gateways give them to plugins.

local sets = require "kong.response.pdk.sets"


local pairs = pairs
local setmetatable = setmetatable
local type = type


-- The fields that are sets.
local SETS = {
  protocols = true, methods = true, snis = true, sources = true, destinations = true, tags = true,
}


local function copy_list(list)
  local copy = {}
  for i = 1, #list do
    copy[i] = list[i]
  end
  return copy
end


local _M = {}


--- Returns a copy of an entity, in which sets have their items as keys.
-- @tparam ?table given
-- @treturn ?table
function _M.copy(given)
  if not given then
    return nil
  end
  local entity = {}
  for name, value in pairs(given) do
    entity[name] = SETS[name] and type(value) == "table" and sets.make(copy_list(value)) or value
  end
  return entity
end


-- The entities of each description.
local made = setmetatable({}, { __mode = "k" })

--- Returns the entities of a description. The route refers to the service.
-- @tparam table description
-- @treturn table with `route`, `service` and `consumer`
function _M.of(description)
  local entities = made[description]
  if not entities then
    entities = {
      route = _M.copy(description.route),
      service = _M.copy(description.service),
      consumer = _M.copy(description.consumer),
    }
    if entities.route and entities.service then
      entities.route.service = { id = entities.service.id }
    end
    made[description] = entities
  end
  return entities
end


return _M
