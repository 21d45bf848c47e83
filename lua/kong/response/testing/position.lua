--- Whose line an error about a test names: that of the test, wherever in the kit it was noticed.

local error = error
local find = string.find
local fmt = string.format
local getinfo = debug.getinfo
local match = string.match


local OURS = match(getinfo(1, "S").source, "^(.*)position%.lua$")

local _M = {}


--- Whether a function belongs to the kit, or to luassert, whose assertions call it.
-- @tparam string source as `debug.getinfo` has it
function _M.is_ours(source)
  return find(source, OURS, 1, true) == 1 or find(source, "luassert", 1, true) ~= nil
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
