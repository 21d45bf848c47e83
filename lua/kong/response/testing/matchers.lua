--- Assertions about a result, for luassert: `assert.response(result).has.status(403)`.

local json = require "kong.response.json"
local position = require "kong.response.testing.position"
local show = require "kong.response.testing.show"


local byte = string.byte
local concat = table.concat
local find = string.find
local fmt = string.format
local getmetatable = getmetatable
local next = next
local pairs = pairs
local raise = position.raise
local rawequal = rawequal
local rawget = rawget
local rawset = rawset
local select = select
local sort = table.sort
local sub = string.sub
local tostring = tostring
local type = type


-- The keys of the result and of the first word in luassert's state of an assertion.
local RESULT = "kong_response_result"
local FIRST_WORD = "kong_response_beginning"

-- The subject of an assertion, by its first word.
local SUBJECTS = { response = "response", upstream = "request to the upstream" }

-- The only possible first word of some assertions.
local FIRST_WORDS = {
  status = "response", logged = "response", ctx = "response", method = "upstream",
  path = "upstream",
}

-- The type of the first argument, and its name in errors.
local ARGUMENTS = {
  status = { "number", "number" },
  header = { "string", "name" },
  body = { "string", "string" },
  logged = { "string", "level" },
  ctx = { "string", "name" },
  method = { "string", "string" },
  path = { "string", "string" },
}

-- The maximum number of bytes of a body in a message.
local MAX_PIECE = 40


local _M = {}


-- The texts of the assertions in messages.
local MESSAGES = {
  status = "status %s",
  header = "header %s",
  body = "the body %s",
  jsonbody = "the JSON body%s",
  logged = "a line in its log of the level %s",
  ctx = "kong.ctx.shared %s",
  method = "the method %s",
  path = "the path %s",
}


local function same(one, other)
  return one == tostring(other)
end


local function has_status(result, expected)
  return result.status == expected, tostring(expected)
end


-- `expected` is the value of one of the headers, or an array with all values.
local function has_header(result, name, expected)
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


-- Returns a quoted piece of a text, from a position on.
local function piece(text, at)
  return #text - at >= MAX_PIECE and fmt("%q...", sub(text, at, at + MAX_PIECE - 1))
         or fmt("%q", sub(text, at))
end


