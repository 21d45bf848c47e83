local typedefs = require "kong.db.schema.typedefs"

local rule = {
  type = "record",
  fields = {
    { header = typedefs.header_name { required = true } },
    { equals = { type = "string" } },
    { regex = { type = "string", is_regex = true } },
  },
  entity_checks = {
    { mutually_exclusive = { "equals", "regex" } },
  },
}

local route = {
  type = "record",
  fields = {
    { name = { type = "string" } },
    { match = { type = "array", required = true, elements = rule, len_min = 1 } },
    { path = { type = "string", starts_with = "/" } },
    { host = typedefs.host },
    { target = {
      type = "record",
      fields = {
        { host = typedefs.host { required = true } },
        { port = typedefs.port { default = 80 } },
      },
    } },
    { strip_headers = { type = "array", default = {}, elements = typedefs.header_name } },
    { strip_args = { type = "array", default = {}, elements = { type = "string" } } },
  },
  entity_checks = {
    { at_least_one_of = { "path", "host", "target" } },
  },
}

return {
  name = "header-router",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { routes = { type = "array", required = true, elements = route } },
        { default = { type = "string", default = "pass", one_of = { "pass", "refuse" } } },
        { max_headers = { type = "integer", default = 100, between = { 1, 1000 } } },
        { debug_header = typedefs.header_name },
      },
    } },
  },
}
