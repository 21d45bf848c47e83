--- Sets: arrays that also have their items as keys, for example `route.protocols.https`.

local json = require "kong.response.json"


local setmetatable = setmetatable


local _M = {}


--- Makes an array a set.
-- @tparam table items
-- @treturn table the same table
function _M.make(items)
  if #items == 0 then
    -- JSON writes it as `[]`.
    return setmetatable(items, json.array_mt)
  end
  local has = {}
  for i = 1, #items do
    has[items[i]] = true
  end
  return setmetatable(items, { __index = has })
end


return _M
