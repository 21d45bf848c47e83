local json = require "kong.response.json"
local testing = require "kong.response.testing"


local function answer(...)
  local arguments = { ... }
  return testing.run {
    plugin = {
      access = function() return kong.response.exit(unpack(arguments, 1, 3)) end,
    },
  }
end


describe("the headers of a result", function()
  local result = answer(200, "x", {
    ["Set-Cookie"] = { "a=1", "b=2" },
    ["X-Foo"] = "bar",
  })

  it("are an ordered list", function()
    local names = {}
    for i, header in ipairs(result.headers) do
      names[i] = header[1]
      assert.equal("string", type(header[2]))
    end
    assert.same({ "Server", "Date", "Connection", "Set-Cookie", "Set-Cookie", "X-Foo",
                  "Content-Length" }, names)
  end)

  it("are found by name, in any case", function()
    assert.equal("bar", result.headers["X-Foo"])
    assert.equal("bar", result.headers["x-foo"])
    assert.equal("bar", result.headers.x_foo)
    assert.is_nil(result.headers["X-None"])
  end)

  it("are an array if they are repeated", function()
    assert.same({ "a=1", "b=2" }, result.headers["set-cookie"])
  end)
end)


describe("json()", function()
  it("reads the body", function()
    local value = { a = { 1, 2.5, true, "é" }, b = json.null, c = {} }
    local result = answer(200, value)
    assert.same(value, result.json())
    assert.same(value, result:json())
    assert.equal(json.null, result.json().b)
  end)

  it("keeps arrays, so encoding them gives the same text", function()
    for _, body in ipairs { '{"l":[]}', '{"o":{}}', '[]', '[[1],[]]', '{"a":[{"b":[]}]}' } do
      assert.equal(body, answer(200, answer(200, body).json()).body)
    end
  end)

  it("reads values that are not tables", function()
    assert.equal("a", answer(200, '"a"').json())
    assert.is_false(answer(200, "false").json())
    assert.equal(json.null, answer(200, "null").json())
  end)

  it("raises an error with the reason and the response", function()
    for _, body in ipairs { "{", "", "nil", '{"a":1} x' } do
      local ok, err = pcall(answer(403, body).json)
      assert.is_false(ok)
      assert.matches("^spec/kit/result_spec.lua:%d+: the body is not JSON: ", err)
      assert.matches("HTTP/1.1 403 Forbidden\n", err, 1, true)
    end
  end)
end)


describe("tostring(result)", function()
  local DATE = "Thu, 01 Jan 1970 00:00:00 GMT"

  it("is the message on the wire", function()
    assert.equal("HTTP/1.1 403 Forbidden\r\n"
      .. "Server: nginx\r\n"
      .. "Date: " .. DATE .. "\r\n"
      .. "Connection: keep-alive\r\n"
      .. "X-Foo: bar\r\n"
      .. "Content-Length: 2\r\n"
      .. "\r\n"
      .. "no", tostring(answer(403, "no", { ["X-Foo"] = "bar" })))
  end)

  it("is chunked if the body is chunked", function()
    local result = testing.run {
      plugin = {},
      upstream = { body = { "one", "ten more bytes", "" } },
    }
    assert.matches("Transfer-Encoding: chunked\r\n", tostring(result), 1, true)
    assert.matches("\r\n\r\n3\r\none\r\ne\r\nten more bytes\r\n0\r\n\r\n$", tostring(result))
  end)

  it("has no end if the body breaks off", function()
    local result = testing.run {
      plugin = {},
      upstream = { body = { "one", "two" }, failure = "cut_off" },
    }
    assert.matches("\r\n\r\n3\r\none\r\n$", tostring(result))
  end)

  it("has no body for HEAD", function()
    local result = testing.run {
      plugin = {},
      request = { method = "HEAD" },
      upstream = { body = "abc" },
    }
    assert.matches("Content-Length: 3\r\n", tostring(result), 1, true)
    assert.matches("\r\n\r\n$", tostring(result))
  end)

  it("has a status without a reason if nginx knows none", function()
    assert.matches("^HTTP/1.1 418 \r\n", tostring(answer(418, "x")))
  end)

  it("cannot be split by values that a plugin sets", function()
    local result = answer(200, "x", { ["X-Foo"] = "a\r\nB: c" })
    assert.matches("X-Foo: a%0D%0AB: c\r\n", tostring(result), 1, true)
  end)
end)


