local typedefs = require "kong.db.schema.typedefs"

return {
  name = "jwt-claims",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { claims = {
          type = "set",
          required = true,
          elements = { type = "string", match = "^[%w_]+$" },
          len_min = 1,
        } },
        { prefix = { type = "string", default = "X-Claim-", match = "^[%w-]*$", len_min = 0 } },
        { uri_param_names = { type = "set", default = { "jwt" }, elements = { type = "string" } } },
        { cookie_names = { type = "set", default = {}, elements = typedefs.cookie_name } },
        { continue_on_error = { type = "boolean", default = false } },
        { check_expiry = { type = "boolean", default = true } },
        { expose_consumer = { type = "boolean", default = false } },
      },
    } },
  },
}
