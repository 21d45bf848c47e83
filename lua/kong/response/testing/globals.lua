--- The globals `kong` and `ngx` of tests. They exist while a test runs or loads a module.

local coroutines = require "kong.response.testing.coroutines"
local gateway = require "kong.response.testing.gateway"
local modules = require "kong.response.testing.modules"
local nginx = require "kong.response.testing.nginx"
local running = require "kong.response.testing.running"
local sentinels = require "kong.response.testing.sentinels"
local variables = require "kong.response.testing.ngx.variables"


local error = error
local fmt = string.format
local getmetatable = getmetatable
local gsub = string.gsub
local loaded = package.loaded
local pairs = pairs
local pcall = pcall
local rawget = rawget
local rawset = rawset
local require = require
local tostring = tostring
local type = type


local MODULE = "kong.response"

local ngx_table, restore_ngx, run_timers = nginx.new()
local kong_table, restore_kong, requests = gateway.new(ngx_table)


local _M = {
  kong = kong_table,
  ngx = ngx_table,
  --- The functions of `kong.response.pdk` that a server calls in the phases of a request.
  requests = requests,
  --- Runs the timers of a session that are due.
  run_timers = run_timers,
}


--- Replaces the globals and modules that the tested code uses.
-- @tparam ?table given the modules of the case
-- @tparam ?table names the modules of its handlers
-- @treturn function restores them
function _M.install(given, names)
  local kong, ngx, module = rawget(_G, "kong"), rawget(_G, "ngx"), loaded[MODULE]
  local uninstall_coroutines = coroutines.install()
  local uninstall_modules = modules.install(given, names)
  local uninstall_sentinels = sentinels.install()
  rawset(_G, "kong", kong_table)
  rawset(_G, "ngx", ngx_table)
  loaded[MODULE] = kong_table.response

  return function()
    rawset(_G, "kong", kong)
    rawset(_G, "ngx", ngx)
    loaded[MODULE] = module
    uninstall_sentinels()
    uninstall_modules()
    uninstall_coroutines()
    _M.restore()
  end
end


local function assign(target, name, value)
  target[name] = value
end


--- Adds the fields of a case to `kong` or `ngx`. If both values are tables, it adds the fields of
-- one to the other. But a table with a metatable, for example a spy, replaces the old value.
-- Without a request, it leaves out the fields that need one (`ngx.header`, `ngx.status`).
-- @tparam table target
-- @tparam ?table given
-- @tparam boolean has_request
-- @tparam string path the name of the table in errors
-- @raise `<path>.<name> must be a table, got <type>`
local function add(target, given, has_request, path)
  for name, value in pairs(given or {}) do
    local there, kind = rawget(target, name), type(value)
    if target == kong_table.ctx and has_request then
      there = target[name]
    end
    local own = path .. "." .. tostring(name)
    if target == ngx_table.var then
      if has_request then
        variables.give(running.session, name, value)
      end
    elseif kind == "table" and type(there) == "table" and not getmetatable(value) then
      if has_request or not (getmetatable(there) or {}).__newindex then
        add(there, value, has_request, own)
      end
    elseif type(there) == "table" and kind ~= "table" and kind ~= "function" and value then
      error(fmt("%s must be a table, got %s", own, kind), 0)
    elseif has_request then
      local ok, err = pcall(assign, target, name, value)
      if not ok then
        error(fmt("%s: %s", own, gsub(tostring(err), "^[^\n]-:%d+: ", "")), 0)
      end
    else
      rawset(target, name, value)
    end
  end
end


--- Adds the fields `kong` and `ngx` of a case; see `add`.
function _M.add(given, has_request)
  add(kong_table, given.kong, has_request, "kong")
  add(ngx_table, given.ngx, has_request, "ngx")
end


--- Removes all fields that a case has added.
function _M.restore()
  restore_kong()
  restore_ngx()
end


--- Calls a function with the globals of a test, and with the fields that the test adds to them.
function _M.call(kong, ngx, f, ...)
  if rawget(_G, "kong") == kong_table then
    return f(...)
  end
  local uninstall = _M.install()
  local ok, result, err = pcall(_M.add, { kong = kong, ngx = ngx }, false)
  if ok then
    ok, result, err = pcall(f, ...)
  end
  uninstall()
  if not ok then
    error(modules.explain(result), 0)
  end
  return result, err
end


-- Calls `require`. The log of the next test gets the lines that the module logs.
local function load_module(name)
  running.start_loading()
  local ok, module = pcall(require, name)
  if not ok then
    modules.forget_failed()
    error(modules.explain(module), 0)
  end
  return module
end


--- Loads a module with the globals of a test, unless it is loaded.
function _M.load(name, kong, ngx)
  if modules.is_loaded(name) then
    return loaded[name]
  end
  return (_M.call(kong, ngx, load_module, name))
end


return _M
