--- A naive model of the headers, and random calls of the setters for it.

local random = math.random
local _M = { names = { "x-a", "x-b-c", "cache-control", "etag" }, values = {} }

local SPELLINGS = {
  ["x-a"] = { "X-A", "x_a", "x-A" },
  ["x-b-c"] = { "X-B-C", "X_b-C", "x_B_c", "x-b-c" },
  ["cache-control"] = { "Cache-Control", "cache_control" },
  etag = { "ETag", "etag" },
}
local VALUES = { "a", "", "b\r\nX: 1", 1, 1.5, true, false, "\200", "a,b" }

local function pick(list)
  return list[random(#list)]
end

local function any_value()
  if random(4) > 1 then
    return pick(VALUES)
  end
  local array = {}
  for i = 1, random(0, 3) do
    array[i] = tostring(pick(VALUES))
  end
  return array
end

local function sent(value)
  value = tostring(value):gsub("%c", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  return value == "" and " " or value
end

local function put(name, value, adding)
  local items = type(value) == "table" and value or { value }
  local list = adding and _M.values[name] or {}
  for _, item in ipairs(items) do
    if name == "etag" then
      list = {}
    end
    list[#list + 1] = sent(item)
  end
  _M.values[name] = list[1] and list or nil
end

function _M.step(response)
  local name = pick(_M.names)
  local spelling, value, what = pick(SPELLINGS[name]), any_value(), random(4)
  if what == 1 then
    response.set_header(spelling, value)
    put(name, value)
    return "set_header " .. spelling
  elseif what == 2 then
    response.add_header(spelling, value)
    put(name, value, true)
    return "add_header " .. spelling
  elseif what == 3 then
    response.clear_header(spelling)
    _M.values[name] = nil
    return "clear_header " .. spelling
  end
  local headers = {}
  for _, other in ipairs(_M.names) do
    if random(2) == 1 then
      value = any_value()
      headers[pick(SPELLINGS[other])] = value
      put(other, value)
    end
  end
  response.set_headers(headers)
  return "set_headers"
end

return _M
