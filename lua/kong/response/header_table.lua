--- The metatable of a table of headers by lower-case name: it finds `X_Foo`, `x-foo` and `X-Foo`.
-- nginx's own one does not find a header that was received as `X_Foo` by this name.

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
