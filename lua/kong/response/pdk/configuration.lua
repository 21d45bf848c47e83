--- `kong.configuration`: read-only settings.

local error = error
local setmetatable = setmetatable


--- Makes `kong.configuration`.
-- @tparam table pdk `configuration`, which is read at each access, because `describe` replaces it
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
