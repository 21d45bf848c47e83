--- The fields that many schemas share.

local schemas = require "kong.response.schema"
local typedefs = require "kong.response.schema.typedefs"


local function check(field, value)
  local _, errors = schemas.validate({ name = "test", fields = {
    { config = { type = "record", fields = { { f = field } } } },
  } }, { f = value })
  return errors and errors.config.f
end


describe("the typedef", function()
  local CASES = {
    http_method = { { "GET" }, { get = "invalid value: get" } },
    protocol = { { "https" }, { ftp = "expected one of: grpc, grpcs, http, https, tcp, tls, "
      .. "tls_passthrough, udp" } },
    header_name = { { "X-Foo", "x_foo" }, { ["x y"] = "bad header name 'x y', allowed characters "
      .. "are A-Z, a-z, 0-9, '_', and '-'" } },
    host = { { "example.com", "10.0.0.1", "::1", "localhost" }, {
      ["example.com:80"] = "must not have a port", ["a b"] = "invalid value: a b",
      ["-a.com"] = "invalid value: -a.com",
    } },
    ip = { { "10.0.0.1", "::1", "[::1]" }, {
      ["10.0.0.256"] = "not an ip address: 10.0.0.256", ["[::12"] = "not an ip address: [::12",
    } },
    ip_or_cidr = { { "10.0.0.1", "10.0.0.0/8", "::/0" },
      { ["10.0.0.0/33"] = "invalid ip or cidr range: '10.0.0.0/33'" } },
    cidr_v4 = { { "10.0.0.0/8" }, { ["::/0"] = "invalid ipv4 cidr range: '::/0'" } },
    url = { { "http://a.com", "https://a.com:8443/b?c" }, {
      ["/a"] = "missing host in url", ["//a.com/b"] = "missing scheme in url",
    } },
    path = { { "/", "/a/b%20c" }, {
      a = "should start with: /", ["/a//b"] = "must not have empty segments",
      ["/%zz"] = "invalid url-encoded value: '%zz'",
      ["/a b"] = "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)",
    } },
    sni = { { "a.com" }, { ["10.0.0.1"] = "must not be an IP",
      ["a.com:443"] = "must not have a port" } },
    name = { { "a.b-c_d~1" }, { ["a b"] = "invalid value 'a b': it must only contain alphanumeric "
      .. "and '., -, _, ~' characters" } },
    uuid = { { "c1ce76bb-5be3-4ff3-a8c4-2c3c4d3d1f7a" }, { x = "expected a valid UUID" } },
  }
  for name, case in pairs(CASES) do
    it(name, function()
      for _, good in ipairs(case[1]) do
        assert.is_nil(check(typedefs[name], good))
      end
      for bad, message in pairs(case[2]) do
        assert.equal(message, check(typedefs[name], bad))
      end
    end)
  end

  it("port or timeout has limits", function()
    assert.is_nil(check(typedefs.port, 65535))
    assert.equal("value should be between 0 and 65535", check(typedefs.port, 65536))
    assert.equal("value should be between 0 and 2147483646", check(typedefs.timeout, -1))
  end)

  it("pem needs at least one key in PEM", function()
    local public = "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----"
    assert.is_nil(check(typedefs.pem, nil))
    assert.is_nil(check(typedefs.pem, { public_key = public }))
    assert.is_nil(check(typedefs.pem, { private_key = "{vault://env/key}" }))
    assert.same({ private_key = "invalid key: not in the form of PEM" },
                check(typedefs.pem, { private_key = public }))
    assert.same({ ["@entity"] = {
      "at least one of these fields must be non-empty: 'private_key', 'public_key'",
    } }, check(typedefs.pem, {}))
  end)

  it("jwk has the members of a JSON Web Key", function()
    assert.is_nil(check(typedefs.jwk, nil))
    assert.is_nil(check(typedefs.jwk, {
      kty = "RSA", n = "AQ", e = "AQAB", key_ops = { "verify" }, ["x5t#S256"] = "AQ",
    }))
    assert.same({ kty = "required field missing", a = "unknown field" },
                check(typedefs.jwk, { a = "b" }))
    assert.same({ kty = "expected one of: EC, OKP, RSA, oct" }, check(typedefs.jwk, { kty = "X" }))
  end)

  it("sources or destinations needs an address or a port", function()
    for _, name in ipairs { "sources", "destinations" } do
      assert.is_nil(check(typedefs[name], { { ip = "10.0.0.0/8" }, { port = 80 } }))
      assert.same({
        [2] = { ip = "invalid ip or cidr range: 'x'" }, [3] = { ["@entity"] = {
          "at least one of these fields must be non-empty: 'ip', 'port'",
        } },
      }, check(typedefs[name], { { port = 1 }, { ip = "x" }, {} }))
    end
  end)

  it("propagation has the formats of traces", function()
    assert.is_nil(check(typedefs.propagation, {
      extract = { "b3" }, inject = { "preserve", "b3-single" }, clear = { "x-b3" },
      default_format = "w3c",
    }))
    assert.same({ default_format = "required field missing" }, check(typedefs.propagation, {}))
    assert.same({ extract = {
      "expected one of: ot, w3c, datadog, b3, gcp, jaeger, aws, instana",
    } }, check(typedefs.propagation, { default_format = "ot", extract = { "b3-single" } }))
  end)

  it("capability is a string", function()
    assert.is_nil(check(typedefs.capability, "kong.sync.v2"))
    assert.equal("expected a string", check(typedefs.capability, 1))
  end)

  it("queue is filled in", function()
    local row = schemas.validate({ name = "test", fields = {
      { config = { type = "record", fields = { { queue = typedefs.queue } } } },
    } }, {})
    assert.equal(1, row.config.queue.max_batch_size)
    assert.equal(10000, row.config.queue.max_entries)
  end)

  it("adds the given fields if it is called", function()
    local field = { default = 80 }
    assert.equal(field, typedefs.port(field))
    assert.same({ type = "integer", between = { 0, 65535 }, default = 80 }, field)
    assert.is_nil(typedefs.port.default)
  end)

  it("raises an error if its name is unknown", function()
    assert.error_matches(function() return typedefs.prt end,
                         "schema typedef error: definition prt does not exist$")
  end)
end)
