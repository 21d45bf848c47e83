--- The schemas of the twelve plugins, as tests of schemas check them.

local testing = require "kong.response.testing"


describe("the schema of", function()
  local path

  setup(function()
    path = package.path
    package.path = "./spec/plugins/?.lua;" .. path
  end)

  teardown(function()
    package.path = path
  end)

  local IDP = "https://idp.example/introspect"
  local MISSING = "required field missing"

  -- A valid config and its fields after the check, and then invalid configs with their errors.
  local CASES = {
    ["audit-log"] = {
      { http_endpoint = IDP }, { method = "POST", retry_count = 0 },
      { {}, { http_endpoint = MISSING } },
      { { http_endpoint = "/logs", retry_count = 11 }, {
        http_endpoint = "missing host in url", retry_count = "value should be between 0 and 10",
      } },
      { { http_endpoint = IDP, redacted_headers = { "a", "b c" } }, { redacted_headers = {
        [2] = "bad header name 'b c', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
      } } },
    },
    ["consumer-rate-limit"] = {
      { limit = 5 }, { window = 60, limit_by = "consumer", fault_tolerant = true },
      { { limit = 0 }, { limit = "value must be greater than 0" } },
      { { limit = 1, limit_by = "header" }, {
        header_name = MISSING,
        ["@entity"] = { "failed conditional validation given value of field 'limit_by'" },
      } },
      { { limit = 1.5, limit_by = "path" }, {
        limit = "expected an integer", limit_by = "expected one of: consumer, ip, header",
      } },
    },
    cors = {
      {}, { credentials = false },
      { { methods = { "GET", "FETCH" } }, { methods = {
        [2] = "expected one of: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT",
      } } },
      { { credentials = true, origins = { "*", "a" } }, "'*' must be the only origin" },
    },
    ["header-router"] = {
      { routes = { { match = { { header = "X-A" } }, path = "/a" } } }, { max_headers = 100 },
      { { routes = { { match = { { header = "X-A", equals = "a", regex = "a" } } } } }, {
        routes = { {
          match = { { ["@entity"] = {
            "only one or none of these fields must be set: 'equals', 'regex'",
          } } },
          ["@entity"] = { "at least one of these fields must be non-empty: 'path', 'host', "
            .. "'target'" },
        } },
      } },
      { { routes = { { match = { { header = "X-A" } }, target = { port = 65536 } } } }, {
        routes = { { target = {
          host = MISSING, port = "value should be between 0 and 65535",
        } } },
      } },
      { { routes = { { match = {}, path = "a" } } }, { routes = { {
        match = "length must be at least 1", path = "should start with: /",
      } } } },
    },
    ["html-injector"] = {
      { snippet = "x" }, { before = "body", append = false },
      { { snippet = "" }, { snippet = "length must be at least 1" } },
      { { snippet = "x", replacements = { { regex = "a" } } }, { replacements = { {
        replacement = MISSING,
      } } } },
    },
    idempotency = {
      {}, { header_name = "Idempotency-Key", ttl = 86400 },
      { { ttl = 10 }, { ["@entity"] = { "processing_timeout must not be above ttl" } } },
      { { ttl = "1" }, { ttl = "expected an integer" } },
    },
    ["jwt-claims"] = {
      { claims = { "sub", "sub" } }, { prefix = "X-Claim-" },
      { { claims = {} }, { claims = "length must be at least 1" } },
      { { claims = { "a b" } }, { claims = { "invalid value: a b" } } },
    },
    ["oidc-introspection"] = {
      { introspection_endpoint = IDP, client_id = "a", client_secret = "{vault://env/secret}" },
      { realm = "service", timeout = 3000 },
      { {}, { introspection_endpoint = MISSING, client_id = MISSING, client_secret = MISSING } },
      { { introspection_endpoint = IDP, client_id = "a", client_secret = "b",
          claim_headers = { sub = "X User" } }, { claim_headers =
        "bad header name 'X User', allowed characters are A-Z, a-z, 0-9, '_', and '-'" } },
    },
    ["request-firewall"] = {
      {}, { status = 403, max_args = 100 },
      { { rules = { "xss" } }, { rules = { "expected one of: sql, script, traversal" } } },
      { { allowed_methods = { "get" } }, { allowed_methods = { "invalid value: get" } } },
    },
    ["request-transformer"] = {
      { add = { headers = { "X-A:1" } } }, {},
      { { add = { headers = { "X-A:" } } }, { add = { headers = {
        "'X-A' must have a value",
      } } } },
      { { rename = { body = { "a" } }, http_method = "get" }, {
        rename = { body = { "invalid value: a" } }, http_method = "invalid value: get",
      } },
    },
    ["response-cache"] = {
      {}, { ttl = 300, cache_control = true },
      { { response_codes = { [600] = true } }, {
        response_codes = "value should be between 100 and 599",
      } },
    },
    ["xml-to-json"] = {
      {}, { attribute_prefix = "@", text_key = "#text" },
      { { attribute_prefix = "x", text_key = "x" }, { ["@entity"] = {
        "values of these fields must be distinct: 'attribute_prefix', 'text_key'",
      } } },
    },
  }

  for name, case in pairs(CASES) do
    it(name, function()
      local row, errors = testing.validate(name, case[1])
      assert.is_nil(errors)
      assert.equal(name, row.name)
      for field, value in pairs(case[2]) do
        assert.equal(value, row.config[field], field)
      end
      for i = 3, #case do
        row, errors = testing.validate(name, case[i][1])
        assert.is_nil(row)
        assert.same({ config = case[i][2] }, errors)
      end
    end)
  end
end)
