--- Writes descriptions of specs as Lua source, for the configuration of a server.

local fields = require "kong.response.testing.fields"


local _M = {}


--- Returns a value as Lua source.
-- @param value a table, string, number or boolean
-- @tparam[opt] string code a pattern. Strings that match it are Lua code, and are not quoted.
function _M.source_of(value, code)
  if type(value) == "string" then
    if code and value:find(code) then
      return value
    end
    return (string.format("%q", value):gsub("\n", "n"))
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local items = {}
  for key, item in pairs(value) do
    items[#items + 1] = "[" .. _M.source_of(key, code) .. "]=" .. _M.source_of(item, code)
  end
  return "{" .. table.concat(items, ",") .. "}"
end


--- Returns headers in the order of the test kit: `{ name, { value, … } }`, one entry for each name.
function _M.grouped(headers)
  local list, places = {}, {}
  for _, header in ipairs(fields.headers(headers, "headers")) do
    local place = places[header[1]]
    if not place then
      place = { header[1], {} }
      places[header[1]] = place
      list[#list + 1] = place
    end
    table.insert(place[2], header[2])
  end
  return list
end


return _M
