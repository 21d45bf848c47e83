local typedefs = require "kong.db.schema.typedefs"

return {
  name = "oidc-introspection",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    {
      config = {
        type = "record",
        fields = {
          { introspection_endpoint = typedefs.url { required = true } },
          { client_id = { type = "string", required = true } },
          {
            client_secret = {
              type = "string", required = true, referenceable = true, encrypted = true,
            },
          },
          { realm = { type = "string", default = "service" } },
          { timeout = typedefs.timeout { default = 3000 } },
          { ssl_verify = { type = "boolean", default = true } },
          { cache_ttl = { type = "number", default = 60, gt = 0 } },
          { scopes = { type = "array", default = {}, elements = { type = "string" } } },
          {
            claim_headers = {
              type = "map",
              default = { sub = "X-User-Id", client_id = "X-Client-Id" },
              keys = { type = "string" },
              values = typedefs.header_name,
            },
          },
          { hide_credentials = { type = "boolean", default = false } },
          { run_on_preflight = { type = "boolean", default = true } },
        },
      },
    },
  },
}
