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
-- The rules of `kong.response` are the same code as in nginx. They work on a request in memory. The
-- kit sets the globals `kong` and `ngx` while a test runs, and restores them afterwards, even if
-- the test fails.

-- Without this check, another Lua raises an error about a missing symbol of the native part.
if not rawget(_G, "jit") then
  error("kong.response needs LuaJIT: busted --lua=/usr/bin/luajit", 0)
end

local instance = require "kong.response.instance"
local body_files = require "kong.response.testing.ngx.body_files"
local cases = require "kong.response.testing.cases"
local clock = require "kong.response.testing.clock"
local fields = require "kong.response.testing.fields"
local globals = require "kong.response.testing.globals"
local lacking = require "kong.response.testing.lacking"
local matchers = require "kong.response.testing.matchers"
local phases = require "kong.response.testing.phases"
local plugin_files = require "kong.response.plugin_files"
local plugin_phases = require "kong.response.plugin_phases"
local plugins = require "kong.response.testing.plugins"
local requests = require "kong.response.testing.request"
local results = require "kong.response.testing.result"
local running = require "kong.response.testing.running"
local schemas = require "kong.response.schema"
local sessions = require "kong.response.testing.session"
local spelling = require "kong.response.names"
local stand_ins = require "kong.response.stand_ins"
local upstreams = require "kong.response.testing.upstream"
local vaults = require "kong.response.pdk.vault"
local versions = require "kong.response.testing.versions"
local without_gateway = require "kong.response.testing.without_gateway"
local worker_start = require "kong.response.testing.worker_start"
local workers = require "kong.response.testing.worker"


local error = error
local fmt = string.format
local loaded = package.loaded
local pairs = pairs
local pcall = pcall
local rawget = rawget
local rawset = rawset
local setmetatable = setmetatable
local tostring = tostring
local type = type


-- nginx's number of the level.
local WARN = 5

local ADDITIONS = { kong = "table", ngx = "table" }

local kong_table, ngx_table = globals.kong, globals.ngx
local load, run_timers = globals.load, globals.run_timers

-- The session that ran last, and its worker.
local last


local vault = vaults({})

-- Returns the secret of a vault's reference, for configs. The log of the next test says if there is
-- none.
local function resolve(reference)
  local secret, err = vault.get(reference)
  if not secret then
    running.start_loading()
    running.log(WARN, fmt("the secret %s is not available: %s", reference, err))
  end
  return secret or ""
end


local function read_plugins(given)
  return plugins.read(given, {
    load = function(name)
      return load(name, given.kong, given.ngx)
    end,
    call = function(f, ...)
      return globals.call(given.kong, given.ngx, f, ...)
    end,
    resolve = resolve,
  })
end


local function run_session(case)
  local given = case.given
  globals.add(given, false)
  case.plugins = read_plugins(given)
  if given.kong or given.ngx then
    globals.restore()
  end
  local session = sessions.new(case, ngx_table, kong_table, globals.requests)
  running.session = session
  instance.test = session.bind
  last = session

  ngx_table.ctx = {}
  globals.requests.start(case)
  globals.add(given, true)
  -- `pairs` lists these dictionaries.
  for name, dictionary in pairs(case.worker.shared) do
    if rawget(ngx_table.shared, name) == nil then
      rawset(ngx_table.shared, name, dictionary)
    end
  end
  if type(ngx_table.ctx) ~= "table" then
    error("ngx.ctx must be a table, got " .. type(ngx_table.ctx), 0)
  end

  if given.gateway == false then
    without_gateway.run(session, case)
  else
    worker_start.start(session)
    phases.run(session)
  end
  body_files.remove(case.request)
  run_timers(session)
  return session, results.new(session)
end


-- Runs code with the globals of a test, and then removes the test.
local function installed(given, names, code, ...)
  local uninstall = globals.install(given, names)
  local ok, session, result = pcall(code, ...)
  running.session = nil
  instance.test = nil
  uninstall()
  if last then
    body_files.remove(last.request)
  end
  if not ok then
    error(session, 0)
  end
  return session, result
