--- Runs plugins through the phases of a gateway, in plain LuaJIT, in microseconds.
--
--     local testing = require "kong.response.testing"
--
--     local result = testing.run {
--       plugin = "my.plugin.handler",
--       config = { header = "apikey" },
--       request = { path = "/coffee", headers = { apikey = "wrong" } },
--       upstream = { status = 200, body = "espresso" },
--     }
--     assert.response(result).has.status(403)
--
-- The rules of `kong.response` are those that run in nginx; status, headers and body are those of a
-- request in memory. The globals `kong` and `ngx` exist while a test runs, and are put back behind
-- it, also when it fails.

-- Another Lua says of the native part only that a symbol is missing.
if not rawget(_G, "jit") then
  error("kong.response needs LuaJIT: busted --lua=/usr/bin/luajit", 0)
end

local instance = require "kong.response.instance"
local coroutines = require "kong.response.testing.coroutines"
local fields = require "kong.response.testing.fields"
local gateway = require "kong.response.testing.gateway"
local lacking = require "kong.response.testing.lacking"
local matchers = require "kong.response.testing.matchers"
local nginx = require "kong.response.testing.nginx"
local phases = require "kong.response.testing.phases"
local plugin_files = require "kong.response.plugin_files"
local plugins = require "kong.response.testing.plugins"
local requests = require "kong.response.testing.request"
local results = require "kong.response.testing.result"
local running = require "kong.response.testing.running"
local schemas = require "kong.response.schema"
local sessions = require "kong.response.testing.session"
local stand_ins = require "kong.response.stand_ins"
local upstreams = require "kong.response.testing.upstream"
local vaults = require "kong.response.pdk.vault"
local workers = require "kong.response.testing.worker_start"


local error = error
local getmetatable = getmetatable
local loaded = package.loaded
local pairs = pairs
local pcall = pcall
local rawget = rawget
local rawset = rawset
local type = type


local FIELDS = {
  plugin = "",
  plugins = "table",
  config = "table",
  name = "string",
  schema = "table string",
  request = "table",
  upstream = "table",
  configuration = "table",
  default_type = "string",
  kong = "table",
  ngx = "table",
  strict = "boolean",
}

local ADDITIONS = { kong = "table", ngx = "table" }

local MODULE = "kong.response"

local ngx_table, restore_ngx, run_timers = nginx.new()
local kong_table, restore_kong = gateway.new()


-- Takes over what code under test finds by name; returns what gives it back.
local function install()
  local kong, ngx, module = rawget(_G, "kong"), rawget(_G, "ngx"), loaded[MODULE]
  local uninstall_coroutines = coroutines.install()
  rawset(_G, "kong", kong_table)
  rawset(_G, "ngx", ngx_table)
  loaded[MODULE] = kong_table.response

  return function()
    rawset(_G, "kong", kong)
    rawset(_G, "ngx", ngx)
    loaded[MODULE] = module
    uninstall_coroutines()
    restore_ngx()
    restore_kong()
  end
end


-- Fields of a table are added to those of a table that is there. One with a metatable is something
-- of its own, a spy say, and replaces what is there.
-- Without a request, what belongs to one (`ngx.header`, `ngx.status`) is left out.
local function add(target, given, has_request)
  for name, value in pairs(given or {}) do
    local there = rawget(target, name)
    if type(value) == "table" and type(there) == "table" and not getmetatable(value) then
      if has_request or not (getmetatable(there) or {}).__newindex then
        add(there, value, has_request)
      end
    elseif has_request then
      target[name] = value
    else
      rawset(target, name, value)
    end
  end
end


-- Calls a function with the globals in place, and with what a test adds to them.
local function with_globals(kong, ngx, f, ...)
  if rawget(_G, "kong") == kong_table then
    return f(...)
  end
  local uninstall = install()
  add(kong_table, kong, false)
  add(ngx_table, ngx, false)
  local ok, result, err = pcall(f, ...)
  uninstall()
  if not ok then
    local hint = type(result) == "string" and lacking.hint(result)
    error(hint and result .. "\n" .. hint or result, 0)
  end
  return result, err
end


local function load(name, kong, ngx)
  return (with_globals(kong, ngx, require, name))
end


local function run_session(case)
  local session = sessions.new(case, ngx_table, kong_table)
  running.session = session
  instance.test = session.bind

  ngx_table.ctx = {}
  kong_table.ctx.shared = {}
  kong_table.configuration = case.configuration or {}
  add(kong_table, case.given.kong, true)
  add(ngx_table, case.given.ngx, true)
  if type(ngx_table.ctx) ~= "table" then
    error("ngx.ctx must be a table, got " .. type(ngx_table.ctx), 0)
  end

  workers.start(session)
  phases.run(session)
  run_timers(session)
  return session, results.new(session)
end


local vault = vaults({})

-- The secret of a vault's reference, for configs.
local function resolve(reference)
  return vault.get(reference) or ""
end


