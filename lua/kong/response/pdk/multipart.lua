--- Bodies of the type multipart/form-data.

local random = require "kong.response.pdk.random"


local byte = string.byte
local concat = table.concat
local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local lower = string.lower
local match = string.match
local pairs = pairs
local sort = table.sort
local sub = string.sub
local tostring = tostring
local type = type


local _M = {}


--- Returns the boundary in a media type, or nil.
function _M.boundary(media_type)
  for parameter in gmatch(media_type, ";%s*([^;]+)") do
    local name, value = match(parameter, "^(%a+)=(.*)$")
    if name and lower(name) == "boundary" then
      -- Clients send this text, so each pattern must take linear time. `(.-)%s*$` would not.
      value = match(value, "^.*%S") or ""
      value = match(value, '^"(.*)"$') or value
      return value ~= "" and value or nil
    end
  end
end


-- Returns the name in `Content-Disposition: form-data; name="…"`, or nil.
local function name_of(head)
  for line in gmatch(head .. "\r\n", "(.-)\r?\n") do
    local field, value = match(line, "^([^:]+):%s*(.*)$")
    if field and lower(field) == "content-disposition" then
      return match(value, ';%s*[nN][aA][mM][eE]="([^"]*)"')
             or match(value, ";%s*[nN][aA][mM][eE]=([^;%s]+)")
    end
  end
end


--- Adds a value. Several values of one name become an array.
local function add(values, name, value)
  local before = values[name]
  if before == nil then
    values[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    values[name] = { before, value }
  end
end


--- Returns the values of a body, by the names of its parts. Without a boundary, it returns no
-- values.
function _M.decode(body, media_type)
  local values = {}
  local boundary = _M.boundary(media_type)
  if not boundary then
    return values
  end

  local delimiter = "--" .. boundary
  local text = "\r\n" .. body
  local _, stop = find(text, "\r\n" .. delimiter, 1, true)
  while stop and sub(text, stop + 1, stop + 2) ~= "--" do
    local _, line_end = find(text, "^[ \t]*\r\n", stop + 1)
    local next_start, next_stop = find(text, "\r\n" .. delimiter, line_end or stop + 1, true)
    if not line_end or not next_start then
      break
    end
    -- The part begins with the line end before it, so that a part without headers begins with an
    -- empty line.
    local part = sub(text, line_end - 1, next_start - 1)
    local head_start, head_end = find(part .. "\r\n", "\r\n\r\n", 1, true)
    local name = head_start and name_of(sub(part, 3, head_start - 1))
    if name then
      add(values, name, sub(part, head_end + 1))
    end
    stop = next_stop
  end
  return values
end


--- Returns the error in the values of a body, or nil.
function _M.mistake(values)
  for name, value in pairs(values) do
    if type(name) ~= "string" then
      return fmt("invalid key %q: got %s, expected string", tostring(name), type(name))
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return fmt("invalid value %q: got %s, expected string, number or boolean", name, kind)
    end
  end
end


--- Writes values as a body. Returns the body and its boundary: that of the media type, or random
-- digits.
function _M.encode(values, media_type)
  local boundary = _M.boundary(media_type)
  if not boundary then
    boundary = gsub(random.hex(16), "%a", function(c)
      return byte(c) % 10
    end)
  end

  local names = {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  sort(names)

  local lines = {}
  for i = 1, #names do
    lines[i] = fmt('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n', boundary,
                   names[i], tostring(values[names[i]]))
  end
  return concat(lines) .. "--" .. boundary .. "--\r\n", boundary
end


return _M
