--- Reads bodies into tables: JSON, forms and multipart, in requests and in answers of the upstream.

local json = require "kong.response.pdk.json"
local multipart = require "kong.response.pdk.multipart"


local fmt = string.format
local lower = string.lower
local match = string.match
local sub = string.sub
local type = type


local FORM = "application/x-www-form-urlencoded"
local JSON = "application/json"
local MULTIPART = "multipart/form-data"


local function starts_with(text, start)
  return sub(text, 1, #start) == start
end


local _M = {
  FORM = FORM,
  JSON = JSON,
  MULTIPART = MULTIPART,
}


--- Returns a media type without its parameters, in lower case.
local function essence(media_type)
  return lower(match(media_type, "^[^;]*"))
end


--- Whether a media type is that of forms.
function _M.is_form(media_type)
  return starts_with(essence(media_type), FORM)
end


--- Returns a media type without its parameters, in its own spelling.
function _M.without_parameters(media_type)
  -- Clients send this text, so each pattern must take linear time. `([^;]-)%s*;` would not.
  local before = match(media_type, "^([^;]*);")
  return before and (match(before, "^.*%S") or "") or media_type
end


--- Reads a body.
-- @tparam string media_type with its parameters
-- @tparam function read_form `read_form() -> table | nil, err`
-- @tparam function read_raw `read_raw() -> string | nil, err`
-- @treturn ?table the values
-- @treturn ?string the error, if there are no values: that of `read_form` or `read_raw`,
--   `invalid json body`, or `unsupported content type '<media type>'`
-- @treturn string the supported media type; of an unsupported one, the type without its parameters,
--   in lower case
function _M.read(media_type, read_form, read_raw)
  local kind = essence(media_type)

  if starts_with(kind, FORM) then
    local values, err = read_form()
    if not values then
      return nil, err, FORM
    end
    return values, nil, FORM

  elseif starts_with(kind, JSON) then
    local text, err = read_raw()
    if not text then
      return nil, err, JSON
    end
    local values = json.decode(text)
    if type(values) ~= "table" then
      return nil, "invalid json body", JSON
    end
    return values, nil, JSON

  elseif starts_with(kind, MULTIPART) then
    local text, err = read_raw()
    if not text then
      return nil, err, MULTIPART
    end
    return multipart.decode(text, media_type), nil, MULTIPART
  end

  return nil, fmt("unsupported content type '%s'", media_type), kind
end


return _M