end


-- The modules of the handlers of a case's plugins.
local function handler_modules(given)
  local names = {}
  local function add_handler(plugin)
    if type(plugin) == "string" then
      names[#names + 1] = plugin_files.locate(plugin)
    end
  end
  add_handler(given.plugin)
  for _, entry in pairs(given.plugins or {}) do
    add_handler(type(entry) == "table" and entry.plugin)
  end
  return names
end


local function run(given, worker)
  if running.session then
    error("a test is running already", 0)
  end
  if type(given) == "table" and given.plugins == nil and plugin_phases.is_plugin(given) then
    error("the test is a plugin itself: write { plugin = ..., config = ... }", 0)
  end
  cases.check(given, "the test")
  if not worker then
    clock.set(given.clock)
  end
  lacking.start()

  local case = {
    given = given,
    request = requests.new(given.request),
    upstream = upstreams.new(given.upstream),
    services = given.services,
    worker = worker or workers.new(given.shared),
    configuration = given.configuration,
    default_type = given.default_type,
    nginx_version = given.nginx_version or versions.DEFAULT,
    strict = given.strict ~= false,
  }

  case.request.buffer_size = given.client_body_buffer_size

  local session, result = installed(given.modules, given.modules and handler_modules(given),
                                    run_session, case)
  local failure = session.failure
  if failure then
    session.failure = nil
    error(failure, 0)
  elseif session.strict then
    session.strict:finish(result)
  end
  return result
end


local function advance(seconds)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds < 1 / 0) then
    error(fmt("advance needs a number of seconds, got %s", tostring(seconds)), 0)
  end
  clock.move(seconds)
  if running.session then
    -- The call comes from a handler, or from a function of the case.
    run_timers(running.session)
  elseif last then
    installed(nil, nil, function()
      running.session = last
      instance.test = last.bind
      ngx_table.ctx = {}
      run_timers(last)
    end)
    local failure = last.failure
    if failure then
      last.failure = nil
      error(failure, 0)
    end
  end
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


-- Call it only as a tail call, so that an error in a case names the line of the test.
local function checked(ok, value)
  if ok then
    return value
  end
  error(value, type(value) == "string" and 2 or 0)
end


-- Checks defaults where the test makes them. It does not load plugins.
local function check_defaults(defaults)
  if type(defaults) == "table" and defaults.plugins == nil
    and plugin_phases.is_plugin(defaults)
  then
    error("the defaults are a plugin themselves: write { plugin = ..., config = ... }", 0)
  end
  cases.check(defaults, "the defaults")
  plugins.check(defaults)
  requests.new(defaults.request)
  upstreams.new(defaults.upstream)
  workers.new(defaults.shared)
end


local _M = {}


stand_ins.install()


--- Runs a request through plugins. types/kong/response/testing.lua describes the tables.
-- `tostring(result)` returns the HTTP/1.1 message that the client gets.
-- @tparam kong.response.testing.Case case
-- @treturn kong.response.testing.Result
-- @raise `a test is running already`;
--   `unknown field "<name>" of <what>`, with `: did you mean "<name>"?` for a similar name;
--   `<what>.<name> must be a <type>, got <type>`;
--   `the plugin of <what> has a method "<name>", which is not a phase: did you mean "<phase>"?`;
--   `upstream.failure must be timeout, refused or cut_off, got "<value>"`, and other errors about
--   the case; with `strict`, `strict mode found:` with the mistakes and the response;
--   the error of an assertion that has failed in a handler
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


-- Makes a `run` with defaults.
local function with(defaults, worker)
  local function run_with(case)
    return run(case, worker)
  end
  return function(case)
    register()
    if case ~= nil and type(case) ~= "table" then
      return checked(pcall(run_with, case))
    elseif worker and case and (case.clock ~= nil or case.shared ~= nil) then
      return checked(false, "clock and shared belong to the worker: pass them to testing.worker")
    end
    local merged = {}
    for name, value in pairs(defaults) do
      merged[name] = value
    end
    for name, value in pairs(case or {}) do
      merged[name] = value
    end
    return checked(pcall(run_with, merged))
  end
