local typedefs = require "kong.db.schema.typedefs"

return {
  name = "response-cache",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { dictionary_name = { type = "string", default = "kong_response_cache" } },
        { ttl = { type = "integer", default = 300, gt = 0 } },
        { cache_control = { type = "boolean", default = true } },
        { response_codes = {
          type = "map",
          keys = { type = "integer", between = { 100, 599 } },
          values = { type = "boolean" },
          default = { [200] = true, [301] = true, [404] = true },
        } },
        { vary_headers = { type = "array", default = {}, elements = typedefs.header_name } },
        { ignored_args = { type = "set", default = {}, elements = { type = "string" } } },
      },
    } },
  },
}
