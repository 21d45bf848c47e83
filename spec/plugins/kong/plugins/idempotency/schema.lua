local typedefs = require "kong.db.schema.typedefs"

return {
  name = "idempotency",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { header_name = typedefs.header_name { default = "Idempotency-Key" } },
        { is_required = { type = "boolean", default = false } },
        { dictionary_name = { type = "string", default = "kong_idempotency" } },
        { methods = {
          type = "set",
          default = { "POST", "PATCH" },
          elements = { type = "string", one_of = { "POST", "PUT", "PATCH", "DELETE" } },
        } },
        { ttl = { type = "integer", default = 86400, between = { 1, 604800 } } },
        { processing_timeout = { type = "integer", default = 60, gt = 0 } },
      },
      entity_checks = {
        { custom_entity_check = {
          field_sources = { "ttl", "processing_timeout" },
          fn = function(config)
            if config.processing_timeout > config.ttl then
              return nil, "processing_timeout must not be above ttl"
            end
            return true
          end,
        } },
      },
    } },
  },
}
