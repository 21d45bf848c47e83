--- Query strings and forms.

local concat = table.concat
local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local gsub = string.gsub
local match = string.match
local pairs = pairs
local pcall = pcall
local sort = table.sort
local sub = string.sub
local type = type


local function escape_byte(c)
  return fmt("%%%02X", c:byte())
end


local function escape(text)
  return (gsub(text, "[^%w*%-._]", escape_byte))
end


-- Returns the value without `false`. `ngx.encode_args` fails for `false` if the name needs an
-- escape.
-- @treturn ?any nil if nothing is left
local function without_false(value)
  if type(value) ~= "table" then
    return value or nil
  end
  local kept, count = {}, 0
  for i = 1, #value do
    if value[i] ~= false then
      count = count + 1
      kept[count] = value[i]
    end
  end
  return count > 0 and kept or nil
end


local _M = {}


--- Writes arguments as a query string, sorted.
-- @tparam table ngx
-- @tparam table args values by name
-- @treturn ?string
-- @treturn ?string the error
function _M.encode(ngx, args)
  local pieces, count = {}, 0
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      return nil, "arg keys must be strings"
    end
    value = without_false(value)
    local ok, piece = true, ""
    if value ~= nil then
      ok, piece = pcall(ngx.encode_args, { [name] = value })
    end
    if not ok then
      return nil, match(piece, "attempt to use .*$") or piece
    elseif piece ~= "" then
      count = count + 1
      pieces[count] = piece
    end
  end
  sort(pieces)
  return concat(pieces, "&")
end


--- Returns a query string without the arguments of a name. It escapes the other arguments again.
function _M.without(ngx, query, name)
  local pieces = {}
  for piece in gmatch(query, "[^&]+") do
    local equals = find(piece, "=", 1, true)
    local key = ngx.unescape_uri(equals and sub(piece, 1, equals - 1) or piece)
    if key ~= name then
      local value = equals and ngx.unescape_uri(sub(piece, equals + 1)) or ""
      pieces[#pieces + 1] = escape(key) .. "=" .. escape(value)
    end
  end
  return concat(pieces, "&")
end


return _M
