--- Assertions about a result, for luassert: `assert.response(result).has.status(403)`.

local json = require "kong.response.json"
local position = require "kong.response.testing.position"
local show = require "kong.response.testing.show"


local fmt = string.format
local getmetatable = getmetatable
local next = next
local pairs = pairs
local raise = position.raise
local rawget = rawget
local rawset = rawset
local tostring = tostring
local type = type


-- Where the chain of an assertion keeps its result.
local RESULT = "kong_response_result"


local _M = {}


-- The words of an assertion, and what stands behind them: the response.
local MESSAGES = {
  status = "status %s",
  header = "header %s",
  body = "the body %s",
  jsonbody = "the JSON body%s",
}


local function same(one, other)
  return one == tostring(other)
end


local function has_status(result, expected)
  local shown = type(expected) == "string" and fmt("%q, a string", expected) or tostring(expected)
  return result.status == expected, shown
end


-- `expected` is a value, which one of the headers has to have, or all values in an array.
local function has_header(result, name, expected)
  if type(name) ~= "string" then
    raise("assert.response(result).has.header needs a name, got " .. type(name))
  end
  local found = result.headers[name]
  if expected == nil then
    return found ~= nil, fmt("%q", name), found
  end

  local values = type(found) == "table" and found or { found }
  local ok = false
  if type(expected) == "table" then
    local quoted = {}
    ok = #expected == #values
    for i = 1, #expected do
      ok = ok and same(values[i], expected[i])
      quoted[i] = fmt("%q", tostring(expected[i]))
    end
    return ok, fmt("%q with the values %s", name, table.concat(quoted, ", ")), found
  end
  for i = 1, #values do
    ok = ok or same(values[i], expected)
  end
  return ok, fmt("%q with the value %q", name, tostring(expected)), found
end


local function has_body(result, expected)
  return result.body == expected, fmt("%q", tostring(expected)), result.body
end


-- Whether a test says of this value that it is an array: an empty one, `{}` may be either.
local function is_empty_array(expected)
  if expected == json.empty_array then
    return true
  end
  local metatable = type(expected) == "table" and getmetatable(expected)
  return metatable and (metatable == json.array_mt or metatable == json.empty_array_mt)
         and next(expected) == nil
end


-- `found` is read from JSON: it ends, whatever is expected of it.
local function same_json(found, expected)
  if is_empty_array(expected) then
    return type(found) == "table" and getmetatable(found) == json.array_mt and #found == 0
  elseif type(found) ~= "table" or type(expected) ~= "table" then
    return found == expected
  end
  for key, value in pairs(found) do
    if not same_json(value, expected[key]) then
      return false
    end
  end
  for key in pairs(expected) do
    if found[key] == nil then
      return false
    end
  end
  return true
end


--- Registers the assertions. Registering them again changes nothing.
-- @tparam table luassert the module
-- @tparam function is_result
function _M.register(luassert, is_result)
  local say = require "say"

  local function has_json(result, expected)
    local value, err = result:read_json()
    local ok = err == nil
    if expected == nil then
      return ok, " (any)", value
    end
    local is = ok and ":\n\n" .. show(value) or " no JSON: " .. err
    local same_value = ok and same_json(value, expected)
    return same_value, ":\n\n" .. show(expected) .. "\n\nbut it is" .. is, value, "The response:"
  end

  luassert:register("modifier", "response", function(state, arguments)
    if arguments then
      local result = arguments[1]
      if not is_result(result) then
        raise("assert.response needs a result of kong.response.testing, got " .. type(result))
      end
      rawset(state, RESULT, result)
    end
    return state
  end)

  local checks = {
    status = has_status, header = has_header, body = has_body, jsonbody = has_json,
  }
  for name, check in pairs(checks) do
    local positive = "assertion.kong_response." .. name .. ".positive"
    local negative = "assertion.kong_response." .. name .. ".negative"
    say:set(positive, "Expected a response with " .. MESSAGES[name] .. "%s\n\n%s")
    say:set(negative, "Expected a response without " .. MESSAGES[name] .. "%s\n\n%s")

    luassert:register("assertion", name, function(state, arguments)
      local result = rawget(state, RESULT)
      if not result then
        raise(fmt("say which response: assert.response(result).has.%s(...)", name))
      end
      local ok, expected, found, title = check(result, arguments[1], arguments[2])
      arguments[1], arguments[2] = expected, title and "\n\n" .. title or ", but it is:"
      arguments[3] = result:describe()
      arguments.n = 3
      arguments.nofmt = { true, true, true }
      return ok, { found }
    end, positive, negative)
  end
end


return _M
