local typedefs = require "kong.db.schema.typedefs"

local METHODS = {
  "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT",
}

local function validate_asterisk(config)
  if config.credentials and config.origins[1] == "*" and #config.origins > 1 then
    return nil, "'*' must be the only origin"
  end
  return true
end

return {
  name = "cors",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      custom_validator = validate_asterisk,
      fields = {
        { origins = { type = "array", default = { "*" }, elements = { type = "string" } } },
        { methods = {
          type = "array",
          default = METHODS,
          elements = { type = "string", one_of = METHODS },
        } },
        { headers = { type = "array", elements = { type = "string" } } },
        { exposed_headers = { type = "array", elements = { type = "string" } } },
        { max_age = { type = "number" } },
        { credentials = { type = "boolean", required = true, default = false } },
        { private_network = { type = "boolean", required = true, default = false } },
        { preflight_continue = { type = "boolean", required = true, default = false } },
      },
    } },
  },
}
