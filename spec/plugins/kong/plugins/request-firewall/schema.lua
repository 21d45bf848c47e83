local typedefs = require "kong.db.schema.typedefs"

return {
  name = "request-firewall",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { rules = {
          type = "array",
          default = { "sql", "script", "traversal" },
          elements = { type = "string", one_of = { "sql", "script", "traversal" } },
        } },
        { patterns = {
          type = "array", default = {}, elements = { type = "string", is_regex = true },
        } },
        { checked_headers = {
          type = "array", default = { "User-Agent", "Referer" }, elements = typedefs.header_name,
        } },
        { allowed_methods = { type = "set", default = {}, elements = typedefs.http_method } },
        { max_args = { type = "integer", default = 100, between = { 1, 1000 } } },
        { max_body_size = { type = "integer", default = 1048576, gt = 0 } },
        { check_body = { type = "boolean", default = true } },
        { status = { type = "integer", default = 403, between = { 400, 499 } } },
        { log_only = { type = "boolean", default = false } },
      },
    } },
  },
}
