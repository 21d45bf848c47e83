local typedefs = require "kong.db.schema.typedefs"

return {
  name = "html-injector",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { snippet = { type = "string", required = true, len_max = 65536 } },
        { before = { type = "string", default = "body", one_of = { "head", "body" } } },
        { append = { type = "boolean", default = false } },
        { force_identity = { type = "boolean", default = true } },
        { content_security_policy = { type = "string" } },
        { replacements = {
          type = "array",
          default = {},
          elements = {
            type = "record",
            fields = {
              { regex = { type = "string", required = true, is_regex = true } },
              { replacement = { type = "string", required = true, len_min = 0 } },
              { ignore_case = { type = "boolean", default = false } },
            },
          },
        } },
      },
    } },
  },
}
