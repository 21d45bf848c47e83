--- Reads the list of plugins for the life cycle.

local base_plugin = require "kong.response.stand_ins.base_plugin"
local names = require "kong.response.names"
local plugin_files = require "kong.response.plugin_files"
local plugin_phases = require "kong.response.plugin_phases"
local random = require "kong.response.pdk.random"
local schemas = require "kong.response.schema"


local error = error
local find = string.find
local fmt = string.format
local getinfo = debug.getinfo
local gsub = string.gsub
local ipairs = ipairs
local pairs = pairs
local pcall = pcall
local rawget = rawget
local require = require
local sort = table.sort
local tostring = tostring
local type = type


local PHASES = plugin_phases.OF_REQUEST
local OF_WORKER = plugin_phases.OF_WORKER

-- The same phases as keys.
local METHODS = {}
for _, phase in ipairs(PHASES) do
  METHODS[phase] = true
end

-- Other correct names of methods.
local OTHER_METHODS = { init_worker = true, configure = true, certificate = true, preread = true }

local FIELDS = {
  plugin = "table string",
  config = "table",
  name = "string",
  schema = "table string",
  row = "table",
}


local _M = {
  --- The phases of a request in which plugins run.
  PHASES = PHASES,
}


local function check_plugin(what, plugin, name)
  local priority = plugin.PRIORITY
  if priority ~= nil and (type(priority) ~= "number" or priority ~= priority) then
    error(fmt("%s: PRIORITY must be a number, got %s", what, tostring(priority)), 0)
  end
  for _, list in ipairs { PHASES, OF_WORKER } do
    for _, phase in ipairs(list) do
      local handler = plugin[phase]
      if handler ~= nil and type(handler) ~= "function" then
        error(fmt("%s: %s must be a function, got %s", what, phase, type(handler)), 0)
      end
    end
  end
  local misspelt, meant = names.misspelt_phase(plugin, METHODS, OTHER_METHODS)
  if misspelt then
    error(fmt("%s has a method %q, which is not a phase: did you mean %q?", what, misspelt, meant),
          0)
  end
  local refusal = plugin_files.refusal(plugin, name)
  if refusal then
    error(fmt("%s: %s", what, refusal), 0)
  end
end


local function warn(text)
  local ngx = rawget(_G, "ngx")
  if type(ngx) == "table" and ngx.log then
    ngx.log(ngx.WARN, text)
  end
end


--- Refuses a plugin that has only phases of gateways. Logs a warning for each phase that does not
-- run.
local function check_other_phases(what, plugin, name)
  local others = plugin_files.phases_of_gateways(plugin)
  if #others == 0 then
    return
  end
  local runs = false
  for _, list in ipairs { PHASES, OF_WORKER } do
    for _, phase in ipairs(list) do
      runs = runs or plugin[phase] ~= nil and plugin[phase] ~= base_plugin[phase]
    end
  end
  if not runs then
    error(fmt("%s has only phases that need a gateway: %s", what, table.concat(others, ", ")), 0)
  end
  for _, phase in ipairs(others) do
    warn(fmt("the %s phase of plugin \"%s\" needs a gateway: it is not run", phase, name))
  end
end


local function check_entry(what, entry)
  if type(entry) ~= "table" then
    error(fmt("%s must be a table, got %s", what, type(entry)), 0)
  end
  if plugin_phases.is_plugin(entry) then
    error(fmt("%s is a plugin itself: write { plugin = ..., config = ... }", what), 0)
  end
  for field, value in pairs(entry) do
    local expected = FIELDS[field]
    if not expected then
      error(fmt("%s: unknown field %q%s", what, tostring(field),
                names.suggestion(tostring(field), FIELDS)), 0)
    elseif not find(" " .. expected .. " ", " " .. type(value) .. " ", 1, true) then
      error(fmt("%s.%s must be a %s, got %s", what, field, gsub(expected, " ", " or "),
                type(value)), 0)
    end
  end
  if entry.plugin == nil then
    error(fmt("%s.plugin must be a table or string, got nil", what), 0)
  elseif type(entry.plugin) == "table" then
    check_plugin(what, entry.plugin, entry.name or what)
  end
