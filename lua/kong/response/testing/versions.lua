--- How versions of nginx, each with its lua-nginx-module, differ.

local match = string.match
local tonumber = tonumber


-- The first version of nginx that is used with a version of lua-nginx-module, newest first.
local MODULES = { { 1031000, 10032 }, { 1029000, 10029 }, { 1023000, 10028 }, { 0, 10023 } }


local function module_of(nginx_version)
  for i = 1, #MODULES do
    if nginx_version >= MODULES[i][1] then
      return MODULES[i][2]
    end
  end
end


local _M = {
  --- The newest nginx of `make matrix`, which tests imitate by default.
  DEFAULT = "1.30.6",
}


--- Returns what a version of nginx does.
-- @tparam string version for example `1.27.1`
-- @treturn table
function _M.get(version)
  local major, minor, patch = match(version, "^(%d+)%.(%d+)%.?(%d*)")
  local nginx = major * 1000000 + minor * 1000 + (tonumber(patch) or 0)
  local module = module_of(nginx)
  return {
    -- As in `ngx.config`: 1027001 for 1.27.1.
    nginx_version = nginx,
    ngx_lua_version = module,
    -- A variable has all headers with a name, not only the first one.
    joins_headers = nginx >= 1023000,
    -- nginx drops the second ETag of an upstream, and some other repeated headers.
    drops_repeats = nginx >= 1023000,
    -- See the fields of `Server`.
    restores_ctx = module >= 10028,
    leaves_filter = module >= 10029,
    ends_output = module >= 10029,
    -- nginx sends several WWW-Authenticate.
    www_authenticate_repeats = module >= 10031,
  }
end


return _M
