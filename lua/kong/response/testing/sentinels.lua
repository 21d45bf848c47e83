--- Finds code that reads a value of `cjson` which the installed lua-cjson does not have. The
-- lua-cjson of OpenResty has all of them, Debian's has only `null`.

local position = require "kong.response.testing.position"
local running = require "kong.response.testing.running"


local fmt = string.format
local getinfo = debug.getinfo
local getmetatable = getmetatable
local loaded = package.loaded
local pairs = pairs
local pcall = pcall
local require = require
local setmetatable = setmetatable
local type = type


-- What to do instead, by name.
local VALUE, CALL = "use that of kong.response.json", "use kong.response.json instead"
local NAMES = {
  empty_array = VALUE, array_mt = VALUE, empty_array_mt = VALUE,
  decode_array_with_array_mt = CALL, encode_empty_table_as_object = CALL,
  encode_escape_forward_slash = CALL, encode_skip_unsupported_value_types = CALL,
  decode_allow_comment = CALL, encode_indent = CALL,
}

local MODULES = { "cjson", "cjson.safe" }

-- The hints for code at the top of modules, which runs only once.
local at_top = {}


local watch = {}

function watch.__index(_, name)
  if not NAMES[name] then
    return nil
  end
  local place = position.of_plugin()
  local hint = fmt("cjson.%s%s is nil, because this lua-cjson does not have it: %s", name,
                   place and " at " .. place or "", NAMES[name])
  if getinfo(2, "S").what == "main" then
    at_top[hint] = true
  end
  if running.session then
    running.session:hint(hint)
  end
  return nil
end


for i = 1, #MODULES do
  pcall(require, MODULES[i])
end

local _M = {}


--- Adds the hints for the tops of modules to a session.
function _M.add_hints(session)
  for hint in pairs(at_top) do
    session:hint(hint)
  end
end


--- Watches the modules.
-- @treturn function restores them
function _M.install()
  local watched = {}
  for i = 1, #MODULES do
    local module = loaded[MODULES[i]]
    if type(module) == "table" and module.empty_array == nil and getmetatable(module) == nil then
      watched[#watched + 1] = setmetatable(module, watch)
    end
  end
  return function()
    for i = 1, #watched do
      setmetatable(watched[i], nil)
    end
  end
end


return _M
