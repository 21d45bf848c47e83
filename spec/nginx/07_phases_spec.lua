local plugins = require "spec.support.plugins"


-- one request that asks and sets in every phase, and what must come of it
local TOUR = {
  upstream = [[
    ngx.status = 203
    ngx.header["X-Service"] = { "1", "2" }
    ngx.header["Content-Length"] = 4
    ngx.print("body")
  ]],
  rewrite = "response.set_header('X-Rewrite', '1')",
  access = "response.add_header('X-Rewrite', '2')",
  balancer = "response.set_header('X-Balancer', '3') ngx.ctx.KONG_PROXIED = true",
  header_filter = [[
    response.add_header("X-Service", "3")
    response.set_status(200 + response.get_status())
    see(response.get_status(), response.get_header("X-Rewrite"), response.get_source(),
      response.get_headers()["x-service"])
    response.clear_header("Content-Length")
  ]],
  body_filter = [[
    local body = response.get_raw_body()
    if body then
      see(response.get_status(), response.get_header("X-Service"), response.get_source(),
        response.get_headers()["x-rewrite"], body)
      response.set_raw_body(body:upper())
    end
  ]],
  log = [[
    return response.get_status(), response.get_header("X-Balancer"), response.get_source(),
      response.get_headers()["x-service"]
  ]],
}


local function with(fields)
  local case = {}
  for key, value in pairs(TOUR) do
    case[key] = value
  end
  for key, value in pairs(fields) do
    case[key] = value
  end
  return case
end


local function assert_tour(r)
  assert.equal(403, r.status)
  assert.same({ "1", "2" }, r:values("X-Rewrite"))
  assert.same({ "3" }, r:values("X-Balancer"))
  assert.same({ "1", "2", "3" }, r:values("X-Service"))
  assert.is_nil(r:header("Content-Length"))
  assert.equal("BODY", r.body)
  assert.same({ 403, "1", "service", { "1", "2", "3" } }, r.seen.header_filter)
  assert.same({ 403, "1", "service", { "1", "2" }, "body" }, r.seen.body_filter)
  assert.same({ 403, "3", "service", { "1", "2", "3" } }, r.seen.log)
end


local LOCATIONS = [[
    location = /error_page {
      error_page 502 /error_answer;
      proxy_intercept_errors on;
      proxy_pass http://127.0.0.1:%{refused_port};
    }
    location = /error_answer {
      internal;
      content_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x1000000
        local response = require "kong.response"
        response.set_header("X-Error", tostring(response.get_status()))
        response.set_status(503)
        response.clear_header("Server")
        ngx.print("sorry: ", response.get_source())
      }
    }
    location = /exec {
      rewrite_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x10
        require("kong.response").set_header("X-Before", "1")
        ngx.exec("/", ngx.var.args)
      }
    }
    location = /capture {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Parent", "1")
        local result = ngx.location.capture("/captured")
        ngx.print(result.status, " ", result.header["X-Child"])
        ngx.flush(true)
        response.set_header("X-Late", "1")
      }
    }
    location = /capture_first {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Parent", "1")
        local result = ngx.location.capture("/captured")
        response.set_header("X-Late", result.header["X-Child"])
        response.set_status(202)
        ngx.print(result.status, " ", result.header["X-Child"], " ",
          tostring(result.header["X-Parent"]), " ", response.get_status())
      }
    }
    location = /captured {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Child", "child")
        response.set_status(404)
        ngx.print("captured")
      }
    }
    location = /busy {
      access_by_lua_block {
        local response = require "kong.response"
        local id = ngx.var.arg_id
        ngx.ctx.KONG_PHASE = 0x80
        response.set_header("X-Id", id)
        for i = 1, 5 do
          ngx.sleep(0.002)
          ngx.ctx.KONG_PHASE = 0x80
          if response.get_header("X-Id") ~= id then
            response.add_header("X-Foreign", response.get_header("X-Id"))
          end
          response.set_status(210 + id)
          ngx.sleep(0)
          response.add_header("X-Round", id .. "." .. i .. "." .. response.get_status())
        end
      }
      content_by_lua_block { ngx.print(ngx.var.arg_id) }
    }
]]


