--- Fields that many schemas share. Plugins find this as `kong.db.schema.typedefs`.

local addresses = require "kong.response.pdk.ip"
local urls = require "kong.response.schema.urls"
local values = require "kong.response.schema.values"


local error = error
local find = string.find
local fmt = string.format
local gmatch = string.gmatch
local pairs = pairs
local setmetatable = setmetatable
local tostring = tostring


local NULL = values.NULL


-- A call of a typedef copies its attributes into the given table, except those that the table has.
local callable = {
  __call = function(typedef, given)
    for name, value in pairs(typedef) do
      if given[name] == nil then
        given[name] = value
      end
    end
    return given
  end,
}


local typedefs = {}


local function define(name, field)
  typedefs[name] = setmetatable(field, callable)
  return field
end


local function text(validator, more)
  local field = { type = "string", custom_validator = validator }
  for name, value in pairs(more or {}) do
    field[name] = value
  end
  return field
end


define("http_method", { type = "string", match = "^%u+$" })

local PROTOCOLS = { "grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp" }
local HTTP = { "grpc", "grpcs", "http", "https" }

define("protocol", { type = "string", one_of = PROTOCOLS })
define("protocols", {
  type = "set", required = true, default = HTTP,
  elements = { type = "string", one_of = PROTOCOLS },
})
define("protocols_http", {
  type = "set", required = true, default = HTTP, elements = { type = "string", one_of = HTTP },
})

define("no_consumer", { type = "foreign", reference = "consumers", eq = NULL })
define("no_route", { type = "foreign", reference = "routes", eq = NULL })
define("no_service", { type = "foreign", reference = "services", eq = NULL })


define("header_name", text(function(value)
  return find(value, "^[%w_-]+$") ~= nil, fmt("bad header name '%s', allowed characters are A-Z, "
    .. "a-z, 0-9, '_', and '-'", value)
end))

define("cookie_name", text(function(value)
  return find(value, "^[%w!#$%%&'*+.^_`|~-]+$") ~= nil, "contains one or more invalid characters. "
    .. "ASCII control characters (0-31;127), space, tab and the characters "
    .. "()<>@,;:\\\"/?={}[] are not allowed."
end))

define("host", text(urls.check_host))
define("redis_host", text(urls.check_host))
define("sni", text(urls.check_sni))
define("redis_server_name", text(urls.check_sni))
define("wildcard_host", text(urls.check_wildcard_host))
define("host_with_optional_port", text(urls.check_host_and_port))
define("url", text(urls.check_url))
define("path", text(urls.check_path, {
  starts_with = "/",
  match_none = { { pattern = "//", err = "must not have empty segments" } },
}))
define("router_path", text(urls.check_path, { starts_with = "/" }))


define("ip", text(function(value)
  return addresses.is_address(value), "not an ip address: " .. value
end))

define("ip_or_cidr", text(function(value)
  return addresses.is_range(value), fmt("invalid ip or cidr range: '%s'", value)
end))

define("cidr_v4", text(function(value)
  return addresses.is_range(value) and not find(value, ":", 1, true),
         fmt("invalid ipv4 cidr range: '%s'", value)
end))
typedefs.cidr = typedefs.cidr_v4


define("port", { type = "integer", between = { 0, 65535 } })
define("timeout", { type = "integer", between = { 0, 2147483646 } })
define("ttl", { type = "number", gt = -1 })

define("uuid", { type = "string", uuid = true, auto = true })
define("auto_timestamp_s", { type = "integer", timestamp = true, auto = true })
define("auto_timestamp_ms", { type = "number", timestamp = true, auto = true })

define("name", text(function(value)
  return find(value, "^[%w.%-_~]+$") ~= nil, fmt("invalid value '%s': it must only contain "
    .. "alphanumeric and '., -, _, ~' characters", value)
end, { unique = true }))

define("utf8_name", text(function(value)
  return find(value, "^[%w.%-_~\128-\255]+$") ~= nil, fmt("invalid value '%s': the only accepted "
    .. "ascii characters are alphanumerics or ., -, _, and ~", value)
end, { unique = true }))

define("tag", text(function(value)
  return find(value, "^[\32-\126\128-\255]+$") ~= nil and not find(value, "[,/]"),
         fmt("invalid tag '%s': expected printable ascii (except `,` and `/`) or valid utf-8 "
             .. "sequences", value)
end))
define("tags", { type = "set", elements = typedefs.tag })