local function run(given)
  if running.session then
    error("a test is running already", 0)
  end
  if type(given) == "table" and given.plugins == nil and plugins.is_plugin(given) then
    error("the test is a plugin itself: write { plugin = ..., config = ... }", 0)
  end
  fields.check(given, FIELDS, "the test", "")

  local case = {
    given = given,
    plugins = plugins.read(given, {
      load = function(name)
        return load(name, given.kong, given.ngx)
      end,
      call = function(f, ...)
        return with_globals(given.kong, given.ngx, f, ...)
      end,
      resolve = resolve,
    }),
    request = requests.new(given.request),
    upstream = upstreams.new(given.upstream),
    configuration = given.configuration,
    default_type = given.default_type,
    strict = given.strict,
  }

  local uninstall = install()
  local ok, session, result = pcall(run_session, case)
  running.session = nil
  instance.test = nil
  uninstall()

  if not ok then
    error(session, 0)
  elseif session.failure then
    error(session.failure, 0)
  elseif session.strict then
    session.strict:finish(result)
  end
  return result
end


-- Luassert is optional, and may be loaded later than this module.
local registered

local function register()
  local luassert = loaded["luassert"]
  if luassert and luassert ~= registered then
    registered = luassert
    matchers.register(luassert, results.is)
  end
end

register()


-- A mistake in the description of a test names the line of the test: this is called by a tail call.
local function checked(ok, value)
  if ok then
    return value
  end
  error(value, type(value) == "string" and 2 or 0)
end


-- What is wrong with defaults is said where they are made. Plugins are not loaded yet.
local function check_defaults(defaults)
  if type(defaults) == "table" and defaults.plugins == nil and plugins.is_plugin(defaults) then
    error("the defaults are a plugin themselves: write { plugin = ..., config = ... }", 0)
  end
  fields.check(defaults, FIELDS, "the defaults", "")
  plugins.check(defaults)
  requests.new(defaults.request)
  upstreams.new(defaults.upstream)
end


local _M = {}


-- What plugins require of a gateway.
stand_ins.install()


--- Runs a request through plugins. types/kong/response/testing.lua describes the tables.
-- What `tostring` makes of the result is the HTTP/1.1 message that the client gets.
-- @tparam kong.response.testing.Case case
-- @treturn kong.response.testing.Result
-- @raise `a test is running already`, `unknown field "<name>" of <what>` and, where one is near,
--   `: did you mean "<name>"?`, `<what>.<name> must be a <type>, got <type>`, `the plugin of <what>
--   has a method "<name>", which is no phase: did you mean "<phase>"?`,
--   `upstream.failure must be timeout, refused or cut_off, got "<value>"` and
--   others about the description; with `strict`, `strict mode found:`, the mistakes and the
--   response; an assertion that failed inside of a handler
-- @usage
-- local result = testing.run {
--   plugin = "plugins.keys",
--   request = { headers = { apikey = "secret" } },
--   upstream = { body = { "one ", "two" } },
-- }
function _M.run(case)
  register()
  return checked(pcall(run, case))
end


--- A `run` with defaults: fields of a case replace those of the defaults, one by one.
-- @tparam kong.response.testing.Case defaults
-- @treturn function `run(case)`
-- @raise `the defaults must be a table, got <type>`, `unknown field "<name>" of the defaults`, and
--   what `run` says of a request or an upstream
-- @usage
-- local run = testing.with { plugin = "plugins.keys", strict = true }
-- local result = run { request = { path = "/" } }
function _M.with(defaults)
  local ok, err = pcall(check_defaults, defaults)
  if not ok then
    error(err, 2)
  end
  return function(case)
    if case ~= nil and type(case) ~= "table" then
      register()
      return checked(pcall(run, case))
    end
    local merged = {}
    for name, value in pairs(defaults) do
      merged[name] = value
    end
    for name, value in pairs(case or {}) do
      merged[name] = value
    end
    register()
    return checked(pcall(run, merged))
  end
end


local function validate(schema, config, extra)
  if type(schema) == "string" then
    local _, beside = plugin_files.locate(schema)
    schema = load(beside or schema)
  end
  return with_globals(nil, nil, schemas.validate, schema, config, extra)
end


--- Checks a config against a schema, and fills in defaults.
-- @tparam table|string schema the schema, its module, or the name of a plugin
-- @tparam ?table config
-- @tparam ?table extra other fields of the plugin's row
-- @treturn table|nil the row: fields without a value are `null`
-- @treturn ?table messages by field
-- @raise `error initializing schema for plugin: error in definition of '<name>': <what>`, and what
--   `require` raises
-- @usage
-- local row, errors = testing.validate("key-check", { header = "a b" })
function _M.validate(schema, config, extra)
  local ok, row, errors = pcall(validate, schema, config, extra)
  if not ok then
    error(row, type(row) == "string" and 2 or 0)
  end
  return row, errors
end


--- Loads a module that takes `kong` or `ngx` at its top (`local kong = kong`): they are there while
-- it loads, and are those of each later test.
-- @tparam string name as for `require`
-- @tparam[opt] table additions `kong` and `ngx`, as in a case
-- @return what `require` returns
-- @raise what `require` raises; `the name of a module must be a string, got <type>`
function _M.load(name, additions)
  if type(name) ~= "string" then
    error("the name of a module must be a string, got " .. type(name), 2)
  end
  if additions ~= nil then
    local ok, err = pcall(fields.check, additions, ADDITIONS, "the additions")
    if not ok then
      error(err, 2)
    end
    return load(name, additions.kong, additions.ngx)
  end
  return load(name)
end


return _M
