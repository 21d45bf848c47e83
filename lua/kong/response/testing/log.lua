--- The lines that a test's code logs.

local names = require "kong.response.names"
local position = require "kong.response.testing.position"


local concat = table.concat
local fmt = string.format
local raise = position.raise
local rawget = rawget
local select = select
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

-- The list of a level is made when it is needed first.
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


--- An empty log: a list of `{ level =, message =, phase =, plugin =, handler = }`, with a list of
-- messages for each level.
function _M.new()
  return setmetatable({}, log_mt)
end


--- Adds a line; `level` is nginx's number.
-- @tparam table log
-- @tparam number level
-- @tparam string message
-- @tparam[opt] string phase in which it was logged
-- @tparam[opt] string plugin the name of the plugin that did
-- @tparam[opt] string handler where its code is, for an error that does not say it
function _M.add(log, level, message, phase, plugin, handler)
  local name = LEVELS[level] or tostring(level)
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


--- What a gateway's log makes of its arguments.
function _M.text(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    texts[i] = tostring(texts[i])
  end
  return concat(texts)
end


return _M
