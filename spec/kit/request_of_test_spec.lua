-- The defaults of a request in a test.

local testing = require "kong.response.testing"


local function ask(code, request, case)
  local seen
  local given = { plugin = { access = function() seen = { code() } end }, request = request }
  for name, value in pairs(case or {}) do
    given[name] = value
  end
  local result = testing.run(given)
  return seen, result
end


describe("the request of a test", function()
  it("has the Content-Length of its body", function()
    local function length()
      return kong.request.get_header("Content-Length"), ngx.var.content_length
    end
    assert.same({ "5", "5" }, (ask(length, { method = "POST", body = "beans" })))
    assert.same({}, (ask(length)))
    assert.same({ "7", "7" }, (ask(length, { body = "x", headers = { ["Content-Length"] = 7 } })))
    assert.same({}, (ask(length, { body = "x", headers = { ["Transfer-Encoding"] = "chunked" } })))
  end)

  it("has at most as many arguments and headers as the limit", function()
    local seen = ask(function()
      local query, of_query = kong.request.get_query(1)
      local headers, of_headers = kong.request.get_headers(1)
      return query, of_query, next(headers), of_headers, next(headers, (next(headers)))
    end, { path = "/?a=1&b=2", headers = { { "X-A", "1" }, { "X-B", "2" } } })
    assert.same({ { a = "1" }, "truncated", "x-a", "truncated" }, seen)
    ask(function()
      assert.has_error(function() kong.request.get_query(0) end, "max_args must be >= 1")
      assert.has_error(function() kong.request.get_headers(1001) end, "max_headers must be <= 1000")
    end)
  end)
end)


