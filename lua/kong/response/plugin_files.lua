--- Finds plugins by name, in the layout of gateways: `kong/plugins/NAME/handler.lua` and
-- `kong/plugins/NAME/schema.lua`.

local base_plugin = require "kong.response.stand_ins.base_plugin"


local fmt = string.format
local gsub = string.gsub
local loaded = package.loaded
local match = string.match
local preload = package.preload
local rawget = rawget
local searchpath = package.searchpath
local setmetatable = setmetatable
local type = type


local _M = {}


-- Whether there is a file for a module, by module. It holds for one `package.path`.
local known, known_for = {}, nil


local function has_file(module)
  if package.path ~= known_for then
    known, known_for = {}, package.path
  end
  local answer = known[module]
  if answer == nil then
    answer = searchpath(module, known_for) ~= nil
    known[module] = answer
  end
  return answer
end


local function exists(module)
  return loaded[module] ~= nil or preload[module] ~= nil or has_file(module)
end


--- The modules of a plugin.
-- @tparam string name of the plugin, or of the module of its handler
-- @treturn string the module of the handler
-- @treturn ?string that of the schema, if there is one beside it
function _M.locate(name)
  local folder = fmt("kong.plugins.%s", name)
  local handler = folder .. ".handler"
  if not exists(handler) then
    folder, handler = match(name, "^(.*)%.handler$"), name
  end
  local schema = folder and folder .. ".schema"
  return handler, schema and exists(schema) and schema or nil
end


-- The instances of plugins that are classes.
local instances = setmetatable({}, { __mode = "k" })


--- Whether a plugin is a class that extends `kong.plugins.base_plugin`.
function _M.is_class(plugin)
  return rawget(plugin, "__index") == plugin and type(plugin.is) == "function"
         and plugin:is(base_plugin)
end


--- The plugin itself; of a class its one instance.
function _M.instance(plugin)
  if not _M.is_class(plugin) then
    return plugin
  end
  local instance = instances[plugin]
  if not instance then
    instance = plugin()
    instances[plugin] = instance
  end
  return instance
end


-- Phases that only a gateway has.
local OF_GATEWAYS = {
  "certificate", "client_hello", "preread", "ws_handshake", "ws_client_frame", "ws_upstream_frame",
  "ws_close",
}


--- The methods of a plugin that nobody calls without a gateway.
-- @treturn table names
function _M.phases_of_gateways(plugin)
  local found = {}
  for i = 1, #OF_GATEWAYS do
    local name = OF_GATEWAYS[i]
    if plugin[name] ~= nil and plugin[name] ~= base_plugin[name] then
      found[#found + 1] = name
    end
  end
  return found
end


local BOTH = "Plugin \"%s\" can't be loaded because it implements both `response` and"
  .. " `header_filter` or `body_filter` methods."

--- Why gateways do not load a plugin; nil if they do.
function _M.refusal(plugin, name)
  if plugin.response ~= nil and (plugin.header_filter ~= nil or plugin.body_filter ~= nil) then
    return fmt(BOTH, name)
  end
end


--- The name of a plugin for messages, where a test or a list has given a module.
function _M.name_of(module)
  return (gsub(gsub(module, "^kong%.plugins%.", ""), "%.handler$", ""))
end


return _M
