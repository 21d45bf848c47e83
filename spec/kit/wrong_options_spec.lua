--- The options of a test that the kit refuses before it runs anything.

local testing = require "kong.response.testing"


local HERE = "^spec/kit/wrong_options_spec.lua:%d+: "


local function raised(code, ...)
  local arguments = { n = select("#", ...), ... }
  local ok, err = pcall(function()
    local result = code(unpack(arguments, 1, arguments.n))
    return result
  end)
  assert.is_false(ok)
  assert.matches(HERE, err)
  return (err:gsub(HERE, ""))
end


-- The options, and the error for each.
local WRONG = {
  { { client_body_buffer_size = 0.5 },
    "client_body_buffer_size must be a whole number of bytes, got 0.5" },
  { { services = { ["http://a/"] = "text" } },
    'services["http://a/"] must be a response or a function, got string' },
  { { services = { "text" } },
    "services must have URLs, or paths of locations, as names, got number" },
  { { services = { ["a/b"] = {} } },
    'services must have URLs, or paths of locations, as names, got "a/b"' },
  { { services = { ["/a"] = { stauts = 200 } } },
    'unknown field "stauts" of services["/a"]: did you mean "status"?' },
  { { services = { ["/a"] = { status = "200" } } },
    'services["/a"].status must be a number, got string' },
  { { services = { ["/a"] = { status = 20 } } },
    'services["/a"].status must be a whole number from 100 to 599, got 20' },
  { { services = { ["/a"] = { headers = { ["X-A"] = print } } } },
    'services["/a"].headers["X-A"] must be a string or a list of strings, got function' },
  { { shared = { 1 } }, "shared must have the names of dictionaries, got number" },
  { { shared = { a = "1x" } }, 'shared["a"] must be a size such as "1m", got 1x' },
  { { clock = 0 / 0 }, "clock must be a number of seconds since 1970, got nan" },
  { { clock = -1 }, "clock must be a number of seconds since 1970, got -1" },
  { { clock = 1 / 0 }, "clock must be a number of seconds since 1970, got inf" },
  { { modules = { 1 } }, "modules must have the names of modules, got number" },
  { { modules = { a = false } },
    'modules["a"] must not be false: `require` takes it for no module' },
  { { nginx_version = "1.27.1 x" },
    'nginx_version must be a version such as "1.27.1", got "1.27.1 x"' },
  { { version = "x" }, 'version must be a version such as "3.9.0", got "x"' },
  { { route = { id = 1 } }, "route.id must be a string, got number" },
  { { route = { preserve_hosts = true } },
    'unknown field "preserve_hosts" of route: did you mean "preserve_host"?' },
  { { service = { port = "80" } }, "service.port must be a number, got string" },
  { { node = { id = 1 } }, "node.id must be a string, got number" },
  { { consumers = { id = "a" } }, 'consumers must be a list, got a table with the key "id"' },
  { { consumers = { { username = "a" }, "b" } }, "consumers[2] must be a table, got string" },
  { { consumers = { { id = 1 } } }, "consumers[1].id must be a string, got number" },
  { { consumers = { { usrname = "a" } } },
    'unknown field "usrname" of consumers[1]: did you mean "username"?' },
  { { upstreams = { "a" } }, "upstreams must have the names of upstreams, got number" },
  { { upstreams = { a = "b:80" } }, 'upstreams["a"] must be a list, got string' },
  { { upstreams = { a = { "b:80", "c" } } },
    'upstreams["a"][2] must be "<address>:<port>", got "c"' },
  { { configuration = { trusted_ips = "10.0.0.0/8" } },
    "configuration.trusted_ips must be a table, got string" },
  { { configuration = { trusted_ips = { "10.0.0" } } },
    "configuration.trusted_ips[1] must be an IP address or a range, got 10.0.0" },
  { { configuration = { host_ports = 80 } },
    "configuration.host_ports must be a table, got number" },
  { { configuration = { error_template_jsn = "a" } },
    'unknown field "error_template_jsn" of configuration: did you mean "error_template_json"?' },
  { { request = { scheme = "ftp" } }, 'request.scheme must be http or https, got "ftp"' },
  { { request = { host = "a b" } }, 'request.host must be the name of a host, got "a b"' },
  { { request = { port = 1.5 } }, "request.port must be a whole number from 1 to 65535, got 1.5" },
  { { request = { path = "/a b" } },
    'request.path must not have spaces or control characters, got "/a b"' },
  { { request = { headers = { ["X-A"] = "a\nX-B: c" } } },
    'request.headers["X-A"] must not have a line end or a zero byte, got "a\\\nX-B: c"' },
  { { request = { variables = { ["a-b"] = "c" } } },
    'request.variables["a-b"] is not the name of a variable' },
  { { request = { client = { ip = "a" } } }, 'request.client.ip must be an IP address, got "a"' },
  { { request = { client = { forwarded_port = 0 } } },
    "request.client.forwarded_port must be a whole number from 1 to 65535, got 0" },
  { { request = { client = { consumer = { id = 1 } } } },
    "request.client.consumer.id must be a string, got number" },
  { { upstream = { headers = { ["X-A"] = "\0" } } },
    'upstream.headers["X-A"] must not have a line end or a zero byte, got "\\0"' },
}

