--- `kong.configuration`: settings that can be read and not written.

local error = error
local setmetatable = setmetatable


local _M = {}


--- Makes `kong.configuration`.
-- @tparam table settings
-- @treturn table
function _M.new(settings)
  return setmetatable({}, {
    __index = settings,
    __newindex = function()
      error("cannot write to configuration", 2)
    end,
  })
end


return _M
