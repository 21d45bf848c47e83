local typedefs = require "kong.db.schema.typedefs"

local function validate_headers(pair, validate_value)
  local name, value = pair:match("^([^:]+):*(.-)$")
  if validate_value and value == "" then
    return nil, "'" .. name .. "' must have a value"
  end
  if not name or not name:find("^[%w_-]+$") then
    return nil, "'" .. tostring(name) .. "' is not a valid header"
  end
  return true
end

local function list(validator)
  return {
    type = "array",
    default = {},
    elements = { type = "string", match = "^[^:]+:.*$", custom_validator = validator },
  }
end

local function names()
  return { type = "array", default = {}, elements = { type = "string" } }
end

local function pairs_record()
  return {
    type = "record",
    fields = {
      { headers = list(function(pair) return validate_headers(pair, true) end) },
      { querystring = list() },
      { body = list() },
    },
  }
end

return {
  name = "request-transformer",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { http_method = typedefs.http_method },
        { strip_prefix = typedefs.path },
        { remove = {
          type = "record",
          fields = { { headers = names() }, { querystring = names() }, { body = names() } },
        } },
        { rename = pairs_record() },
        { replace = pairs_record() },
        { add = pairs_record() },
        { append = pairs_record() },
      },
    } },
  },
}
