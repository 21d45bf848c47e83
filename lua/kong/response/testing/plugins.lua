--- Reads the plugins of a case.

local base_plugin = require "kong.response.stand_ins.base_plugin"
local fields = require "kong.response.testing.fields"
local names = require "kong.response.names"
local plugin_files = require "kong.response.plugin_files"
local plugin_phases = require "kong.response.plugin_phases"
local position = require "kong.response.testing.position"
local schemas = require "kong.response.schema"
local watch_config = require "kong.response.testing.config_reads"


local concat = table.concat
local error = error
local find = string.find
local fmt = string.format
local getlocal = debug.getlocal
local ipairs = ipairs
local pairs = pairs
local pcall = pcall
local sort = table.sort
local type = type


local is_plugin = plugin_phases.is_plugin
local OF_WORKER = plugin_phases.OF_WORKER

-- The phases in which the kit calls a method of a plugin.
local PHASES = {}

-- The methods that gateways call.
local METHODS = {
  init_worker = true, configure = true, certificate = true, preread = true,
  ws_handshake = true, ws_client_frame = true, ws_upstream_frame = true, ws_close = true,
}
for _, name in ipairs(plugin_phases.OF_REQUEST) do
  PHASES[name] = true
  METHODS[name] = true
end

local ENTRY_FIELDS = {
  plugin = "",
  config = "table",
  name = "string",
  schema = "table string",
  row = "table",
}


local _M = {}


-- Returns a hint for a module that returns nothing: `require` then returns true.
local function forgotten(value)
  return value == true and ": did you forget `return`?" or ""
end


local function check_methods(plugin, what)
  local name, meant = names.misspelt_phase(plugin, PHASES, METHODS)
  if name then
    error(fmt("%s has a method %q, which is not a phase: did you mean %q?", what, name, meant), 0)
  end
end


-- Checks an entry as far as possible before its module is loaded.
local function check_entry(given, what, path)
  if type(given) == "table" and is_plugin(given) then
    error(fmt("%s is a plugin itself: write { plugin = ..., config = ... }", what), 0)
  end
  fields.check(given, ENTRY_FIELDS, what)
  local plugin = given.plugin
  if type(plugin) ~= "string" and type(plugin) ~= "table" then
    error(fmt("%s must be the plugin's table or the name of its module, got %s%s", path,
              type(plugin), forgotten(plugin)), 0)
  end
end


local function load_table(load, module)
  local loaded = load(module)
  if type(loaded) ~= "table" then
    error(fmt("the module %q must return a table, got %s%s", module, type(loaded),
              forgotten(loaded)), 0)
  end
  return loaded
end


--- Returns the phases of a plugin that the kit does not run. It refuses a plugin that has only such
-- phases.
local function phases_left_out(plugin, what)
  local others = plugin_files.phases_of_gateways(plugin)
  if #others == 0 then
    return others
  end
  for phase in pairs(PHASES) do
    if plugin[phase] ~= nil and plugin[phase] ~= base_plugin[phase] then
      return others
    end
  end
  for i = 1, #OF_WORKER do
    if plugin[OF_WORKER[i]] ~= nil and plugin[OF_WORKER[i]] ~= base_plugin[OF_WORKER[i]] then
      return others
    end
  end
  error(fmt("the plugin of %s has only phases that the kit does not run: %s", what,
            concat(others, ", ")), 0)
end


--- Returns the config for the handlers, and the warnings of the schema. Without a schema, the
-- config does not change.
local function read_config(given, schema, place, what, env)
  if not schema then
    if given.row then
      error(fmt("the row of %s needs a schema", what), 0)
    end
    return given.config or {}, {}
  end
  local config, more = env.call(schemas.config, schema, given.config, env.resolve, place)
  if not config then
    error(fmt("the config of %s: %s", what, more), 0)
  end
  watch_config(schema, config)
  return config, more
end


--- Loads the handler of a plugin.
local function load_handler(load, name, module, what)
  local ok, plugin = pcall(load_table, load, module)
  if ok then
    return plugin
  end
  local missing = plugin_files.missing(plugin, name, module)
  error(missing and fmt("%s: %s", what, missing) or plugin, 0)
end


-- Checks what only a gateway checks when it loads a plugin. Plugins in a gateway's layout must have
-- a PRIORITY and a VERSION.
local function check_for_gateway(plugin, given, name)
  local module = type(given.plugin) == "string" and plugin_files.locate(given.plugin) or ""
  local is_in_layout = find(module, "^kong%.plugins%..+%.handler$")
  local refusal = plugin_files.wrong_field(plugin, plugin_files.name_of(name), is_in_layout ~= nil)
  if refusal then
    error(refusal, 0)
  end
end


-- Returns the kind of object to which the row binds a plugin, or nil.
local function bound_to(row)
  for _, kind in ipairs { "route", "service", "consumer" } do
    if type(row[kind]) == "table" then
      return kind
    end
  end
end