define("semantic_version", {
  type = "string", match_any = {
    patterns = { "^%d+[%.%d]*$" }, err = "invalid version number: must be in format of X.Y.Z",
  },
})

define("headers", {
  type = "map", keys = typedefs.header_name,
  values = { type = "array", elements = { type = "string" } },
})
define("methods", { type = "set", elements = typedefs.http_method })
define("hosts", { type = "array", elements = typedefs.wildcard_host })

define("lua_code", { type = "map", keys = { type = "string" }, values = { type = "string" } })
define("certificate", text(urls.check_pem("CERTIFICATE", "certificate")))
define("key", text(urls.check_pem("KEY", "key")))

define("pem", {
  type = "record",
  required = false,
  fields = {
    { private_key = text(urls.check_pem("PRIVATE KEY", "key"), { referenceable = true }) },
    { public_key = text(urls.check_pem("PUBLIC KEY", "key"), { referenceable = true }) },
  },
  entity_checks = { { at_least_one_of = { "private_key", "public_key" } } },
})

-- The members of a JSON Web Key (RFC 7517 and RFC 7518).
local function jwk_fields()
  local fields = {
    { kty = { type = "string", required = true, one_of = { "EC", "OKP", "RSA", "oct" } } },
    { use = { type = "string" } },
    { key_ops = { type = "array", elements = { type = "string" } } },
    { x5c = { type = "array", elements = { type = "string" } } },
    { oth = { type = "array", elements = {
      type = "map", keys = { type = "string" }, values = { type = "string" },
    } } },
  }
  for name in gmatch("alg kid x5u x5t x5t#S256 crv x y n e", "%S+") do
    fields[#fields + 1] = { [name] = { type = "string" } }
  end
  for name in gmatch("d p q dp dq qi k", "%S+") do
    fields[#fields + 1] = { [name] = { type = "string", referenceable = true } }
  end
  return fields
end

define("jwk", { type = "record", required = false, fields = jwk_fields() })


local function addresses_and_ports()
  return {
    type = "set",
    elements = {
      type = "record",
      fields = { { ip = typedefs.ip_or_cidr }, { port = typedefs.port } },
      entity_checks = { { at_least_one_of = { "ip", "port" } } },
    },
  }
end

define("sources", addresses_and_ports())
define("destinations", addresses_and_ports())

define("capability", { type = "string" })


-- The formats of headers that carry a trace from the client's request to the upstream.
local EXTRACTORS = { "ot", "w3c", "datadog", "b3", "gcp", "jaeger", "aws", "instana" }
local INJECTORS = {
  "preserve", "ot", "w3c", "datadog", "b3", "b3-single", "gcp", "jaeger", "aws", "instana",
}
local FORMATS = { "ot", "w3c", "datadog", "b3", "b3-single", "gcp", "jaeger", "aws", "instana" }

define("propagation", {
  type = "record",
  fields = {
    { extract = { type = "array", elements = { type = "string", one_of = EXTRACTORS } } },
    { clear = { type = "array", elements = { type = "string" } } },
    { inject = { type = "array", elements = { type = "string", one_of = INJECTORS } } },
    { default_format = { type = "string", required = true, one_of = FORMATS } },
  },
})

define("queue", {
  type = "record",
  fields = {
    { max_batch_size = { type = "integer", default = 1, between = { 1, 1000000 } } },
    { max_coalescing_delay = { type = "number", default = 1, between = { 0, 3600 } } },
    { max_entries = { type = "integer", default = 10000, between = { 1, 1000000 } } },
    { max_bytes = { type = "integer" } },
    { max_retry_time = { type = "number", default = 60 } },
    { initial_retry_delay = { type = "number", default = 0.01, between = { 0.001, 1000000 } } },
    { max_retry_delay = { type = "number", default = 60, between = { 0.001, 1000000 } } },
    { concurrency_limit = { type = "integer", default = 1, one_of = { -1, 1 } } },
  },
})


return setmetatable({}, {
  __index = function(_, name)
    local typedef = typedefs[name]
    if not typedef then
      error(fmt("schema typedef error: definition %s does not exist", tostring(name)), 2)
    end
    return typedef
  end,
})
