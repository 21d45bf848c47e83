local typedefs = require "kong.db.schema.typedefs"

return {
  name = "xml-to-json",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { attribute_prefix = { type = "string", default = "@", len_min = 0, len_max = 8 } },
        { text_key = { type = "string", default = "#text" } },
        { send_accept = { type = "boolean", default = true } },
      },
      entity_checks = {
        { distinct = { "attribute_prefix", "text_key" } },
      },
    } },
  },
}
