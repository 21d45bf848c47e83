--- Paths: their normal form, and their escaped form for the upstream.

local byte = string.byte
local char = string.char
local concat = table.concat
local find = string.find
local fmt = string.format
local gsub = string.gsub
local sub = string.sub
local tonumber = tonumber
local upper = string.upper


-- These characters separate parts of a URL. If they are percent-encoded, they are data, so the
-- normal form keeps them encoded.
local RESERVED = "!*'();:@&=+$,/?%#[]"


local function decode_escape(hex)
  local decoded = char(tonumber(hex, 16))
  if find(RESERVED, decoded, 1, true) then
    return "%" .. upper(hex)
  end
  return decoded
end


--- Removes the segments `.` and `..` (RFC 3986, 5.2.4).
local function remove_dot_segments(path)
  local kept, count = {}, 0
  local start = 2
  while true do
    local slash = find(path, "/", start, true)
    local segment = sub(path, start, (slash or #path + 1) - 1)
    local is_last = not slash
    if segment == ".." then
      if count > 0 then
        count = count - 1
      end
      segment = is_last and "" or nil
    elseif segment == "." then
      segment = is_last and "" or nil
    end
    if segment then
      count = count + 1
      kept[count] = segment
    end
    if is_last then
      return "/" .. concat(kept, "/", 1, count)
    end
    start = slash + 1
  end
end


local ESCAPES = {}
for code = 0, 255 do
  local c = char(code)
  if code <= 32 or code >= 127 or find("\"<>\\^`{|}%?#", c, 1, true) then
    ESCAPES[c] = fmt("%%%02X", code)
  end
end


local _M = {}


--- Escapes a decoded path, as nginx does for the upstream.
function _M.escape_uri(path)
  return (gsub(path, "[%z\1-\32\127-\255\"<>\\^`{|}%%?#]", ESCAPES))
end


--- Returns the path in its normal form.
function _M.normalize(path)
  if find(path, "%", 1, true) then
    path = gsub(path, "%%(%x%x)", decode_escape)
  end
  if byte(path) == 47 and find(path, "/.", 1, true) then
    path = remove_dot_segments(path)
  end
  if find(path, "//", 1, true) then
    path = gsub(path, "/+", "/")
  end
  return path
end


--- Returns a request target without its query.
function _M.without_query(target)
  local mark = find(target, "?", 2, true)
  return mark and sub(target, 1, mark - 1) or target
end


--- Escapes only the bytes that a request line must not contain.
function _M.escape(path)
  return (gsub(path, "[%z\1-\32\127-\255\"<>\\^`{|}]", ESCAPES))
end


--- Returns the path whose escaped form (`escape_uri`) is this one, or nil if there is none.
function _M.unescape(path)
  local plain = gsub(path, "%%(%x%x)", function(hex)
    return char(tonumber(hex, 16))
  end)
  if _M.escape_uri(plain) == path then
    return plain
  end
end


return _M