describe("assert.response(result)", function()
  local result = answer(403, { message = "no" }, {
    ["X-Foo"] = "bar",
    ["X-Number"] = 1,
    ["Set-Cookie"] = { "a=1", "b=2" },
  })

  local function fails(code)
    local ok, err = pcall(code)
    assert.is_false(ok)
    return tostring(err)
  end

  local function shows_response(err)
    assert.matches("HTTP/1.1 403 Forbidden\nServer: nginx\n", err, 1, true)
    assert.matches("\nX-Foo: bar\n", err, 1, true)
    assert.matches('\n\n{"message":"no"}\n', err, 1, true)
    assert.matches("source: exit; phases: rewrite, access, header_filter, body_filter, log", err, 1,
      true)
  end

  it("checks has.status", function()
    assert.response(result).has.status(403)
    assert.response(result).has_no.status(404)
    local err = fails(function() assert.response(result).has.status(404) end)
    assert.matches("Expected a response with status 404, but it is:\n\n", err, 1, true)
    shows_response(err)
    err = fails(function() assert.response(result).has_no.status(403) end)
    assert.matches("Expected a response without status 403, but it is:\n\n", err, 1, true)
    shows_response(err)
  end)

  it("checks has.header", function()
    assert.response(result).has.header("x-foo")
    assert.response(result).has.header("x-foo", "bar")
    assert.response(result).has.header("x-number", 1)
    assert.response(result).has.header("set-cookie", "b=2")
    assert.response(result).has.header("set-cookie", { "a=1", "b=2" })
    assert.response(result).has_no.header("x-none")
    assert.response(result).has_no.header("x-foo", "BAR")
    assert.response(result).has_no.header("set-cookie", { "a=1" })
    assert.response(result).has_no.header("x-none", "bar")
    local err = fails(function() assert.response(result).has.header("x-foo", "baz") end)
    assert.matches('Expected a response with header "x-foo" with the value "baz", but it is:', err,
      1, true)
    shows_response(err)
    err = fails(function() assert.response(result).has.header("set-cookie", { "a=1" }) end)
    assert.matches('header "set-cookie" with the values "a=1", but it is:', err, 1, true)
    err = fails(function() assert.response(result).has.header("x-none") end)
    assert.matches('Expected a response with header "x-none", but it is:', err, 1, true)
    err = fails(function() assert.response(result).has.header() end)
    assert.matches("needs a name, got nil", err, 1, true)
  end)

  it("checks has.body", function()
    assert.response(result).has.body('{"message":"no"}')
    shows_response(fails(function() assert.response(result).has.body("no") end))
  end)

  it("checks has.jsonbody", function()
    assert.response(result).has.jsonbody()
    assert.response(result).has.jsonbody { message = "no" }
    assert.response(result).has_no.jsonbody { message = "no", more = 1 }
    assert.response(answer(200, "x")).has_no.jsonbody()
    assert.response(answer(200, "x")).has_no.jsonbody {}
    local err = fails(function() assert.response(result).has.jsonbody { message = "yes" } end)
    assert.matches('Expected a response with the JSON body: at .message, expected "yes" but found '
      .. '"no"\n\nThe response:\n\nHTTP/1.1 403', err, 1, true)
    shows_response(err)
    assert.is_nil(err:find("table:", 1, true))
    err = fails(function() assert.response(result).has_no.jsonbody() end)
    assert.matches("Expected a response without the JSON body (any), but it is:\n\nHTTP", err, 1,
      true)
    err = fails(function() assert.response(answer(200, "x")).has.jsonbody {} end)
    assert.matches("the JSON body, but it is not JSON: expected value at line 1 column 1\n", err, 1,
      true)
  end)

  it("distinguishes [] from {} in has.jsonbody if the test does", function()
    local found = answer(200, '{"l":[],"o":{},"n":[[]],"two":[1,2]}')
    local function body(l, o, n)
      return { l = l, o = o, n = { n }, two = { 1, 2 } }
    end
    local empty_array, array = json.empty_array, setmetatable({}, json.array_mt)
    local empty = setmetatable({}, json.empty_array_mt)
    for _, expected in ipairs {
      body(empty_array, {}, empty_array), body(array, {}, empty),
      { l = array, o = {}, n = { array }, two = setmetatable({ 1, 2 }, json.array_mt) },
    } do
      assert.response(found).has.jsonbody(expected)
    end
    for _, wrong in ipairs {
      body({}, {}, array), body(array, {}, {}), body({}, empty_array, {}), body({}, array, {}),
      body({}, empty, {}), body({ 1 }, {}, {}),
      body({}, {}, nil), body("", {}, {}), body({}, {}, json.null),
    } do
      assert.response(found).has_no.jsonbody(wrong)
    end
    local err = fails(function()
      assert.response(answer(200, '{"l":{},"m":[]}')).has.jsonbody { l = empty_array, m = {} }
    end)
    assert.matches("the JSON body: at .l, expected [] but found {}\n", err, 1, true)
    err = fails(function()
      assert.response(answer(200, '{"a":[1,{"b":[]}]}')).has.jsonbody { a = { 1, { b = {} } } }
    end)
    assert.matches("the JSON body: at .a[2].b, expected {} but found []\n", err, 1, true)
    err = fails(function()
      assert.response(answer(200, '"x"')).has.jsonbody(setmetatable({}, json.array_mt))
    end)
    assert.matches('the JSON body: at the top, expected [] but found "x"\n', err, 1, true)
  end)

  it("shows where bodies differ in has.body", function()
    local found = answer(200, ("a"):rep(100) .. "b")
    local err = fails(function() assert.response(found).has.body(("a"):rep(100) .. "c") end)
    assert.matches('the body of 101 bytes: at byte 101, expected "c" but found "b" (101 bytes)',
      err, 1, true)
    err = fails(function() assert.response(found).has.body("a") end)
    assert.matches('the body of 1 bytes: at byte 2, expected "" but found "' .. ("a"):rep(40)
      .. '"... (101 bytes)', err, 1, true)
  end)

  it("checks has.logged", function()
    local logged = testing.run { plugin = { access = function()
      kong.log.warn("no ", "key")
      kong.ctx.shared.user = { name = "alice" }
    end } }
    assert.equal("no key", assert.response(logged).has.logged("warn", "key"))
    assert.response(logged).has_no.logged("err")
    local err = fails(function() assert.response(logged).has.logged("err", "key") end)
    assert.matches('a line in its log of the level "err": "key". The log has \n  [warn] no key\n',
      err, 1, true)
    assert.response(logged).has.ctx("user", { name = "alice" })
    err = fails(function() assert.response(logged).has.ctx("user", { name = "bob" }) end)
    assert.matches('kong.ctx.shared user.name: expected "bob" but found "alice"\n', err, 1, true)
  end)

  it("checks has.ctx with the same table, even if it contains itself", function()
    local user = { name = "alice" }
    user.self = user
    local sent = testing.run { plugin = { access = function() kong.ctx.shared.user = user end } }
    assert.equal(user, assert.response(sent).has.ctx("user", user))
  end)

  it("shows a part of tables that hold each other in has.ctx", function()
    local nodes = {}
    for i = 1, 20 do
      nodes[i] = {}
    end
    for i = 1, 20 do
      for j = 1, 20 do
        nodes[i][j] = nodes[j]
      end
    end
    local sent = testing.run { plugin = { access = function() kong.ctx.shared.nodes = nodes end } }
    local err = fails(function() assert.response(sent).has.ctx("nodes", "none") end)
    assert.matches("...", err, 1, true)
    assert.is_true(#err < 100000, #err .. " bytes")
  end)

  it("checks the request to the upstream, too", function()
    local sent = testing.run {
      plugin = { access = function()
        kong.service.request.set_header("X-Consumer", "alice")
        kong.service.request.set_path("/v2")
        kong.service.request.set_method("PUT")
        kong.service.request.set_body({ a = 1 }, "application/json")
      end },
      request = { path = "/v1?a=b", method = "POST", body = "x" },
    }
    assert.upstream(sent).has.header("X-Consumer", "alice")
    assert.upstream(sent).has.header("Content-Length", "7")
    assert.upstream(sent).has.path("/v2?a=b")
    assert.upstream(sent).has.method("PUT")
    assert.upstream(sent).has.jsonbody { a = 1 }
    local err = fails(function() assert.upstream(sent).has.header("X-Consumer", "bob") end)
    assert.matches('Expected a request to the upstream with header "X-Consumer" with the value '
      .. '"bob", but it is:\n\nPUT /v2?a=b\n', err, 1, true)
    err = fails(function() assert.upstream(result).has.path("/") end)
    assert.matches("the upstream was not asked", err, 1, true)
  end)

  it("returns the values that it has found", function()
    assert.equal("bar", assert.response(result).has.header("x-foo"))
    assert.same({ message = "no" }, assert.response(result).has.jsonbody())
  end)

  it("shows the lines of the log that explain a response", function()
    local failed = testing.run {
      plugin = {
        access = function()
          kong.log.debug("not this")
          error("boom", 0)
        end,
      },
    }
    local err = fails(function() assert.response(failed).has.status(200) end)
    assert.matches("\nlog: %[err%] access %(spec/%S+:%d+%): boom", err)
    assert.not_matches("not this", err, 1, true)
  end)

  it("shows percent signs and bytes unchanged", function()
    local err = fails(function() assert.response(answer(200, "100% \1")).has.status(1) end)
    assert.matches("\n\n100% \1\n", err, 1, true)
  end)

  it("raises an error for other values than results", function()
    local err = fails(function() assert.response({ status = 200 }).has.status(200) end)
    assert.matches("assert.response needs a result of kong.response.testing, got table", err, 1,
      true)
    err = fails(function() assert.has.status(200) end)
    assert.matches("name the response: assert.response(result).has.status(...)", err, 1, true)
  end)

  it("is not needed, so the kit works without luassert", function()
    local code = [[
      package.path, package.cpath = %q, %q
      local result = require("kong.response.testing").run { plugin = {} }
      assert(package.loaded.luassert == nil)
      os.exit(result.status == 200 and 0 or 1)
    ]]
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(code:format(package.path, package.cpath))
    file:close()
    local status = os.execute("luajit " .. path)
    os.remove(path)
    assert.equal(0, status)
  end)
end)
