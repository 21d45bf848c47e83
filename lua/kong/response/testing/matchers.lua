--- Assertions about a result, for luassert: `assert.response(result).has.status(403)`.

local error = error
local fmt = string.format
local pairs = pairs
local pcall = pcall
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
  jsonbody = "the JSON body %s",
}


local function same(one, other)
  return one == tostring(other)
end


local function has_status(result, expected)
  return result.status == expected, tostring(expected)
end


-- `expected` is a value, which one of the headers has to have, or all values in an array.
local function has_header(result, name, expected)
  if type(name) ~= "string" then
    error("assert.response(result).has.header needs a name, got " .. type(name), 0)
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


--- Registers the assertions. Registering them again changes nothing.
-- @tparam table luassert the module
-- @tparam function is_result
function _M.register(luassert, is_result)
  local say = require "say"
  local util = require "luassert.util"
  local format_argument = require("luassert.state").format_argument

  local function has_json(result, expected)
    local ok, value = pcall(result.json)
    if expected == nil then
      return ok, "(any)", value
    end
    local same_value = ok and util.deepcompare(value, expected, true) or false
    return same_value, format_argument(expected) or tostring(expected), value
  end

  luassert:register("modifier", "response", function(state, arguments)
    if arguments then
      local result = arguments[1]
      if not is_result(result) then
        error("assert.response needs a result of kong.response.testing, got " .. type(result), 0)
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
    say:set(positive, "Expected a response with " .. MESSAGES[name] .. ", but it is:\n\n%s")
    say:set(negative, "Expected a response without " .. MESSAGES[name] .. ", but it is:\n\n%s")

    luassert:register("assertion", name, function(state, arguments)
      local result = rawget(state, RESULT)
      if not result then
        error(fmt("say which response: assert.response(result).has.%s(...)", name), 0)
      end
      local ok, expected, found = check(result, arguments[1], arguments[2])
      arguments[1], arguments[2] = expected, result:describe()
      arguments.n = 2
      arguments.nofmt = { true, true }
      return ok, { found }
    end, positive, negative)
  end
end


return _M
