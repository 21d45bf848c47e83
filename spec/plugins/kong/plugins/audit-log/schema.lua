local typedefs = require "kong.db.schema.typedefs"

return {
  name = "audit-log",
  fields = {
    { protocols = typedefs.protocols },
    { config = {
      type = "record",
      fields = {
        { http_endpoint = typedefs.url {
          required = true, encrypted = true, referenceable = true,
        } },
        { method = { type = "string", default = "POST", one_of = { "POST", "PUT", "PATCH" } } },
        { timeout = typedefs.timeout { default = 10000 } },
        { retry_count = { type = "integer", default = 0, between = { 0, 10 } } },
        { secret = { type = "string", referenceable = true } },
        { log_body = { type = "boolean", default = false } },
        { max_body_size = { type = "integer", default = 1024, gt = 0 } },
        { only_errors = { type = "boolean", default = false } },
        { ignored_paths = { type = "array", default = {}, elements = typedefs.path } },
        { redacted_headers = { type = "array", default = {}, elements = typedefs.header_name } },
        { custom_fields = {
          type = "map", default = {}, keys = { type = "string" }, values = { type = "string" },
        } },
        { node_name = { type = "string" } },
      },
    } },
  },
}
