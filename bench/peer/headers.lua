--- Checks names and values of headers, and passes them to nginx.

local error = error
local fmt = string.format
local gsub = string.gsub
local lower = string.lower
local match = string.match
local ngx = ngx
local tostring = tostring
local type = type
local pairs = pairs


local header = ngx.header

-- The largest Content-Length, which has 63 bits, as text.
local LARGEST = "9223372036854775807"

local _M = {}


local function normal(name)
  return (gsub(lower(name), "_", "-"))
end


local function refuse_length(name, value, level)
  error(fmt("invalid header value for %q: got %q, expected a non-negative integer",
            name, tostring(value)), level)
end


local function check_length(name, value, level)
  local digits = type(value) == "number" and tostring(value) or value
  if type(digits) ~= "string" or not match(digits, "^%d+$") then
    return refuse_length(name, value, level)
  end
  local significant = match(digits, "^0*(.*)$")
  if #significant > #LARGEST or (#significant == #LARGEST and significant > LARGEST) then
    refuse_length(name, value, level)
  end
end


local function check_array(name, values, level)
  for i = 1, #values do
    local value = values[i]
    if value == nil then
      return
    end
    if type(value) ~= "string" then
      error(fmt("invalid header value in array %q: got %s, expected string", name, type(value)),
            level)
    end
  end
end


-- Returns the array for nginx. It stops at the first hole, and replaces empty strings, because
-- nginx would remove the header.
local function items(values)
  local n = #values
  for i = 1, n do
    local value = values[i]
    if value == nil or value == "" then
      local copy = {}
      for k = 1, n do
        value = values[k]
        if value == nil then
          break
        end
        copy[k] = value == "" and " " or value
      end
      return copy
    end
  end
  return values
end


--- Checks one pair, and raises an error at `level`. Returns `"length"`, `"type"` or `"transfer"`
-- for the special names.
local function check(name, value, expected, level)
  if type(name) ~= "string" then
    error(fmt("invalid header name %q: got %s, expected string", tostring(name), type(name)), level)
  end
  local kind = type(value)
  if kind == "table" then
    check_array(name, value, level + 1)
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(fmt("invalid header value for %q: got %s, expected %s", name, kind, expected), level)
  end

  -- Compare lengths first: few names are as long as one of the special names.
  local length = #name
  if length == 14 then
    if normal(name) == "content-length" then
      if kind == "table" then
        for i = 1, #value do
          check_length(name, value[i], level + 1)
        end
      else
        check_length(name, value, level + 1)
      end
      return "length"
    end
  elseif length == 12 then
    if normal(name) == "content-type" then
      return "type"
    end
  elseif length == 17 then
    if normal(name) == "transfer-encoding" then
      ngx.log(ngx.WARN, "manually setting Transfer-Encoding. Ignored.")
      return "transfer"
    end
  end
end


--- The lengths of the special names.
_M.APART = { [12] = true, [14] = true, [17] = true }


--- Checks the arguments of a setter of one header. Returns true if the setter must ignore the
-- header.
function _M.check_one(name, value)
  return check(name, value, "array of string, string, number or boolean", 4) == "transfer"
end


--- Checks a table of headers. Returns its Content-Type and its Content-Length.
function _M.check_all(headers)
  local content_type, content_length
  for name, value in pairs(headers) do
    local what = check(name, value, "string, number, boolean or array of strings", 4)
    if what == "type" then
      content_type = value
    elseif what == "length" then
      content_length = value
    end
  end
  return content_type, content_length
end


--- Sets a checked header.
local function set(name, value)
  local kind = type(value)
  if kind == "string" then
    if value == "" then
      value = " "
    end
  elseif kind == "table" then
    value = items(value)
    if value[1] == nil then
      value = nil
    end
  else
    value = tostring(value)
  end
  header[name] = value
end

_M.set = set


function _M.set_all(headers)
  for name, value in pairs(headers) do
    if #name ~= 17 or normal(name) ~= "transfer-encoding" then
      set(name, value)
    end
  end
end


--- Returns the value for `ngx_resp.add_header`.
function _M.addable(value)
  local kind = type(value)
  if kind == "string" then
    return value == "" and " " or value
  elseif kind == "table" then
    return items(value)
  end
  return tostring(value)
end


return _M
