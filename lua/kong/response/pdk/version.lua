--- `kong.version` and `kong.version_num`: which version's interface plugins find.

local fmt = string.format
local match = string.match
local tonumber = tonumber


local DEFAULT = "3.9.0"


local _M = {}


--- A version, and its number: 3009001 for 3.9.1.
-- @tparam ?string version
function _M.of(version)
  version = version or DEFAULT
  local major, minor, patch = match(version, "^(%d+)%.(%d+)%.?(%d*)")
  if not major then
    return version, nil
  end
  return version, tonumber(fmt("%d%02d%02d", major * 100, minor * 10, tonumber(patch) or 0))
end


return _M
