--- The lines that a test's code logs.

local concat = table.concat
local select = select
local tostring = tostring


local LEVELS = {
  [0] = "stderr", "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
}


local _M = {}


--- An empty log: a list of `{ level =, message = }`, with a list of messages for each level.
function _M.new()
  local log = {}
  for i = 0, #LEVELS do
    log[LEVELS[i]] = {}
  end
  return log
end


--- Adds a line; `level` is nginx's number.
function _M.add(log, level, message)
  local name = LEVELS[level] or tostring(level)
  log[#log + 1] = { level = name, message = message }
  local lines = log[name]
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
