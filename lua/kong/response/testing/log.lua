--- The lines that a test's code logs.

local modules = require "kong.response.testing.modules"
local names = require "kong.response.names"
local position = require "kong.response.testing.position"


local fmt = string.format
local raise = position.raise
local rawget = rawget
local setmetatable = setmetatable
local tostring = tostring
local type = type


local LEVELS = {
  [0] = "stderr", "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
}


local KNOWN = {}
for i = 0, #LEVELS do
  KNOWN[LEVELS[i]] = true
end

local log_mt = {}

-- Makes the list of a level when code first reads it.
function log_mt.__index(log, name)
  if KNOWN[name] then
    local lines = {}
    log[name] = lines
    return lines
  elseif type(name) == "string" and name:sub(1, 1) ~= "_" then
    raise(fmt("the log has no level %q%s", name, names.suggestion(name, KNOWN)))
  end
end


local _M = {}


--- Makes an empty log: a list of `{ level =, message =, phase =, plugin =, handler = }`. By the
-- name of a level, it also has a list of messages.
function _M.new()
  return setmetatable({}, log_mt)
end


--- Adds a line. Shortens the text about a missing module.
-- @tparam table log
-- @tparam number level nginx's number of the level
-- @tparam string message
-- @tparam[opt] string phase the phase of the line
-- @tparam[opt] string plugin the name of the plugin that has logged it
-- @tparam[opt] string handler `<file>:<line>` of the handler, for an error without a position
function _M.add(log, level, message, phase, plugin, handler)
  local name = LEVELS[level] or tostring(level)
  message = modules.shorten(message)
  log[#log + 1] = {
    level = name, message = message, phase = phase, plugin = plugin, handler = handler,
  }
  local lines = rawget(log, name)
  if not lines then
    lines = {}
    log[name] = lines
  end
  lines[#lines + 1] = message
end


return _M
