local testing = require "kong.response.testing"


-- The results of code in the access phase.
local function ask(code, request, case)
  local values
  local given = { plugin = { access = function() values = { code() } end }, request = request }
  for name, value in pairs(case or {}) do
    given[name] = value
  end
  testing.run(given)
  return unpack(values)
end


describe("the description of a test", function()
  local refused = {
    { 'unknown field "upstrem" of the test: did you mean "upstream"?', { upstrem = {} } },
    { "config must be a table, got number", { config = 1 } },
    { "plugin must be the plugin's table or the name of its module, got nil", { plugin = false } },
    { "plugin must be the plugin's table or the name of its module, got number", { plugin = 5 } },
    { "plugin must be the plugin's table or the name of its module, got boolean: did you forget"
      .. " `return`?", { plugin = true } },
    { 'unknown field "header" of request: did you mean "headers"?', { request = { header = {} } } },
    { "request.path must be a string, got number", { request = { path = 1 } } },
    { 'request.path must start with a slash, got "a"', { request = { path = "a" } } },
    { 'request.path must not leave the root, got "/a/%2e./../b"',
      { request = { path = "/a/%2e./../b" } } },
    { 'request.method must be in capitals, got "get"', { request = { method = "get" } } },
    { "request.http_version must be 1.0, 1.1, 2 or 3, got 1.5",
      { request = { http_version = 1.5 } } },
    { "upstream.status must be a whole number from 100 to 599, got 99",
      { upstream = { status = 99 } } },
    { "upstream.status must be a whole number from 100 to 599, got 200.5",
      { upstream = { status = 200.5 } } },
    { 'unknown field "address" of request.client', { request = { client = { address = "" } } } },
    { 'request.headers["A"] must be a string or a list of strings, got function',
      { request = { headers = { A = print } } } },
    { "request.headers[1] must be { name, value }", { request = { headers = { "A: b" } } } },
    { 'request.variables["shop"] must be a string, got table',
      { request = { variables = { shop = {} } } } },
    { "request.variables must have strings as names, got number",
      { request = { variables = { "shop" } } } },
    { 'request.headers["A"] must be a string or a list of strings, got a table with the key "b"',
      { request = { headers = { A = { b = 1 } } } } },
    { 'upstream.headers["A"] must be a string or a list of strings, got a table with the key 3',
      { upstream = { headers = { A = { "x", [3] = "y" } } } } },
    { 'upstream.headers["A"] must be a string or a list of strings, got table',
      { upstream = { headers = { { "A", { "x" } } } } } },
    { "upstream.headers[2] must be { name, value }",
      { upstream = { headers = { { "A", "x" }, "B" } } } },
    { "upstream.headers[3] must be { name, value }",
      { upstream = { headers = { { "A", "x" }, [3] = { "B", "y" } } } } },
    { 'request.headers["a b"] is not a header name',
      { request = { headers = { ["a b"] = 1 } } } },
    { 'request.headers[""] is not a header name', { request = { headers = { { "", 1 } } } } },
    { 'upstream.headers["A:"] is not a header name',
      { upstream = { headers = { ["A:"] = "" } } } },
    { 'unknown field "code" of upstream: did you mean "status"?', { upstream = { code = 200 } } },
    { 'unknown field "uri" of request: did you mean "path"?', { request = { uri = "/" } } },
    { 'unknown field "query" of request: did you mean "path"?', { request = { query = "a" } } },
    { 'unknown field "response" of the test: did you mean "upstream"?', { response = {} } },
    { "upstream.body must be a string or table, got number", { upstream = { body = 1 } } },
    { "upstream.body[2] must be a string, got number", { upstream = { body = { "a", 1 } } } },
    { 'upstream.body must be a string or a list of strings, got a table with the key "a"',
      { upstream = { body = { a = 1 } } } },
    { "upstream.body must be a string or a list of strings, got a table with the key 3",
      { upstream = { body = { "a", [3] = "b" } } } },
    { 'upstream.failure must be timeout, refused or cut_off, got "down"',
      { upstream = { failure = "down" } } },
    { "ngx.ctx must be a table, got number", { ngx = { ctx = 5 } } },
    { "a test has either plugin, config and name, or plugins", { plugins = {} } },
  }

  for _, case in ipairs(refused) do
    it("is refused: " .. case[1], function()
      local given = case[2]
      if given.plugin == nil then
        given.plugin = {}
      elseif not given.plugin then
        given.plugin = nil
      end
      local ok, err = pcall(function()
        testing.run(given)
        return nil
      end)
      assert.is_false(ok)
      assert.equal(case[1], err:match("^spec/kit/description_spec.lua:%d+: (.*)$"))
    end)
  end

  it("is refused if it is not a table", function()
    local calls = {
      { "the defaults must be a table, got nil", function() testing.with() return nil end },
      {
        'unknown field "plugn" of the defaults: did you mean "plugin"?',
        function() testing.with { plugn = {} } return nil end,
      },
      {
        "config must be a table, got number",
        function() testing.with { config = 1 } return nil end,
      },
      {
        'unknown field "header" of request: did you mean "headers"?',
        function() testing.with { request = { header = {} } } return nil end,
      },
      {
        "upstream.body must be a string or table, got number",
        function() testing.with { upstream = { body = 1 } } return nil end,
      },
      {
        'unknown field "plugn" of plugins[1]: did you mean "plugin"?',
        function() testing.with { plugins = { { plugn = {} } } } return nil end,
      },
      {
        "a test has either plugin, config and name, or plugins",
        function() testing.with { plugin = "no.such.module", plugins = {} } return nil end,
      },
      {
        "plugin must be the plugin's table or the name of its module, got number",
        function() testing.with { plugin = 5 } return nil end,
      },
      {
        "the defaults are a plugin themselves: write { plugin = ..., config = ... }",
        function() testing.with { access = function() end } return nil end,
      },
      { "the test must be a table, got number", function() testing.with({})(5) return nil end },
      { "the test must be a table, got nil", function() testing.run() return nil end },
      {
        "the name of a module must be a string, got nil",
        function() testing.load() return nil end,
      },
    }
    for _, call in ipairs(calls) do
      local ok, err = pcall(call[2])
      assert.is_false(ok)
      assert.equal(call[1], err:match("^spec/kit/description_spec.lua:%d+: (.*)$"))
    end
  end)

  it("is refused if one entry has several plugins", function()
    assert.error_matches(function()
      testing.run { plugins = { { plugin = {} }, { plugn = {} } } }
    end, 'unknown field "plugn" of plugins[2]', 1, true)
    assert.error_matches(function()
      testing.run { plugins = { { plugin = { PRIORITY = "high" } } } }
    end, "plugins[1]: PRIORITY must be a number, got string", 1, true)
    assert.error_matches(function()
      testing.run { plugins = { { plugin = 5 } } }
    end, "plugins[1].plugin must be the plugin's table or the name of its module, got number", 1,
      true)
  end)

  it("is refused if a module does not return its plugin", function()
    package.preload["forgetful.plugin"] = function() end
    finally(function()
      package.preload["forgetful.plugin"], package.loaded["forgetful.plugin"] = nil, nil
    end)
    assert.error_matches(function()
      testing.run { plugin = "forgetful.plugin" }
    end, 'the module "forgetful.plugin" must return a table, got boolean: did you forget `return`?',
      1, true)
  end)

  it("converts numbers and booleans in headers to text", function()
    local result = testing.run {
      plugin = {},
      upstream = { headers = { A = false, B = { 1, true }, C = {} } },
    }
    assert.equal("false", result.headers.a)
    assert.same({ "1", "true" }, result.headers.b)
    assert.is_nil(result.headers.c)
  end)

  it("is not changed", function()
    local case = {
      plugin = { access = function() kong.response.set_header("A", "b") end },
      request = { headers = { A = "1" }, client = { ip = "10.0.0.1" } },
      upstream = { headers = { B = "2" }, body = "x" },
      kong = { db = {} },
    }
    testing.run(case)
    assert.same({ headers = { A = "1" }, client = { ip = "10.0.0.1" } }, case.request)
    assert.same({ headers = { B = "2" }, body = "x" }, case.upstream)
    assert.same({ db = {} }, case.kong)
  end)

  it("has defaults, which a case replaces", function()
    local run = testing.with {
      plugin = {},
      request = { path = "/a" },
      upstream = { status = 201 },
    }
    assert.equal(201, run().status)
    assert.equal(404, run({ upstream = { status = 404 } }).status)
    assert.equal(201, run({}).status)
    local _, err = pcall(function()
      run { x = 1 }
      return nil
    end)
    assert.matches('^spec/kit/description_spec.lua:%d+: unknown field "x" of the test$',
      err)
  end)
end)


