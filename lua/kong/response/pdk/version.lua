--- `kong.version` and `kong.version_num`: the version of the gateway whose interface plugins get.

local fmt = string.format
local match = string.match
local tonumber = tonumber


local DEFAULT = "3.9.0"


local _M = {}


--- Returns a version and its number. The number of 3.9.1 is 3009001.
-- @tparam ?string version 3.9.0 by default
-- @treturn string
-- @treturn ?number nil if the version does not begin with two numbers
function _M.of(version)
  version = version or DEFAULT
  local major, minor, patch = match(version, "^(%d+)%.(%d+)%.?(%d*)")
  if not major then
    return version, nil
  end
  return version, tonumber(fmt("%d%02d%02d", major * 100, minor * 10, tonumber(patch) or 0))
end


return _M
