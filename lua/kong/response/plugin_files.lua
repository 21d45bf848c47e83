--- Finds plugins by name, in the layout of gateways: `kong/plugins/NAME/handler.lua` and
-- `kong/plugins/NAME/schema.lua`.

local base_plugin = require "kong.response.stand_ins.base_plugin"


local find = string.find
local fmt = string.format
local gsub = string.gsub
local loaded = package.loaded
local match = string.match
local preload = package.preload
local rawget = rawget
local searchpath = package.searchpath
local setmetatable = setmetatable
local tostring = tostring
local type = type


local _M = {}


-- Whether a module has a file, by module, and the `package.path` of these answers.
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


--- Returns the modules of a plugin.
-- @tparam string name the name of the plugin, or of the module of its handler
-- @treturn string the module of the handler, which may not exist
-- @treturn ?string the module of the schema in the same folder, if it exists
function _M.locate(name)
  local folder = fmt("kong.plugins.%s", name)
  local handler = folder .. ".handler"
  if not exists(handler) then
    folder, handler = match(name, "^(.*)%.handler$"), name
  end
  local schema = folder and folder .. ".schema"
  return handler, schema and exists(schema) and schema or nil
end


--- Returns a text about a plugin that does not exist, or nil for another error of `require`.
-- @tparam string err the error of `require`
-- @tparam string name the name of the plugin, or of the module of its handler
-- @tparam string handler the module of the handler, see `locate`
-- @treturn ?string
function _M.missing(err, name, handler)
  if handler ~= name or not find(tostring(err), fmt("module '%s' not found", name), 1, true) then
    return nil
  elseif find(name, "[./]") then
    return fmt("there is no module %q in package.path", name)
  end
  return fmt("there is no plugin %q: neither kong/plugins/%s/handler.lua nor a module of that name"
             .. " is in package.path", name, name)
end


-- The instances of plugins that are classes.
local instances = setmetatable({}, { __mode = "k" })


--- Whether a plugin is a class that extends `kong.plugins.base_plugin`.
function _M.is_class(plugin)
  return rawget(plugin, "__index") == plugin and type(plugin.is) == "function"
         and plugin:is(base_plugin)
end


--- Returns the plugin itself. For a class, it returns the only instance of the class.
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


--- Returns the methods of a plugin that only a gateway calls.
-- @treturn table an array of names
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

--- Returns the error with which gateways refuse a plugin, or nil.
function _M.refusal(plugin, name)
  if plugin.response ~= nil and (plugin.header_filter ~= nil or plugin.body_filter ~= nil) then
    return fmt(BOTH, name)
  end
end


local PRIORITY = "Plugin \"%s\" cannot be loaded because its PRIORITY field is not a valid integer"
  .. " number, got: \"%s\"."
local VERSION = "Plugin \"%s\" cannot be loaded because its VERSION field does not follow the"
  .. " \"x.y.z\" format, got: \"%s\"."


-- Whether a version has one to three numbers. A suffix may follow.
local function is_version(version)
  local numbers = type(version) == "string" and match(version, "^[%d.]+")
  return numbers and (find(numbers, "^%d+$") or find(numbers, "^%d+%.%d+$")
                      or find(numbers, "^%d+%.%d+%.%d+$")) and true or false
end


--- Returns the error with which gateways refuse the PRIORITY or the VERSION of a plugin, or nil.
-- @tparam table plugin
-- @tparam string name
-- @tparam boolean needs_both whether the plugin must have both fields, as in a gateway
function _M.wrong_field(plugin, name, needs_both)
  local priority, version = plugin.PRIORITY, plugin.VERSION
  if (priority ~= nil or needs_both)
    and (type(priority) ~= "number" or priority % 1 ~= 0)
  then
    return fmt(PRIORITY, name, tostring(priority))
  elseif (version ~= nil or needs_both) and not is_version(version) then
    return fmt(VERSION, name, tostring(version))
  end
end


--- Returns the name of a plugin for messages, from the name of its module.
function _M.name_of(module)
  return (gsub(gsub(module, "^kong%.plugins%.", ""), "%.handler$", ""))
end


return _M
