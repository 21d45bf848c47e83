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


local _M = {}


--- The text of some arguments, sorted.
-- @tparam table ngx
-- @tparam table args
-- @treturn ?string
-- @treturn ?string what is wrong
function _M.encode(ngx, args)
  local pieces, count = {}, 0
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      return nil, "arg keys must be strings"
    end
    local ok, piece = pcall(ngx.encode_args, { [name] = value })
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


--- A query string without the arguments of a name, written anew.
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
