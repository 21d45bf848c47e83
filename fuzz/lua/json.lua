--- Writes one value as JSON with every function of the library. If the value cannot run code, the
-- bytes must be those of a slow and simple encoder.

local core = require "kong.response.core"
local ffi = require "ffi"
local json = require "kong.response.json"
local server = require "fuzz.server"
local values = require "fuzz.values"


ffi.cdef "int snprintf(char *, size_t, const char *, ...);"


local NOT_FINITE = "Cannot serialise number: must not be NaN or Infinity"
local DEEPEST = 1000
local SPARSE_SAFE = 32768


local function number(value)
  if value ~= value or value == 1 / 0 or value == -1 / 0 then
    error(NOT_FINITE, 0)
  end
  local room = ffi.new("char[64]")
  ffi.C.snprintf(room, 64, "%.16g", ffi.cast("double", value))
  return ffi.string(room)
end


local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n",
  ["\f"] = "\\f", ["\r"] = "\\r",
}


local function text(value)
  return '"' .. value:gsub('[%z\1-\31"\\/\127]', function(char)
    return ESCAPES[char] or string.format("\\u%04x", char:byte())
  end) .. '"'
end


--- Returns the length of an array, or nil for an object.
local function array_length(table)
  local greatest, items = 0, 0
  for key in next, table do
    if key == 1 / 0 or key == -1 / 0 then
      error(NOT_FINITE, 0)
    end
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      return nil
    end
    greatest = math.max(greatest, key)
    items = items + 1
  end
  if greatest > 2 * items and greatest > SPARSE_SAFE then
    error("Cannot serialise table: excessively sparse array", 0)
  end
  return items > 0 and greatest or nil
end


local encode


local function encode_array(array, length, depth)
  local out = {}
  for i = 1, length do
    out[i] = encode(array[i], depth)
  end
  return "[" .. table.concat(out, ",") .. "]"
end


local function encode_table(value, depth)
  if depth > DEEPEST then
    error("Cannot serialise, excessive nesting (" .. depth .. ")", 0)
  end
  local metatable = getmetatable(value)
  if metatable == json.array_mt then
    return encode_array(value, #value, depth)
  end
  local length = array_length(value)
  if length then
    return encode_array(value, length, depth)
  end
  if metatable == json.empty_array_mt then
    return "[]"
  end
  local out = {}
  for key, field in next, value do
    if type(key) == "number" then
      key = '"' .. number(key) .. '"'
    elseif type(key) == "string" then
      key = text(key)
    else
      error("Cannot serialise " .. type(key) .. ": table key must be a number or string", 0)
    end
    out[#out + 1] = key .. ":" .. encode(field, depth)
  end
  return "{" .. table.concat(out, ",") .. "}"
end


function encode(value, depth)
  local kind = type(value)
  if kind == "nil" or rawequal(value, core.null) then
    return "null"
  elseif rawequal(value, core.empty_array) then
    return "[]"
  elseif kind == "string" then
    return text(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "table" then
    return encode_table(value, depth + 1)
  end
  error("Cannot serialise " .. kind .. ": type not supported", 0)
end


local function check_error(err)
  if type(err) ~= "string" or err:find("internal error", 1, true) then
    error("an error that is none for users: " .. tostring(err), 0)
  end
end


--- Returns the body that `exit` sends for a table, or nil and an error if it has no JSON form.
local function by_exit(value)
  local request = server.open {}
  request.host:set_phase("access")
  local before = request:state()
  local ok, err = pcall(request.response.exit, 200, value)
  if not ok then
    return nil, err, before == request:state()
  end
  return request.printed
end


local function by_delayed_exit(value)
  local request = server.open {}
  request.host:set_phase("access")
  request.ctx.delay_response = true
  local before = request:state()
  local sender = coroutine.create(request.response.exit)
  local ok, err = coroutine.resume(sender, 200, value)
  if not ok then
    return nil, err, before == request:state()
  end
  ok, err = pcall(request.ctx.delayed_response_callback, request.ctx)
  if not ok then
    return nil, err, true
  end
  return request.printed
end


local function by_stream(value)
  local ctx = {}
  local stream = core.stream({ ctx = ctx }, {
    error_templates = {},
    tostring = tostring,
    empty_array = json.empty_array,
    array_mt = json.array_mt,
    empty_array_mt = json.empty_array_mt,
  })
  local ok, code, body = pcall(stream.exit, 200, value)
  if not ok then
    return nil, code, next(ctx) == nil
  end
  return body
end


--- Returns the document of `error` for a table as the message.
local function by_error(value)
  local request = server.open {}
  request.host:set_phase("access")
  local before = request:state()
  local ok, err = pcall(request.response.error, 500, value)
  if not ok then
    return nil, err, before == request:state()
  end
  return request.printed
end


--- @tparam string bytes a value, in the format of `values.lua`
-- @treturn string... the JSON texts
local function check(bytes)
  local input = values.open(bytes)
  local value = input:value()
  if type(value) ~= "table" then
    value = { value }
  end
  input.again = function(self)
    self.again = function() end
    pcall(by_exit, self.tables[1] or {})
  end

  local expected, expected_error
  if not input.hostile then
    local ok, result = pcall(encode, value, 0)
    if ok then
      expected = result
    else
      expected_error = result
    end
  end

  local written = {}
  for name, way in pairs { exit = by_exit, delayed = by_delayed_exit, stream = by_stream } do
    local result, err, unchanged = way(value)
    if not result then
      check_error(err)
      assert(unchanged, name .. " has changed something, and failed")
    end
    if not input.hostile then
      assert(result == expected,
        ("%s wrote %s, not %s"):format(name, tostring(result), tostring(expected)))
      if expected_error then
        assert(err:find(expected_error, 1, true),
          ("%s failed with %s, not with %s"):format(name, err, expected_error))
      end
    end
    if result then
      written[#written + 1] = result
      local decoded, reason = json.decode(result)
      assert(decoded ~= nil or type(reason) == "string")
    end
  end
  local document, err = by_error(value)
  if document then
    written[#written + 1] = document
  else
    check_error(err)
  end
  json.decode(bytes)
  return unpack(written)
end


return { check = check }
