--- Reads any bytes as JSON, writes the value, and reads it again.

local json = require "kong.response.json"


local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return rawequal(a, b)
  end
  if getmetatable(a) ~= getmetatable(b) then
    return false
  end
  for key, value in next, a do
    if not equal(value, b[key]) then
      return false
    end
  end
  for key in next, b do
    if a[key] == nil then
      return false
    end
  end
  return true
end


--- @tparam string bytes
-- @treturn string `read` or `refused`
-- @treturn string the value as JSON, or the reason
local function check(bytes)
  local value, reason = json.decode(bytes)
  if value == nil then
    assert(type(reason) == "string" and not reason:find("internal error", 1, true), reason)
    return "refused", reason
  end
  local text = assert(json.encode(value))
  local again, why = json.decode(text)
  if again == nil then
    -- Rounded to sixteen digits, the greatest doubles become greater than any double.
    assert(why:find("number out of range", 1, true), why)
    return "read", text
  end
  assert(equal(again, (json.decode(assert(json.encode(again))))), "not stable: " .. text)
  return "read", text
end


return { check = check }