end


--- Makes a `run` with defaults. The fields of a case replace them one by one.
-- @tparam kong.response.testing.Case defaults
-- @treturn function `run(case)`
-- @raise `the defaults must be a table, got <type>`, `unknown field "<name>" of the defaults`, and
--   the errors of `run` about a request or an upstream
-- @usage
-- local run = testing.with { plugin = "plugins.keys", strict = true }
-- local result = run { request = { path = "/" } }
function _M.with(defaults)
  local ok, err = pcall(check_defaults, defaults)
  if not ok then
    error(err, 2)
  end
  return with(defaults)
end


--- Makes a `run` with defaults whose requests run in one worker: they share dictionaries,
-- `kong.cache`, timers and the clock. Make a worker in each test, so that tests share nothing.
-- @tparam kong.response.testing.Case defaults `clock` and `shared` belong to the worker
-- @treturn function `run(case)`. It raises `clock and shared belong to the worker: pass them to
--   testing.worker`
-- @raise as `with`
-- @usage
-- local run = testing.worker { plugin = "plugins.limit", shared = { "counters" } }
-- assert.response(run()).has.status(200)
-- assert.response(run()).has.status(429)
-- testing.advance(60)
-- assert.response(run()).has.status(200)
function _M.worker(defaults)
  local ok, worker = pcall(function()
    check_defaults(defaults)
    clock.set(defaults.clock)
    return workers.new(defaults.shared)
  end)
  if not ok then
    error(worker, 2)
  end
  return with(defaults, worker)
end


--- Moves the clock, and runs the timers that become due. Their lines are in the log of the last
-- result.
-- @tparam number seconds
-- @raise `advance needs a number of seconds, got <value>`
function _M.advance(seconds)
  local ok, err = pcall(advance, seconds)
  if not ok then
    error(err, 2)
  end
end


local function validate(schema, config, extra)
  if type(schema) ~= "string" and type(schema) ~= "table" then
    error(fmt("validate needs a schema, its module or the name of a plugin, got %s", type(schema)),
          0)
  elseif extra ~= nil and type(extra) ~= "table" then
    error(fmt("the other fields of validate must be a table, got %s", type(extra)), 0)
  end
  if type(schema) == "string" then
    local module, beside = plugin_files.locate(schema)
    local ok, loaded_schema = pcall(load, beside or schema)
    if not ok then
      local missing = plugin_files.missing(loaded_schema, schema, module)
      error(missing or loaded_schema, 0)
    end
    schema = loaded_schema
  end
  return globals.call(nil, nil, schemas.validate, schema, config, extra)
end


--- Checks a config against a schema, and sets defaults.
-- @tparam table|string schema the schema, its module, or the name of a plugin
-- @tparam ?table config
-- @tparam ?table extra other fields of the plugin's row
-- @treturn table|nil the row: fields without a value are `null`
-- @treturn ?table messages by field
-- @raise `validate needs a schema, its module or the name of a plugin, got <type>`,
--   `the other fields of validate must be a table, got <type>`,
--   `error initializing schema for plugin: error in definition of '<name>': <what>`, and the errors
--   of `require`
-- @usage
-- local row, errors = testing.validate("key-check", { header = "a b" })
function _M.validate(schema, config, extra)
  local ok, row, errors = pcall(validate, schema, config, extra)
  if not ok then
    error(row, type(row) == "string" and 2 or 0)
  end
  return row, errors
end


--- Loads a module that uses `kong` or `ngx` at its top (`local kong = kong`). The globals exist
-- while it loads, and later tests use the same tables.
-- @tparam string name as for `require`
-- @tparam[opt] table additions `kong` and `ngx`, as in a case
-- @return the result of `require`
-- @raise the errors of `require`; `the name of a module must be a string, got <type>`
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


return setmetatable(_M, {
  __index = function(_, name)
    local meant = type(name) == "string" and spelling.nearest(name, _M)
    if meant then
      error(fmt("the test kit has no function %q: did you mean %q?", name, meant), 2)
    end
  end,
})