end


--- Checks a list of plugins as far as possible before it loads them.
-- @raise see `kong.response.lifecycle`
function _M.check(plugins)
  if type(plugins) ~= "table" then
    error(fmt("plugins must be a table, got %s", type(plugins)), 0)
  end
  -- After a hole, no plugin would run, not even one that protects something.
  for key in pairs(plugins) do
    if type(key) ~= "number" or key < 1 or key > #plugins or key % 1 ~= 0 then
      error("plugins must be an array without holes", 0)
    end
  end
  for i = 1, #plugins do
    check_entry(fmt("plugins[%d]", i), plugins[i])
  end
end


--- The name in the log for a plugin without a name: the file of its handlers.
local function default_name(what, plugin)
  for _, phase in ipairs(PHASES) do
    local handler = plugin[phase]
    local file = handler and getinfo(handler, "S").source:match("^@(.+)$")
    if file then
      return file
    end
  end
  return what
end


local function load(what, name, module)
  local ok, loaded = pcall(require, module)
  if not ok then
    local missing = plugin_files.missing(loaded, name, module)
    error(missing and fmt("%s: %s plugin is enabled but not installed;\n%s: %s", what, name,
                          missing, package.path)
          or fmt("%s: plugin \"%s\" cannot be loaded: %s", what, name, tostring(loaded)), 0)
  elseif type(loaded) ~= "table" then
    error(fmt("%s: the module %q must return a table, got %s%s", what, module, type(loaded),
              loaded == true and ": did you forget `return`?" or ""), 0)
  end
  return loaded
end


--- Returns the config for the handlers. With a schema, it has the defaults and the secrets.
local function read_config(what, entry, schema, read, resolve)
  local config = entry.config
  if not schema then
    if entry.row then
      error(fmt("%s.row needs a schema", what), 0)
    end
    return config or {}
  end
  if type(schema) == "string" then
    schema = load(what, read.name, schema)
  end
  local ok, filled, more = pcall(schemas.config, schema, config, resolve, {
    id = read.id, index = read.index, row = entry.row,
  })
  if not ok or not filled then
    error(fmt("%s: %s", what, more or filled), 0)
  end
  for _, warning in ipairs(more) do
    warn(warning)
  end
  return filled
end


local function read_entry(i, entry, resolve)
  local what = fmt("plugins[%d]", i)
  local plugin, name, schema = entry.plugin, entry.name, entry.schema
  if type(plugin) == "string" then
    local handler, beside = plugin_files.locate(plugin)
    name = name or plugin_files.name_of(plugin)
    schema = schema or beside
    plugin = load(what, entry.plugin, handler)
    check_plugin(what, plugin, name)
  end
  plugin = plugin_files.instance(plugin)
  name = name or default_name(what, plugin)
  check_other_phases(what, plugin, name)
  local read = {
    index = i,
    id = random.uuid(),
    name = name,
    plugin = plugin,
    priority = plugin.PRIORITY or 0,
  }
  read.config = read_config(what, entry, schema, read, resolve)
  return read
end


--- Returns the entries in the order in which they run: by priority, and then by their place in the
-- list.
-- @tparam table plugins
-- @tparam function resolve `resolve(reference)` returns the secret of a vault's reference
-- @raise errors about a plugin or its config; see `kong.response.lifecycle`
function _M.read(plugins, resolve)
  local entries = {}
  for i = 1, #plugins do
    entries[i] = read_entry(i, plugins[i], resolve)
  end
  sort(entries, function(one, other)
    if one.priority ~= other.priority then
      return one.priority > other.priority
    end
    return one.index < other.index
  end)
  return entries
end


return _M