plugins.each_binding(function(run, server)
  describe("a proxied request", function()
    it("is seen and changed in every phase", function()
      assert_tour(run(TOUR))
    end)

    it("of HTTP/2 is too", function()
      local r = run(with { http2 = true })
      assert.equal("2", r.version)
      assert_tour(r)
    end)

    it("can be one of many at the same time", function()
      local specs = {}
      for i = 1, 40 do
        specs[i] = { path = "/busy?id=" .. i, http2 = i % 2 == 0 }
      end
      for i, r in ipairs(server():requests(specs, 20)) do
        assert.equal(tostring(i), r.body)
        assert.equal(210 + i, r.status)
        assert.same({ tostring(i) }, r:values("X-Id"))
        assert.same({}, r:values("X-Foreign"))
        local rounds = {}
        for n = 1, 5 do
          rounds[n] = i .. "." .. n .. "." .. (210 + i)
        end
        assert.same(rounds, r:values("X-Round"))
      end
    end)

    it("can be asked with HEAD", function()
      local r = run {
        method = "HEAD",
        header_filter = "response.set_header('X-Foo', 'bar') response.set_status(404)",
        log = "return response.get_status(), response.get_header('x-foo')",
      }
      assert.equal(404, r.status)
      assert.equal("bar", r:header("X-Foo"))
      assert.same({ 404, "bar" }, r.seen.log)
    end)
  end)


  describe("a call from", function()
    it("a coroutine works, and its error has the line in it", function()
      local r = run { access = [[
        local co = coroutine.wrap(function()
          response.set_header("X-One", "1")
          coroutine.yield()
          response.add_header("X-One", "2")
          local ok, err = pcall(function()
            response.clear_header(1)
          end)
          return err
        end)
        co()
        return (co():match("[^/]*$"))
      ]] }
      assert.same({ "access.lua:6: header name must be a string" }, r.seen.access)
      assert.same({ "1", "2" }, r:values("X-One"))
    end)

    it("a coroutine that dies by it leaves an error string", function()
      local r = run { access = [[
        local co = coroutine.create(function()
          response.set_status(1)
          return 1
        end)
        local ok, err = coroutine.resume(co)
        return ok, (err:match("[^/]*$")), coroutine.status(co)
      ]] }
      assert.same({ false, "access.lua:2: code must be a number between 100 and 599", "dead" },
        r.seen.access)
    end)

    it("a light thread works", function()
      local r = run { access = [[
        local function add(value)
          ngx.sleep(0.002)
          response.add_header("X-Thread", value)
          return fails(response.add_header, "X-Thread", nil)
        end
        local threads = {}
        for i = 1, 3 do
          threads[i] = ngx.thread.spawn(add, i)
        end
        for i = 1, 3 do
          local ok, err = ngx.thread.wait(threads[i])
          see(ok, err)
        end
      ]] }
      local values = r:values("X-Thread")
      table.sort(values)
      assert.same({ "1", "2", "3" }, values)
      local message = 'invalid header value for "X-Thread": got nil, '
        .. "expected array of string, string, number or boolean"
      assert.same({ true, message, true, message, true, message }, r.seen.access)
    end)

    it("code that slept works", function()
      local r = run { access = [[
        response.set_header("X-Before", "1")
        ngx.sleep(0.01)
        response.set_header("X-After", "2")
        ngx.ctx.KONG_PHASE = 0x80
        return response.get_header("X-Before"), response.get_headers()["x-after"]
      ]] }
      assert.same({ "1", "2" }, r.seen.access)
      assert.equal("1", r:header("X-Before"))
      assert.equal("2", r:header("X-After"))
    end)

    it("a metamethod, a sort and an xpcall handler works", function()
      local r = run { access = [[
        local object = setmetatable({}, { __index = function(_, name)
          response.add_header("X-Name", name)
          return name
        end })
        local name = object.one .. object.two
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b)
          response.set_header("X-Sorted", a)
          return a < b
        end)
        xpcall(error, function()
          response.set_header("X-Handler", "1")
        end)
        local trace = select(2, xpcall(function()
          response.set_header("X-Foo", nil)
          return 1
        end, debug.traceback))
        return (trace:match("([^/]*)\nstack traceback:"))
      ]] }
      assert.same({ "one", "two" }, r:values("X-Name"))
      assert.is_truthy(r:header("X-Sorted"))
      assert.equal("1", r:header("X-Handler"))
      assert.same({ 'access.lua:15: invalid header value for "X-Foo": got nil, '
        .. "expected array of string, string, number or boolean" }, r.seen.access)
    end)

    it("a subrequest concerns the subrequest", function()
      local r = server():get("/capture_first")
      assert.equal(202, r.status)
      assert.equal("404 child nil 202", r.body)
      assert.equal("1", r:header("X-Parent"))
      assert.equal("child", r:header("X-Late"))
      assert.is_nil(r:header("X-Child"))

      server():clear_log()
      r = server():get("/capture")
      assert.equal(200, r.status)
      assert.equal("404 child", r.body)
      assert.is_nil(r:header("X-Late"))
      assert.truthy(server():wait_log("headers have already been sent", 1))
    end)

    it("the error phase works", function()
      local r = server():get("/error_page")
      assert.equal(503, r.status)
      assert.equal("sorry: error", r.body)
      assert.equal("502", r:header("X-Error"))
      assert.is_nil(r:header("Server"))
    end)

    it("a location that is left by an internal redirect keeps its headers", function()
      local r = run { path = "/exec", access = "response.add_header('X-Before', '2')" }
      assert.equal(200, r.status)
      assert.same({ "1", "2" }, r:values("X-Before"))
    end)
  end)
end, { locations = LOCATIONS })


describe("a worker", function()
  it("that opens the library for each request serves each alike", function()
    local server = plugins.start { code_cache = false }
    finally(function()
      server:stop()
    end)
    for _ = 1, 5 do
      assert_tour(server:run(TOUR))
      assert_tour(server:run(with { http2 = true }))
    end
    local r = server:run { fails = true, access = "\nresponse.set_status('x')\nreturn" }
    assert.equal("access.lua:2: code must be a number", r.errors.access)
  end)

  it("is one of several, and its successors after a reload serve alike", function()
    local server = plugins.start { workers = 2 }
    finally(function()
      server:stop()
    end)
    for _ = 1, 4 do
      assert_tour(server:run(TOUR))
    end
    assert.is_true(server:reload())
    for _ = 1, 4 do
      assert_tour(server:run(TOUR))
    end
  end)

  it("may load the library in init, in init_worker or with the first request", function()
    for _, at in ipairs { "init", "init_worker", "request" } do
      local server = plugins.start {
        init = at == "init" and "require 'kong.response'" or "",
        http = at == "init_worker" and "init_worker_by_lua_block { require 'kong.response' }" or "",
      }
      finally(function()
        server:stop()
      end)
      assert_tour(server:run(TOUR))
      server:stop()
    end
  end)

  it("says nothing in the log of a request without fault", function()
    local server = plugins.start()
    finally(function()
      server:stop()
    end)
    server:run(TOUR)
    assert.is_nil(server:log():match("%[warn%]"), server:log())
    assert.is_nil(server:log():match("%[error%]"), server:log())
  end)
end)
