--- `kong.configuration`: settings that can be read and not written.

local error = error
local setmetatable = setmetatable


--- Makes `kong.configuration`.
-- @tparam table pdk `configuration`, which may be replaced
-- @treturn table
return function(pdk)
  return setmetatable({}, {
    __index = function(_, name)
      return pdk.configuration[name]
    end,
    __newindex = function()
      error("cannot write to configuration", 2)
    end,
  })
end
