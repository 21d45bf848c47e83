--- The metatable of a table of headers whose keys are lower-case names. It finds a header under
-- `X-Foo`, `x-foo` and `X_Foo`. lua-nginx-module's metatable does not find a header that the
-- upstream has sent as `X_Foo` under this name.

local gsub = string.gsub
local lower = string.lower
local rawget = rawget
local type = type


return {
  __index = function(headers, name)
    if type(name) ~= "string" then
      return nil
    end
    name = lower(name)
    local value = rawget(headers, name)
    if value == nil then
      value = rawget(headers, (gsub(name, "_", "-")))
    end
    return value
  end,
}
