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
  it("has the version of the test", function()
    local function challenge()
      kong.response.add_header("WWW-Authenticate", "Basic")
      kong.response.add_header("WWW-Authenticate", "Bearer")
      return ngx.var.http_x_a
    end
    local request = { headers = { ["X-A"] = { "1", "2" } } }
    local seen, result = ask(challenge, request)
    assert.same({ "Basic", "Bearer" }, result.headers["WWW-Authenticate"])
    assert.same({ "1, 2" }, seen)
    seen, result = ask(challenge, request, { nginx_version = "1.22.1" })
    assert.equal("Bearer", result.headers["WWW-Authenticate"])
    assert.same({ "1" }, seen)
  end)

  it("tells its version to the plugin", function()
    local function versions()
      return ngx.config.nginx_version, ngx.var.nginx_version
    end
    assert.same({ 1027001, "1.27.1" }, (ask(versions)))
    assert.same({ 1022001, "1.22.1" }, (ask(versions, nil, { nginx_version = "1.22.1" })))
    assert.same({ 1031000, "1.31" }, (ask(versions, nil, { nginx_version = "1.31" })))
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