local function has_body(result, expected)
  local found = result.body
  if found == expected then
    return true, fmt("%q", expected), found
  end
  local at = 1
  while byte(found, at) == byte(expected, at) do
    at = at + 1
  end
  return false, fmt("of %d bytes: at byte %d, expected %s but found %s (%d bytes)", #expected, at,
                    piece(expected, at), piece(found, at), #found), found, "The %s:"
end


-- Whether a test expects an empty array. `{}` is an object.
local function is_empty_array(expected)
  if expected == json.empty_array then
    return true
  end
  local metatable = type(expected) == "table" and getmetatable(expected)
  return metatable and (metatable == json.array_mt or metatable == json.empty_array_mt)
         and next(expected) == nil
end


local function sorted_keys(...)
  local keys, seen = {}, {}
  for i = 1, 2 do
    for key in pairs((select(i, ...))) do
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  sort(keys, function(one, other)
    if type(one) == "number" and type(other) == "number" then
      return one < other
    end
    return tostring(one) < tostring(other)
  end)
  return keys
end


-- Returns where two values differ first, the expected value there, and the found value; nil if the
-- values are equal.
local function difference(found, expected, path)
  if rawequal(found, expected) then
    return nil
  end
  local is_array = type(found) == "table" and getmetatable(found) == json.array_mt
  if is_empty_array(expected) then
    if is_array and #found == 0 then
      return nil
    end
    return path, expected, found
  elseif type(found) ~= "table" or type(expected) ~= "table" then
    if found == expected then
      return nil
    end
    return path, expected, found
  elseif next(expected) == nil and is_array then
    return path, expected, found
  end
  local keys = sorted_keys(found, expected)
  for i = 1, #keys do
    local key = keys[i]
    local step = type(key) == "number" and fmt("[%s]", key) or "." .. tostring(key)
    local at, one, other = difference(found[key], expected[key], path .. step)
    if at then
      return at, one, other
    end
  end
end


local function shown_in_difference(value)
  return value == nil and "nothing" or show(value)
end


-- Whether the log has a line that contains a text.
local function has_logged(result, level, text)
  if text ~= nil and type(text) ~= "string" then
    raise("assert.response(result).has.logged needs a string as text, got " .. type(text))
  end
  local lines = result.log[level]
  for i = 1, #lines do
    if text == nil or find(lines[i], text, 1, true) then
      return true, fmt("%q: %q", level, text or ""), lines[i]
    end
  end
  local all = {}
  for i = 1, #result.log do
    all[i] = fmt("\n  [%s] %s", result.log[i].level, result.log[i].message)
  end
  return false, fmt("%q: %q. The log has %s", level, text or "",
                    all[1] and concat(all) or "no lines"), nil, "The response:"
end


-- Whether kong.ctx.shared has a field, with a value.
local function has_ctx(result, name, expected)
  local found = result.shared[name]
  if expected == nil then
    return found ~= nil, fmt("%q", tostring(name)), found
  end
  local at, one, other = difference(found, expected, tostring(name))
  return at == nil, at and fmt("%s: expected %s but found %s", at, shown_in_difference(one),
                               shown_in_difference(other))
                    or fmt("%q", tostring(name)), found, "The response:"
end


local function has_field(name)
  return function(result, expected)
    return result[name] == expected, fmt("%q", tostring(expected)), result[name]
  end
end


-- Refuses an assertion that could never fail or never pass.
local function check_call(name, first_word, argument)
  local only = FIRST_WORDS[name]
  if only and only ~= first_word then
    raise(fmt("has.%s is about the %s: write assert.%s(result).has.%s(...)", name, SUBJECTS[only],
              only, name))
  end
  local wanted = ARGUMENTS[name]
  if wanted and type(argument) ~= wanted[1] then
    raise(fmt("assert.%s(result).has.%s needs a %s, got %s", first_word, name, wanted[2],
              type(argument)))
  end
end


-- Returns the request that the upstream got, as the subject of an assertion.
local function sent_request(result)
  local request = result.upstream.request
  if not request then
    raise("the upstream was not asked:\n\n" .. result:describe())
  end
  local sent = {
    headers = request.headers, body = request.body, path = request.path, method = request.method,
  }
  function sent.read_json()
    return json.decode(request.body)
  end
  function sent.describe()
    local lines = { request.method .. " " .. request.path }
    for i = 1, #request.headers do
      lines[i + 1] = request.headers[i][1] .. ": " .. request.headers[i][2]
    end
    return concat(lines, "\n") .. "\n\n" .. request.body
  end
  return sent
end


--- Registers the assertions. Registering them again changes nothing.
-- @tparam table luassert the module
-- @tparam function is_result `is_result(value)` returns whether a value is a result of the kit
function _M.register(luassert, is_result)
  local say = require "say"

  local function has_json(result, expected)
    local value, err = result:read_json()
    if err then
      return false, ", but it is not JSON: " .. err, nil, "The %s:"
    elseif expected == nil then
      return true, " (any)", value
    end
    local at, one, other = difference(value, expected, "")
    if not at then
      return true, ":\n\n" .. show(expected), value
    end
    return false, fmt(": at %s, expected %s but found %s", at == "" and "the top" or at,
                      shown_in_difference(one), shown_in_difference(other)), value, "The %s:"
  end

  local function register_subject(name, of_result)
    luassert:register("modifier", name, function(state, arguments)
      if arguments then
        local result = arguments[1]
        if not is_result(result) then
          raise(fmt("assert.%s needs a result of kong.response.testing, got %s", name,
                    type(result)))
        end
        rawset(state, RESULT, of_result(result))
        rawset(state, FIRST_WORD, name)
      end
      return state
    end)
  end

  register_subject("response", function(result)
    return result
  end)
  register_subject("upstream", sent_request)

  local checks = {
    status = has_status, header = has_header, body = has_body, jsonbody = has_json,
    logged = has_logged, ctx = has_ctx, method = has_field "method", path = has_field "path",
  }
  for name, check in pairs(checks) do
    local positive = "assertion.kong_response." .. name .. ".positive"
    local negative = "assertion.kong_response." .. name .. ".negative"
    say:set(positive, "Expected a %s with " .. MESSAGES[name] .. "%s\n\n%s")
    say:set(negative, "Expected a %s without " .. MESSAGES[name] .. "%s\n\n%s")

    luassert:register("assertion", name, function(state, arguments)
      local result = rawget(state, RESULT)
      if not result then
        raise(fmt("name the response: assert.response(result).has.%s(...)", name))
      end
      local first_word = rawget(state, FIRST_WORD)
      check_call(name, first_word, arguments[1])
      local ok, expected, found, title = check(result, arguments[1], arguments[2])
      local subject = SUBJECTS[first_word]
      arguments[1], arguments[2] = subject, expected
      arguments[3] = title and "\n\n" .. fmt(title, subject) or ", but it is:"
      arguments[4] = result:describe()
      arguments.n = 4
      arguments.nofmt = { true, true, true, true }
      return ok, { found }
    end, positive, negative)
  end
end


return _M
