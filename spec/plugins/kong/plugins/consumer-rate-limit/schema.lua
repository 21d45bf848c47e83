local typedefs = require "kong.db.schema.typedefs"

return {
  name = "consumer-rate-limit",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { limit = { type = "integer", required = true, gt = 0 } },
        { window = { type = "integer", default = 60, between = { 1, 31536000 } } },
        { limit_by = {
          type = "string", default = "consumer", one_of = { "consumer", "ip", "header" },
        } },
        { header_name = typedefs.header_name },
        { consumer_limits = {
          type = "map", default = {}, keys = { type = "string" },
          values = { type = "integer", gt = 0 },
        } },
        { dictionary_name = { type = "string", default = "kong_rate_limits" } },
        { fault_tolerant = { type = "boolean", default = true } },
        { hide_client_headers = { type = "boolean", default = false } },
        { show_reset = { type = "boolean", default = true } },
        { error_code = { type = "integer", default = 429, between = { 400, 499 } } },
        { error_message = { type = "string", default = "API rate limit exceeded" } },
      },
      entity_checks = {
        { conditional = {
          if_field = "limit_by", if_match = { eq = "header" },
          then_field = "header_name", then_match = { required = true },
        } },
      },
    } },
  },
}
