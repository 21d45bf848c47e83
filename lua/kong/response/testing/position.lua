--- Finds the line of the test or of the plugin for errors that the kit raises.

local error = error
local find = string.find
local fmt = string.format
local getinfo = debug.getinfo
local gmatch = string.gmatch
local match = string.match
local open = io.open
local type = type


local OURS = match(getinfo(1, "S").source, "^(.*)position%.lua$")

-- The folder of the whole library.
local LIBRARY = match(OURS, "^(.*)testing/$")


local _M = {}


--- Whether a function belongs to the kit, or to luassert, which calls the kit's assertions.
-- @tparam string source as `debug.getinfo` has it
function _M.is_ours(source)
  return find(source, OURS, 1, true) == 1 or find(source, "luassert", 1, true) ~= nil
end


--- Returns the line of the plugin that has called the kit or the library, as `<file>:<line>`; nil
-- after a tail call. Call it only while a handler runs.
function _M.of_plugin()
  local level = 2
  local info = getinfo(level, "Sl")
  while info and (info.what == "C" or find(info.source, LIBRARY, 1, true) == 1) do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return info and info.currentline > 0 and fmt("%s:%d", info.short_src, info.currentline) or nil
end


--- Returns the first line of a Lua function, as `<file>:<line>`; nil for other values.
function _M.of_function(code)
  local info = type(code) == "function" and getinfo(code, "S")
  return info and info.linedefined > 0 and fmt("%s:%d", info.short_src, info.linedefined) or nil
end


--- Returns the text of a file, or nil.
function _M.read(path)
  local file = open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end


--- Returns a line of a file, or nil.
function _M.line_of(path, number)
  local n = 0
  for line in gmatch(_M.read(path) or "", "([^\n]*)\n?") do
    n = n + 1
    if n == number then
      return line
    end
  end
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
