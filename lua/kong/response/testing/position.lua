--- Whose line an error about a test names: that of the test, wherever in the kit it was noticed.

local error = error
local find = string.find
local fmt = string.format
local getinfo = debug.getinfo
local match = string.match
local type = type


local OURS = match(getinfo(1, "S").source, "^(.*)position%.lua$")

-- With the functions of `kong.response` themselves.
local LIBRARY = match(OURS, "^(.*)testing/$")


local _M = {}


--- Whether a function belongs to the kit, or to luassert, whose assertions call it.
-- @tparam string source as `debug.getinfo` has it
function _M.is_ours(source)
  return find(source, OURS, 1, true) == 1 or find(source, "luassert", 1, true) ~= nil
end


--- The line of the plugin that has called the kit or the library, as `<file>:<line>`; nil behind a
-- tail call. Only good while a handler runs.
function _M.of_plugin()
  local level = 2
  local info = getinfo(level, "Sl")
  while info and (info.what == "C" or find(info.source, LIBRARY, 1, true) == 1) do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return info and info.currentline > 0 and fmt("%s:%d", info.short_src, info.currentline) or nil
end


--- Where a function begins, as `<file>:<line>`; nil for what is none of Lua's.
function _M.of_function(code)
  local info = type(code) == "function" and getinfo(code, "S")
  return info and info.linedefined > 0 and fmt("%s:%d", info.short_src, info.linedefined) or nil
end


--- Raises an error at the line of the test.
function _M.raise(text)
  local level = 2
  local info = getinfo(level, "Sl")
  while info and (info.what == "C" or _M.is_ours(info.source)) do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  if info and info.currentline > 0 then
    text = fmt("%s:%d: %s", info.short_src, info.currentline, text)
  end
  error(text, 0)
end


return _M
