--- Encodings, digests and times of `ngx`. They return and raise the same as lua-nginx-module.

local clocks = require "kong.response.testing.clock"
local native = require("kong.response.testing.native").ngx


local byte = string.byte
local concat = table.concat
local date = os.date
local error = error
local find = string.find
local floor = math.floor
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local modf = math.modf
local pairs = pairs
local select = select
local sub = string.sub
local tostring = tostring
local type = type
local unescape = native.unescape_uri


-- The default maximum number of arguments.
local MAX_ARGS = 100

local MAX_ESCAPE_TYPE = 6

local SQL = {
  ["\0"] = "\\0", ["\b"] = "\\b", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\26"] = "\\Z",
  ["\\"] = "\\\\", ["'"] = "\\'", ['"'] = '\\"', ["$"] = "\\$",
}


-- Returns a value as text. nil is an empty text.
local function text_of(value)
  return value == nil and "" or tostring(value)
end


-- Returns an argument as text. It raises the error of a C function for other types.
local function string_argument(value, i, name)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then
    error(fmt("bad argument #%d to '%s' (string expected, got %s)", i, name,
              value == nil and "nil" or kind), 3)
  end
  return tostring(value)
end


local function hex(bytes)
  return (gsub(bytes, ".", function(c)
    return fmt("%02x", byte(c))
  end))
end


local _M = {}


function _M.encode_base64(text, no_padding)
  if no_padding ~= nil and type(no_padding) ~= "boolean" then
    error("bad no_padding: boolean expected, got " .. type(no_padding), 2)
  end
  return (native.encode_base64(text_of(text), no_padding or false))
end


function _M.decode_base64(text)
  if type(text) ~= "string" then
    error("string argument only", 2)
  end
  return (native.decode_base64(text))
end


function _M.md5_bin(text)
  return (native.md5(text_of(text)))
end


function _M.md5(text)
  return hex(native.md5(text_of(text)))
end


function _M.sha1_bin(text)
  return (native.sha1(text_of(text)))
end


function _M.crc32_short(text)
  return (native.crc32(text_of(text)))
end


_M.crc32_long = _M.crc32_short


function _M.hmac_sha1(...)
  if select("#", ...) ~= 2 then
    error("expecting 2 arguments, but got " .. select("#", ...), 2)
  end
  local key, text = ...
  return (native.hmac_sha1(string_argument(key, 1, "hmac_sha1"),
                          string_argument(text, 2, "hmac_sha1")))
end


function _M.escape_uri(text, kind)
  if kind == nil then
    kind = 2
  elseif type(kind) ~= "number" then
    error('"type" is not a number', 2)
  elseif kind < 0 or kind > MAX_ESCAPE_TYPE then
    error(fmt('"type" %s out of range', tostring(kind)), 2)
  end
  return (native.escape_uri(text_of(text), floor(kind)))
end


function _M.unescape_uri(text)
  return (unescape(text_of(text)))
end


function _M.quote_sql_str(...)
  if select("#", ...) ~= 1 then
    error("expecting one argument", 2)
  end
  local plain = string_argument((...), 1, "quote_sql_str")
  return "'" .. gsub(plain, "[%z\b\n\r\t\26\\'\"$]", SQL) .. "'"
end


local function add_argument(pieces, name, value)
  local kind = type(value)
  if kind == "string" or kind == "number" then
    pieces[#pieces + 1] = name .. "=" .. native.escape_uri(tostring(value), 2)
  elseif value == true then
    pieces[#pieces + 1] = name
  elseif value ~= false then
    error(fmt("attempt to use %s as query arg value", kind), 3)
  end
end


function _M.encode_args(...)
  if select("#", ...) ~= 1 then
    error("expecting 1 argument but seen " .. select("#", ...), 2)
  end
  local args = ...
  if type(args) ~= "table" then
    error(fmt("bad argument #1 to 'encode_args' (table expected, got %s)", type(args)), 2)
  end
  local pieces = {}
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      error('attempt to use a non-string key in the "args" option table', 2)
    end
    name = native.escape_uri(name, 2)
    if type(value) == "table" then
      for i = 1, #value do
        add_argument(pieces, name, value[i])
      end
    else
      add_argument(pieces, name, value)
    end
  end
  return concat(pieces, "&")
end


local function add_to(found, item)
  local equals = find(item, "=", 1, true)
  local name = unescape(equals and sub(item, 1, equals - 1) or item)
  local value = not equals or unescape(sub(item, equals + 1))
  if name == "" then
    return false
  end
  local before = found[name]
  if before == nil then
    found[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    found[name] = { before, value }
  end
  return true
end


-- nginx converts the limit to a C integer.
local function limit_of(max)
  max = max and modf(max) or MAX_ARGS
  return max < 0 and MAX_ARGS or max
end


--- Reads the arguments of a form. The value of an argument without `=` is true. The value of a
-- repeated argument is an array.
-- @tparam string query
-- @tparam[opt=100] number max the maximum number of arguments, or 0 for all
-- @treturn table values by name
-- @treturn ?string `truncated` if there are more arguments
function _M.arguments(query, max)
  max = limit_of(max)
  local found, count = {}, 0
  for item, ampersand in gmatch(query, "([^&]*)(&?)") do
    add_to(found, item)
    if ampersand == "&" then
      count = count + 1
      if count == max then
        return found, "truncated"
      end
    end
  end
  return found
end


--- Reads the arguments of a query, like `arguments`. But nginx counts differently here: arguments
-- without a name do not count for the limit, but they count for `truncated`.
function _M.query_arguments(query, max)
  max = limit_of(max)
  local _, ampersands = gsub(query, "&", "")
  local found, count = {}, 0
  local truncated = max > 0 and ampersands + 1 > max
  for item in gmatch(query, "[^&]+") do
    if add_to(found, item) then
      count = count + 1
      if count == max then
        break
      end
    end
  end
  return found, truncated and "truncated" or nil
end


function _M.decode_args(...)
  local count = select("#", ...)
  if count ~= 1 and count ~= 2 then
    error("expecting 1 or 2 arguments but seen " .. count, 2)
  end
  local query, max = ...
  query = string_argument(query, 1, "decode_args")
  if max ~= nil and type(max) ~= "number" then
    error(fmt("bad argument #2 to 'decode_args' (number expected, got %s)", type(max)), 2)
  end
  return _M.arguments(query, max)
end


function _M.parse_http_time(text)
  if type(text) ~= "string" then
    error("string argument only", 2)
  end
  return (native.parse_http_time(text))
end


local function check_number(seconds)
  if type(seconds) ~= "number" then
    error("number argument only", 3)
  end
end


function _M.http_time(seconds)
  check_number(seconds)
  return (native.http_time(floor(seconds)))
end


function _M.cookie_time(seconds)
  check_number(seconds)
  seconds = floor(seconds)
  -- nginx writes the year with four digits from 2038 on.
  local year = seconds >= 2147397247 and "%Y" or "%y"
  return date("!%a, %d-%b-" .. year .. " %H:%M:%S GMT", seconds)
end


function _M.now()
  return clocks.now()
end


function _M.time()
  return floor(clocks.now())
end


function _M.localtime()
  return date("%Y-%m-%d %H:%M:%S", floor(clocks.now()))
end


function _M.utctime()
  return date("!%Y-%m-%d %H:%M:%S", floor(clocks.now()))
end


function _M.today()
  return date("%Y-%m-%d", floor(clocks.now()))
end


return _M