describe("the server of a test", function()
  it("joins the headers of one name in a variable from nginx 1.23 on", function()
    local function joined()
      return ngx.var.http_x_a
    end
    local request = { headers = { ["X-A"] = { "1", "2" } } }
    assert.same({ "1, 2" }, (ask(joined, request)))
    assert.same({ "1, 2" }, (ask(joined, request, { nginx_version = "1.23.0" })))
    assert.same({ "1" }, (ask(joined, request, { nginx_version = "1.22.1" })))
  end)

  it("sends several WWW-Authenticate from nginx 1.31 on", function()
    local function challenge()
      kong.response.add_header("WWW-Authenticate", "Basic")
      kong.response.add_header("WWW-Authenticate", "Bearer")
    end
    for version, expected in pairs { ["1.22.1"] = "Bearer", ["1.27.1"] = "Bearer",
                                     ["1.30.6"] = "Bearer", ["1.31.4"] = { "Basic", "Bearer" } } do
      local _, result = ask(challenge, nil, { nginx_version = version })
      assert.same(expected, result.headers["WWW-Authenticate"])
    end
  end)

  it("ends a response for HTTP/1.0 with the phase that prints from nginx 1.29 on", function()
    local upstream = { body = "upstream" }
    for _, phase in ipairs { "rewrite", "access" } do
      for _, gateway in ipairs { true, false } do
        for version, expected in pairs { ["1.27.1"] = "upstream", ["1.30.6"] = "early" } do
          local result = testing.run {
            plugin = { [phase] = function() ngx.print("early") end },
            request = { http_version = 1.0 }, upstream = upstream,
            nginx_version = version, gateway = gateway,
          }
          assert.equal(expected, result.body)
          assert.equal(tostring(#expected), result.headers["Content-Length"])
        end
      end
    end
  end)

  it("leaves the phase of the body filter after the end of the body from nginx 1.29 on", function()
    for version, expected in pairs { ["1.27.1"] = "body_filter", ["1.30.6"] = "access" } do
      local seen
      testing.run {
        plugin = {
          access = function()
            ngx.print("x")
            ngx.flush(true)
            pcall(ngx.print, "late")
            seen = ngx.get_phase()
          end,
          body_filter = function() ngx.arg[2] = true end,
        },
        nginx_version = version, strict = false,
      }
      assert.equal(expected, seen)
    end
  end)

  it("tells its version to the plugin", function()
    local function versions()
      return ngx.config.nginx_version, ngx.config.ngx_lua_version, ngx.var.nginx_version
    end
    assert.same({ 1030006, 10029, "1.30.6" }, (ask(versions)))
    assert.same({ 1022001, 10023, "1.22.1" }, (ask(versions, nil, { nginx_version = "1.22.1" })))
    assert.same({ 1027001, 10028, "1.27.1" }, (ask(versions, nil, { nginx_version = "1.27.1" })))
    assert.same({ 1031000, 10032, "1.31" }, (ask(versions, nil, { nginx_version = "1.31" })))
  end)

  it("drops the second ETag of an upstream from nginx 1.23 on", function()
    local upstream = { headers = { { "ETag", '"1"' }, { "ETag", '"2"' }, { "X-A", "1" },
                                   { "X-A", "2" } } }
    for version, expected in pairs { ["1.27.1"] = '"1"', ["1.22.1"] = { '"1"', '"2"' } } do
      local result = testing.run { plugin = {}, upstream = upstream, nginx_version = version }
      assert.same(expected, result.headers.ETag)
      assert.same({ "1", "2" }, result.headers["X-A"])
    end
  end)
end)


describe("the top of a module", function()
  it("can log and call ngx.get_phase", function()
    package.preload["kit-top"] = function()
      kong.log.warn("loaded in ", ngx.get_phase())
      ngx.log(ngx.ERR, "and ", 2)
      return { access = function() return kong.response.exit(200) end }
    end
    finally(function()
      package.preload["kit-top"], package.loaded["kit-top"] = nil, nil
    end)
    local result = testing.run { plugin = "kit-top" }
    assert.same({ "loaded in init" }, result.log.warn)
    assert.same({ "and 2" }, result.log.err)
    assert.equal("init", result.log[1].phase)
  end)
end)


describe("the body of a HEAD request in the response phase", function()
  it("is empty", function()
    local body
    local result = testing.run {
      plugin = { response = function() body = kong.service.response.get_raw_body() end },
      request = { method = "HEAD" },
      upstream = { body = "hello" },
    }
    assert.equal("", body)
    assert.equal("", result.body)
  end)
end)


describe("a body that does not fit into the buffer", function()
  local BODY = ("x"):rep(10240)

  local function run(code, case)
    case = case or {}
    case.plugin = { access = code }
    case.request = case.request or { method = "POST", body = BODY }
    return testing.run(case)
  end

  local function raw_body(limit, case)
    local seen
    run(function() seen = { kong.request.get_raw_body(limit) } end, case)
    return unpack(seen, 1, 2)
  end

  it("is read from a file that is at most as large as the argument allows", function()
    local body, err = raw_body()
    assert.is_nil(body)
    assert.matches("did not fit into client body buffer", err, 1, true)
    body, err = raw_body(10239)
    assert.is_nil(body)
    assert.equal("request body file too big: 10240 > 10239", err)
    assert.equal(BODY, (raw_body(10240)))
    assert.equal(BODY, (raw_body(0)))
    assert.equal(BODY, (raw_body(nil, { client_body_buffer_size = 8193 })))
    assert.is_nil((raw_body(nil, { gateway = false })))
  end)

  it("reaches the upstream", function()
    assert.equal(BODY, run(function() end).upstream.request.body)
    assert.equal(BODY, run(function() kong.request.get_raw_body(0) end).upstream.request.body)
  end)

  it("has a file until the request ends, also if the test fails", function()
    local path, there
    local function look()
      ngx.req.read_body()
      path = ngx.req.get_body_file()
      assert.equal(path, ngx.var.request_body_file)
    end
    local function has_file()
      local file = io.open(path)
      return file ~= nil and file:close()
    end
    run(function()
      look()
      there = has_file()
    end)
    assert.is_true(there)
    assert.is_false(has_file())
    assert.is_false(pcall(run, function()
      look()
      assert.is_true(false)
    end))
    assert.is_false(has_file())
  end)

  it("has no file after code has set another body", function()
    run(function()
      ngx.req.read_body()
      assert.is_nil(ngx.req.get_body_data())
      kong.service.request.set_raw_body("short")
      assert.is_nil(ngx.req.get_body_file())
      assert.equal("short", ngx.req.get_body_data())
    end)
  end)
end)