describe("the request", function()
  it("has defaults", function()
    assert.same({ "GET", "/", "", "http", "localhost", 80, 1.1, "127.0.0.1", "" }, {
      ask(function()
        local request = kong.request
        return request.get_method(), request.get_path(), request.get_raw_query(),
          request.get_scheme(), request.get_host(), request.get_port(),
          request.get_http_version(), kong.client.get_ip(), request.get_raw_body()
      end),
    })
  end)

  it("has the method, the path, its query and the version that were given", function()
    assert.same({ "POST", "/a", "b=c&d", "/a?b=c&d", 2, "c", true, "body", 443 }, {
      ask(function()
        local request = kong.request
        return request.get_method(), request.get_path(), request.get_raw_query(),
          request.get_path_with_query(), request.get_http_version(), request.get_query_arg("b"),
          request.get_query_arg("d"), request.get_raw_body(), request.get_port()
      end, { method = "POST", path = "/a?b=c&d", http_version = 2, body = "body",
             scheme = "https" }),
    })
  end)

  it("has the decoded path of a gateway, with reserved characters escaped", function()
    assert.same({ "/c d/a%2Fb/%3F", "/a/..//c%20%64/a%2fb/%3f", "/a/..//c%20%64/a%2fb/%3f?x" }, {
      ask(function()
        local request = kong.request
        return request.get_path(), request.get_raw_path(), request.get_path_with_query()
      end, { path = "/a/..//c%20%64/a%2fb/%3f?x" }),
    })
  end)

  it("has a path if only nginx's stays below the root", function()
    assert.same({ "/c", "/c" }, {
      ask(function() return kong.request.get_path(), ngx.var.uri end, { path = "/a%2Fb/../../c" }),
    })
  end)

  it("has arguments", function()
    assert.same({ { a = { "1", "2 3" }, b = "&" } }, {
      ask(function() return kong.request.get_query() end, { path = "/?a=1&a=2+3&b=%26" }),
    })
  end)

  it("has headers, by name or as an ordered list", function()
    for _, headers in ipairs {
      { ["X-Foo"] = { "a", "b" }, Accept = "text/html", Length = 3 },
      { { "Accept", "text/html" }, { "X-Foo", "a" }, { "x-foo", "b" }, { "Length", 3 } },
    } do
      assert.same({ "a", { "a", "b" }, "text/html", "3", "localhost", { "a", "b" } }, {
        ask(function()
          return kong.request.get_header("x-foo"), kong.request.get_headers().x_foo,
            ngx.req.get_headers().accept, ngx.var.http_length, ngx.var.http_host,
            ngx.req.get_headers()["X-Foo"]
        end, { headers = headers }),
      })
    end
  end)

  it("has the host of its header", function()
    assert.equal("example.com", (ask(function() return kong.request.get_host() end,
      { headers = { Host = "example.com:8000" } })))
  end)

  it("has a client", function()
    local consumer = { username = "alice" }
    assert.same({ "10.0.0.7", 5000, "192.0.2.1", consumer, "192.0.2.1" }, {
      ask(function()
        local client = kong.client
        return client.get_ip(), client.get_port(), client.get_forwarded_ip(),
          client.get_consumer(), ngx.var.remote_addr
      end, { client = { ip = "10.0.0.7", port = 5000, forwarded_ip = "192.0.2.1",
                        consumer = consumer } }),
    })
  end)

  it("has a client, which a plugin can authenticate", function()
    assert.same({ { id = 1 }, { key = 2 } }, {
      ask(function()
        kong.client.authenticate({ id = 1 }, { key = 2 })
        return kong.client.get_consumer(), kong.client.get_credential()
      end),
    })
  end)

  it("has variables, which plugins can set", function()
    assert.same({ "/a?b=c", "c", "coffee", "tea", "0123456789abcdef0123456789abcdef" }, {
      ask(function()
        ngx.var.drink = "tea"
        return ngx.var.request_uri, ngx.var.arg_b, ngx.var.shop, ngx.var.drink, ngx.var.request_id
      end, { path = "/a?b=c", variables = { shop = "coffee", drink = "" } }),
    })
  end)

  it("has variables that are always strings", function()
    local given, set, bool, gone = ask(function()
      local before = ngx.var.size
      ngx.var.size = 7
      ngx.var.flag = true
      ngx.var.shop = nil
      return before, ngx.var.size, ngx.var.flag, ngx.var.shop or "nil"
    end, { variables = { size = 5, shop = "coffee", flag = "" } })
    assert.same({ "5", "7", "true", "nil" }, { given, set, bool, gone })
  end)

  it("chooses the error document, with the request's id", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.error(404) end },
      request = { id = "4711", headers = { Accept = "text/plain" } },
    }
    assert.equal("Not found\nrequest_id: 4711\n", result.body)
  end)

  it("is gRPC if its version and its type say so", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.exit(404, "no") end },
      request = { http_version = 2, headers = { ["Content-Type"] = "application/grpc" } },
    }
    assert.equal("5", result.headers["grpc-status"])
    assert.equal("no", result.headers["grpc-message"])
    assert.equal("", result.body)
  end)