-- The tables `kong` and `ngx` of the test need a run.
local OF_RUNS = {
  { { ngx = { var = "a" } }, "ngx.var must be a table, got string" },
  { { ngx = { ctx = 1 } }, "ngx.ctx must be a table, got number" },
  { { ngx = { status = "a" } }, "ngx.status: code must be a number" },
  { { kong = { log = 1 } }, "kong.log must be a table, got number" },
  { { plugins = { a = {} } }, 'plugins must be a list, got a table with the key "a"' },
}


local function with_plugin(options)
  local case = { plugin = not options.plugins and {} or nil }
  for name, value in pairs(options) do
    case[name] = value
  end
  return case
end


describe("an option of a test", function()
  for _, wrong in ipairs(WRONG) do
    it("is refused: " .. wrong[2], function()
      assert.equal(wrong[2], raised(testing.run, with_plugin(wrong[1])))
      assert.equal(wrong[2], raised(testing.with, wrong[1]))
      assert.equal(wrong[2], raised(testing.worker, wrong[1]))
    end)
  end

  for _, wrong in ipairs(OF_RUNS) do
    it("is refused by a run: " .. wrong[2], function()
      assert.equal(wrong[2], raised(testing.run, with_plugin(wrong[1])))
      assert.is_nil(rawget(_G, "ngx"))
    end)
  end

  it("is not refused if it is not a mistake", function()
    local result = testing.run {
      plugin = { access = function()
        kong.response.set_header("X-Route", tostring(kong.router.get_route().owner))
      end },
      services = { ["http://a"] = {}, ["/a"] = function() end },
      shared = { "a", b = "64k", c = 65536 }, clock = 0, modules = { a = true },
      nginx_version = "1.27", version = "3.9.0.1", route = { owner = "team" },
      service = { host = "a", url = "b" }, node = { hostname = "c" },
      consumers = { { username = "a", type = 1 } },
      upstreams = { a = { "[::1]:80", "b:81" }, b = {} },
      configuration = { trusted_ips = { "::/0", "unix:", "10.1.1.1" }, own = 1 },
      kong = { db = "none", cache = false, log = function() end }, ngx = { status = 201 },
      request = { client = { ip = "::1" }, headers = { ["X-A"] = {} } },
    }
    assert.equal("team", result.headers["X-Route"])
  end)

  it("of a worker belongs to the worker", function()
    local run = testing.worker { plugin = {}, clock = 5, shared = { "a" } }
    local message = "clock and shared belong to the worker: pass them to testing.worker"
    assert.equal(message, raised(run, { clock = 6 }))
    assert.equal(message, raised(run, { shared = { "b" } }))
    assert.equal(200, run().status)
  end)

  it("of testing.advance is a number of seconds", function()
    for _, value in ipairs { -1, 1 / 0, 0 / 0, "1", print } do
      assert.equal("advance needs a number of seconds, got " .. tostring(value),
        raised(testing.advance, value))
    end
    assert.equal("advance needs a number of seconds, got nil", raised(testing.advance))
  end)

  it("of testing.validate is a schema, and a table of other fields", function()
    assert.equal("validate needs a schema, its module or the name of a plugin, got nil",
      raised(testing.validate))
    local schema = { name = "a", fields = { { config = { type = "record", fields = {} } } } }
    assert.equal("the other fields of validate must be a table, got string",
      raised(testing.validate, schema, {}, "b"))
  end)

  it("of testing.load leaves no globals behind if it is refused", function()
    package.preload["loaded.for.options"] = function() return {} end
    finally(function() package.preload["loaded.for.options"] = nil end)
    local ok, err = pcall(testing.load, "loaded.for.options", { ngx = { req = 1 } })
    assert.is_false(ok)
    assert.matches("ngx.req must be a table, got number", err, 1, true)
    assert.is_nil(rawget(_G, "ngx"))
    assert.is_nil(rawget(_G, "kong"))
  end)
end)