local function read_entry(i, given, what, path, env, gateway)
  check_entry(given, what, path)
  local plugin, name, schema = given.plugin, given.name, given.schema
  if type(plugin) == "string" then
    local module, beside = plugin_files.locate(plugin)
    name, schema = name or plugin, schema or beside
    plugin = load_handler(env.load, plugin, module, what)
  end
  if plugin_files.is_class(plugin) then
    plugin = env.call(plugin_files.instance, plugin)
  end
  check_methods(plugin, fmt("the plugin of %s", what))
  local refusal = plugin_files.refusal(plugin, name or what)
  if refusal then
    error(refusal, 0)
  end
  local priority = plugin.PRIORITY or 0
  if type(priority) ~= "number" then
    error(fmt("%s: PRIORITY must be a number, got %s", what, type(priority)), 0)
  elseif gateway ~= false then
    check_for_gateway(plugin, given, name or what)
  end
  -- The id is the same for each request, because the requests of a worker need the same id.
  local id = fmt("5b1f4f5c-0b5d-4a3f-8d52-%012x", i)
  if type(schema) == "string" then
    schema = load_table(env.load, schema)
  end
  local config, warnings = read_config(given, schema, { id = id, index = i, row = given.row },
                                       what, env)
  return {
    index = i,
    id = id,
    name = name,
    plugin = plugin,
    config = config,
    schema = schema,
    warnings = warnings,
    not_run = phases_left_out(plugin, what),
    bound_to = bound_to(given.row or {}),
    priority = priority,
  }
end


-- A table may contain itself, so there is a maximum depth.
local MAX_DEPTH = 5

local function add_keys(known, config, depth)
  for name, value in pairs(config) do
    if type(name) == "string" and known[name] == nil then
      known[name] = type(value) ~= "table" or depth == MAX_DEPTH or add_keys({}, value, depth + 1)
    end
  end
  return known
end


--- Returns the names of the fields of an entry's config, if the plugin has no schema. With a
-- schema, `config_reads` finds misspelt names.
-- @treturn ?table the value of a name is true, or a table of the names in the field
function _M.config_fields(entry)
  return not entry.schema and add_keys({}, entry.config, 0) or nil
end


-- Names of the only parameter of a method that does not need the config.
local OF_PLUGIN = { self = true, plugin = true, _ = true, this = true }


--- Adds a hint for each method that seems to be written with a dot: it gets the plugin, not the
-- config.
function _M.add_hints(entries, lines)
  for i = 1, #entries do
    for _, phase in ipairs(plugin_phases.OF_REQUEST) do
      local method = entries[i].plugin[phase]
      local first = type(method) == "function" and getlocal(method, 1)
      if first and not OF_PLUGIN[first] and not getlocal(method, 2) then
        lines[#lines + 1] = fmt("hint: %s(%s) at %s gets the plugin, not the config: write"
                                .. " `function Plugin:%s(%s)`, or add a first parameter", phase,
                                first, position.of_function(method), phase, first)
      end
    end
  end
end


local function runs_before(one, other)
  if one.priority ~= other.priority then
    return one.priority > other.priority
  end
  return one.index < other.index
end


-- The order of a gateway: with the same priority, the name that is later in the alphabet is first.
-- With the priority 0, a gateway has no order.
local function runs_before_in_gateway(one, other)
  if one.priority == other.priority and one.priority ~= 0 and one.has_name and other.has_name
    and one.name ~= other.name
  then
    return one.name > other.name
  end
  return runs_before(one, other)
end


local function check_choice(case)
  if case.plugins and (case.plugin ~= nil or case.config or case.name or case.schema or case.row)
  then
    error("a test has either plugin, config and name, or plugins", 0)
  end
end


--- Checks the plugins of defaults, which may have none.
function _M.check(case)
  check_choice(case)
  if case.plugin ~= nil then
    check_entry({ plugin = case.plugin }, "the test", "plugin")
  end
  for i = 1, #(case.plugins or {}) do
    local what = fmt("plugins[%d]", i)
    check_entry(case.plugins[i], what, what .. ".plugin")
  end
end


--- Returns the plugins of a case, in the order in which they run.
-- @tparam table case
-- @tparam table env `load(name)` returns a module; `call(f, ...)` calls a function with the globals
--   of a test; `resolve(reference)` returns a secret of a vault
function _M.read(case, env)
  check_choice(case)
  if not case.plugins then
    local entry = {
      plugin = case.plugin, config = case.config, name = case.name, schema = case.schema,
      row = case.row,
    }
    return { read_entry(1, entry, "the test", "plugin", env, case.gateway) }
  end

  local entries = {}
  for i = 1, #case.plugins do
    local what = fmt("plugins[%d]", i)
    local entry = read_entry(i, case.plugins[i], what, what .. ".plugin", env, case.gateway)
    entry.has_name = entry.name ~= nil
    entry.name = entry.name or what
    entries[i] = entry
  end
  sort(entries, case.gateway ~= false and runs_before_in_gateway or runs_before)
  return entries
end


return _M