end)


describe("the environment of plugins", function()
  it("has the kong.configuration of the test", function()
    assert.equal(7, (ask(function() return kong.configuration.lua_max_resp_headers end, nil,
      { configuration = { lua_max_resp_headers = 7 } })))
  end)

  it("has the error templates of kong.configuration", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write("<<%s>> <<%s>>")
    file:close()
    local result = testing.run {
      plugin = { access = function() return kong.response.error(404, "no") end },
      request = { id = "4711" },
      configuration = { error_template_json = path },
    }
    os.remove(path)
    assert.equal("<<no>> <<4711>>", result.body)
  end)

  it("has the fields of the test's tables kong and ngx", function()
    assert.same({ "found", "function", "abc", "function" }, {
      ask(function()
        return kong.db.find(), type(kong.request.get_path), ngx.md5(), type(ngx.req.get_method)
      end, nil, {
        kong = { db = { find = function() return "found" end }, request = { x = 1 } },
        ngx = { md5 = function() return "abc" end, req = { y = 2 } },
      }),
    })
    assert.is_nil((ask(function() return kong.request.x end)))
  end)

  it("has default_type as the Content-Type of responses without one", function()
    local function access() return kong.response.exit(200, "x") end
    local plugin = { access = access }
    assert.is_nil(testing.run({ plugin = plugin }).headers["Content-Type"])
    assert.equal("text/plain",
      testing.run({ plugin = plugin, default_type = "text/plain" }).headers["Content-Type"])
  end)

  it("has a log with lines by level", function()
    local result = testing.run {
      plugin = {
        access = function()
          kong.log("a ", 1)
          kong.log.err("b", nil, true)
          ngx.log(ngx.WARN, "c", ngx.null, setmetatable({}, {
            __tostring = function() return "d" end,
          }))
          kong.log.debug("e")
        end,
      },
    }
    assert.same({ "a 1" }, result.log.notice)
    assert.same({ "bniltrue" }, result.log.err)
    assert.same({ "cnulld" }, result.log.warn)
    assert.same({ "e" }, result.log.debug)
    assert.same({}, result.log.crit)
    assert.same({ level = "err", message = "bniltrue", phase = "access" }, result.log[2])
  end)

  it("has the warnings of kong.response in the log, with the plugin's line", function()
    local line = debug.getinfo(1, "l").currentline
    local result = testing.run {
      plugin = {
        access = function() kong.response.set_header("Transfer-Encoding", "chunked") end,
      },
    }
    assert.same({
      ("spec/kit/description_spec.lua:%d: manually setting Transfer-Encoding. Ignored.")
        :format(line + 3),
    }, result.log.warn)
  end)
end)
