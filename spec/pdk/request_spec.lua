local pdk = require "spec.support.pdk"


local REQUEST_PHASES = "rewrite, access, balancer, response, cluster_listener, header_filter, "
  .. "body_filter, log, error, admin_api"
local BODY_PHASES = "rewrite, access, response, error, admin_api"


pdk.each("kong.request", { both_bindings = true }, function(server)
  describe("phases:", function()
    it("every function refuses a phase that serves no request", function()
      local r = server:run { access = [[
        local names = {}
        for name in pairs(kong.request) do
          names[#names + 1] = name
        end
        table.sort(names)
        for _, name in ipairs(names) do
          for _, phase in ipairs { 0x1, 0x2, 0x3 } do
            ngx.ctx.KONG_PHASE = phase
            note(name .. ": " .. tostring(fails(kong.request[name], "x")))
          end
        end
      ]] }
      local expected = {}
      for _, name in ipairs {
        "get_body", "get_forwarded_host", "get_forwarded_path", "get_forwarded_port",
        "get_forwarded_prefix", "get_forwarded_scheme", "get_header", "get_headers", "get_host",
        "get_http_version", "get_method", "get_path", "get_path_with_query", "get_port",
        "get_query", "get_query_arg", "get_raw_body", "get_raw_path", "get_raw_query",
        "get_scheme", "get_start_time", "get_uri_captures",
      } do
        local allowed = name:find("body", 1, true) and BODY_PHASES or REQUEST_PHASES
        for _, phase in ipairs { "init_worker", "certificate", "'unknown phase'" } do
          local text = ("function cannot be called in %s phase (only in: %s)")
            :format(phase, allowed)
          if name == "get_port" then
            text = phase == "certificate" and "false"
              or ("function cannot be called in %s phase (can be called in any phases except: "
                  .. "init_worker)"):format(phase)
          end
          table.insert(expected, name .. ": " .. text)
        end
      end
      assert.same(expected, r.seen.access)
    end)

    it("the body cannot be read once the upstream was asked", function()
      local code = [[
        note(fails(kong.request.get_raw_body), fails(kong.request.get_body))
      ]]
      local r = server:run { header_filter = code, log = code }
      for _, phase in ipairs { "header_filter", "log" } do
        local text = ("function cannot be called in %s phase (only in: %s)")
          :format(phase, BODY_PHASES)
        assert.same({ text, text }, r.seen[phase])
      end
    end)

    it("a timer has none, content counts as admin_api", function()
      local r = server:run {
        port = "content_port",
        content = [[
          ngx.ctx.KONG_PHASE = nil
          note(kong.request.get_method(), fails(kong.request.get_port),
              fails(kong.client.get_consumer))
        ]],
        access = [[
          local done
          ngx.timer.at(0, function()
            note(fails(kong.request.get_method), fails(kong.request.get_port))
            done = true
          end)
          for _ = 1, 200 do
            if done then break end
            ngx.sleep(0.01)
          end
        ]],
      }
      assert.same({
        "GET", "no phase in ngx.ctx.KONG_PHASE",
        "function cannot be called in admin_api phase (only in: access, response, header_filter, "
          .. "body_filter, log)",
      }, r.seen.content)
      assert.same({
        "no phase in ngx.ctx.KONG_PHASE, (need one of " .. REQUEST_PHASES .. ")",
        "no phase in ngx.ctx.KONG_PHASE",
      }, r.seen.access)
    end)

    it("the phase is checked before the arguments, and both at the plugin's line", function()
      local r = server:run {
        raises = true,
        access = "\nlocal value = kong.request.get_header(1)\nreturn value",
        header_filter = "\n\nlocal value = kong.request.get_body(1)\nreturn value",
        log = "local value = kong.request.get_query(0)\nreturn value",
      }
      assert.equal("plugin.lua:2: header name must be a string", r.errors.access)
      assert.equal("plugin.lua:3: function cannot be called in header_filter phase"
        .. " (only in: " .. BODY_PHASES .. ")", r.errors.header_filter)
      assert.equal("plugin.lua:1: max_args must be >= 1", r.errors.log)
    end)
  end)


  describe("the request line:", function()
    it("is read as it came", function()
      local r = server:run {
        method = "POST",
        path = "/a%2f%41//b/./c/../d?x=1&y",
        headers = { "Host: Example.COM:8080" },
        access = [[
          local request = kong.request
          note(request.get_method(), request.get_path(), request.get_raw_path(),
              request.get_path_with_query(), request.get_raw_query(), request.get_http_version(),
              request.get_scheme(), request.get_host())
        ]],
      }
      assert.same({
        "POST", "/a%2FA/b/d", "/a%2f%41//b/./c/../d", "/a%2f%41//b/./c/../d?x=1&y", "x=1&y", 1.1,
        "http", "example.com",
      }, r.seen.access)
    end)

    for version, number in pairs { ["1.0"] = 1.0, ["1.1"] = 1.1, ["2"] = 2 } do
      it("HTTP/" .. version, function()
        local r = server:run {
          http2 = version == "2" or nil,
          http_version = version ~= "2" and version or nil,
          path = "/x?a=b",
          access = [[
            note(kong.request.get_http_version(), kong.request.get_method(),
                kong.request.get_path_with_query(), kong.request.get_header("x-foo"))
          ]],
          headers = { "X-Foo: bar" },
        }
        assert.same({ number, "GET", "/x?a=b", "bar" }, r.seen.access)
      end)
    end

    it("paths have a normal form", function()
      local cases = {
        { "/%41%2f%7e%20", "/A%2F~ " },
        { "/a/./b/../c//d", "/a/c/d" },
        { "/..", "/" },
        { "//", "/" },
        { "/", "/" },
        { "/a/..", "/" },
        { "/a/../", "/" },
        { "/a/b/..", "/a/" },
        { "/a/.", "/a/" },
        { "/../../a", "/a" },
        { "/%2e%2e/a/%2E/b", "/a/b" },
        { "/.a/..b/c.", "/.a/..b/c." },
        { "/a%00b%0a", "/a\0b\n" },
        { "/%21%2a%27%28%29%3b%3a%40%26%3d%2b%24%2c%2f%3f%25%23%5b%5d",
          "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24%2C%2F%3F%25%23%5B%5D" },
        { "/%e4%f6", "/\228\246" },
        { "/a//", "/a/" },
      }
      for _, case in ipairs(cases) do
        local r = server:run {
          -- nginx itself refuses some of these.
          path = "/",
          access = ("ngx.ctx.request_uri = %q note(kong.request.get_path())"):format(case[1]),
        }
        assert.same({ case[2] }, r.seen.access, case[1])
      end
    end)

    it("a broken escape stays, and a query ends the path", function()
      local r = server:run { access = [[
        for _, target in ipairs { "/%zz/%4", "/a?", "/?b", "?x/y?z", "", "/a?b?c" } do
          ngx.ctx.request_uri = target
          note(kong.request.get_path(), kong.request.get_raw_path())
        end
      ]] }
      assert.same({
        "/%zz/%4", "/%zz/%4", "/a", "/a", "/", "/", "?x/y", "?x/y", "", "", "/a", "/a",
      }, r.seen.access)
    end)

    it("is what the client has sent, whatever plugins change", function()
      local code = [[
        note(kong.request.get_path(), kong.request.get_path_with_query(), kong.request.get_host(),
            kong.request.get_scheme(), kong.request.get_raw_query(), kong.request.get_method())
      ]]
      local r = server:run {
        path = "/before?a=b",
        headers = { "Host: before" },
        access = [[
          kong.service.request.set_path("/after")
          kong.service.request.set_scheme("http")
          kong.service.request.set_raw_query("c=d")
          kong.service.request.set_header("Host", "after")
          kong.service.request.set_method("PUT")
        ]] .. code,
        log = code,
      }
      local expected = { "/before", "/before?a=b", "before", "http", "c=d", "PUT" }
      assert.same(expected, r.seen.access)
      assert.same(expected, r.seen.log)
    end)

    it("in rewrite the host is that of the moment", function()
      local r = server:run {
        headers = { "Host: one" },
        rewrite = [[
          note(kong.request.get_host())
          ngx.req.set_header("Host", "two")
          note(kong.request.get_host())
        ]],
      }
      assert.same({ "one", "two" }, r.seen.rewrite)
    end)

    it("that nginx could not read gives the method and the query", function()
      local r = server:run {
        path = "/x?a=b&c",
        method = "PATCH",
        header_filter = [[
          ngx.ctx.KONG_PHASE, ngx.ctx.KONG_UNEXPECTED = 0x1000000, true
          note(kong.request.get_method(), kong.request.get_query())
        ]],
        access = [[ ngx.req.set_uri_args("other") ngx.req.set_method(ngx.HTTP_PUT) ]],
      }
      assert.same({ "PATCH", { a = "b", c = true } }, r.seen.header_filter)
    end)

    it("the time of the start is in milliseconds", function()
      local r = server:run {
        access = [[
          note(math.abs(kong.request.get_start_time() - ngx.now() * 1000) < 60000)
          ngx.ctx.KONG_PROCESSING_START = 5
          note(kong.request.get_start_time())
        ]],
      }
      assert.same({ true, 5 }, r.seen.access)
    end)

    it("captures of the path come from the router", function()
      local r = server:run { access = [[
        local none = kong.request.get_uri_captures()
        note(none, getmetatable(none.unnamed) == require("kong.response.json").array_mt)
        ngx.ctx.router_matches = {
          uri_captures = { [0] = "/a/b", "a", "b", name = "a", [true] = 1 },
        }
        local some = kong.request.get_uri_captures()
        note(some.unnamed[0], some.unnamed[1], some.unnamed[2], some.named)
        note(kong.request.get_uri_captures({}))
      ]] }
      assert.same({
        { unnamed = {}, named = {} }, true, "/a/b", "a", "b", { name = "a" },
        { unnamed = {}, named = {} },
      }, r.seen.access)
      assert.matches("unknown capture key type: boolean", r.log, 1, true)
    end)
  end)


  describe("queries:", function()
    it("are unescaped, with true for a bare name and arrays for repeated ones", function()
      local r = server:run {
        path = "/?a=1&b&a=2&c=&%64+e=f%20+g&=x&a&&h=%zz",
        access = [[
          note(kong.request.get_query(), kong.request.get_query_arg("a"),
              kong.request.get_query_arg("b"), kong.request.get_query_arg("c"),
              kong.request.get_query_arg("none") == nil)
        ]],
      }
      assert.same({
        { a = { "1", "2", true }, b = true, c = "", ["d e"] = "f  g", h = "%zz" },
        "1", true, "", true,
      }, r.seen.access)
    end)

    it("have a limit, but a single argument is found behind it", function()
      local args = {}
      for i = 1, 150 do
        args[i] = "a" .. i .. "=" .. i
      end
      local r = server:run {
        path = "/?" .. table.concat(args, "&"),
        access = [[
          local function count(...)
            local args, err = kong.request.get_query(...)
            local n = 0
            for _ in pairs(args) do
              n = n + 1
            end
            return n, err or "all"
          end
          note(count())
          note(count(10))
          note(count(1000))
          note(count(1))
          note(kong.request.get_query_arg("a150"))
        ]],
      }
      assert.same({ 100, "truncated", 10, "truncated", 150, "all", 1, "truncated", "150" },
        r.seen.access)
    end)

    it("refuses other arguments", function()
      local r = server:run { access = [[
        local request = kong.request
        for _, value in ipairs { "1", true, {}, 0, -1, 0 / 0, 0.9, 1001 } do
          note(fails(request.get_query, value))
        end
        for _, value in ipairs { 1, true, {}, ngx.null } do
          note(fails(request.get_query_arg, value))
        end
        note(fails(request.get_query_arg))
      ]] }
      local expected = {}
      for _, rest in ipairs {
        "be a number", "be a number", "be a number", "be >= 1", "be >= 1", "be >= 1", "be >= 1",
        "be <= 1000",
      } do
        table.insert(expected, "max_args must " .. rest)
      end
      for _ = 1, 5 do
        table.insert(expected, "query argument name must be a string")
      end
      assert.same(expected, r.seen.access)
    end)

    it("show what a plugin has set, in a new table each time", function()
      local r = server:run {
        path = "/?a=b",
        access = [[
          local first = kong.request.get_query()
          kong.service.request.set_query { c = "d" }
          note(first, kong.request.get_query(), kong.request.get_raw_query())
        ]],
      }
      assert.same({ { a = "b" }, { c = "d" }, "c=d" }, r.seen.access)
    end)
  end)


  describe("headers:", function()
    it("are found in any spelling", function()
      local r = server:run {
        headers = { "X-Foo-Bar: one", "X_Under: two", "X-Empty:" },
        access = [[
          for _, name in ipairs {
            "X-Foo-Bar", "x-foo-bar", "x_foo_bar", "X-FOO_BAR", "x-under", "X_Under", "x-empty",
            "x-none", "", " ", "x-foo-bar\0", "x-foo-bar:", ("x"):rep(10000),
          } do
            note(kong.request.get_header(name) or false)
          end
        ]],
      }
      assert.same({
        "one", "one", "one", "one", "two", "two", "", false, false, false, false, false, false,
      }, r.seen.access)
    end)

    it("of several of one name the first is taken, and a list in one line is one value", function()
      local r = server:run {
        headers = {
          "X-Dup: one", "X-Dup: two, three", "X-List: p, q", "X_Both: r, s", "Cookie: a=b",
          "Cookie: c=d", "X-Commas: 1, 2", "X-Commas: 3",
        },
        access = [[
          for _, name in ipairs { "X-Dup", "X-List", "X-Both", "x_both", "Cookie", "X-Commas" } do
            note(kong.request.get_header(name))
          end
        ]],
      }
      local cookie = r.seen.access[5]
      assert.is_true(cookie == "a=b; c=d" or cookie == "a=b")
      r.seen.access[5] = "cookie"
      assert.same({ "one", "p, q", "r, s", "r, s", "cookie", "1, 2" }, r.seen.access)
    end)

    it("are found behind the first hundred", function()
      local lines = {}
      for i = 1, 150 do
        lines[i] = "X-H-" .. i .. ": " .. i .. ", x"
      end
      local r = server:run {
        headers = lines,
        access = [[
          local function count(...)
            local headers, err = kong.request.get_headers(...)
            local n = 0
            for _ in pairs(headers) do
              n = n + 1
            end
            return n, err or "all"
          end
          note(count())
          note(count(5))
          note((select(2, count(1000))))
          note(kong.request.get_header("X-H-1"), kong.request.get_header("x-h-150"))
        ]],
      }
      assert.same({ 100, "truncated", 5, "truncated", "all", "1, x", "150, x" }, r.seen.access)
    end)

    it("come as a table that finds them in any spelling", function()
      local r = server:run {
        headers = { "X-Foo-Bar: one", "X-Dup: 1", "X-Dup: 2" },
        access = [[
          local headers = kong.request.get_headers()
          note(headers["x-foo-bar"], headers["X-Foo-Bar"], headers.x_foo_bar, headers["x-dup"],
              headers["none"] == nil)
          headers["x-foo-bar"] = "changed"
          note(kong.request.get_headers()["x-foo-bar"])
          kong.service.request.set_header("X-Foo-Bar", "two")
          kong.service.request.clear_header("X-Dup")
          note(kong.request.get_headers()["x-foo-bar"], kong.request.get_header("X-Foo-Bar"),
              kong.request.get_header("X-Dup") == nil)
        ]],
      }
      assert.same({ "one", "one", "one", { "1", "2" }, true, "one", "two", "two", true },
        r.seen.access)
    end)

    it("refuses other arguments", function()
      local r = server:run { access = [[
        local request = kong.request
        for _, value in ipairs { "1", false, {}, 0, 0 / 0, 1001 } do
          note(fails(request.get_headers, value))
        end
        for _, value in ipairs { 1, true, {}, print } do
          note(fails(request.get_header, value))
        end
        note(fails(request.get_header))
      ]] }
      local expected = {}
      for _, rest in ipairs {
        "be a number", "be a number", "be a number", "be >= 1", "be >= 1", "be <= 1000",
      } do
        table.insert(expected, "max_headers must " .. rest)
      end
      for _ = 1, 5 do
        table.insert(expected, "header name must be a string")
      end
      assert.same(expected, r.seen.access)
    end)

    it("stay right in code that is compiled, with more names than are remembered", function()
      local r = server:run {
        headers = { "X-Foo: bar" },
        access = [[
          local wrong = 0
          for i = 1, 3000 do
            if kong.request.get_header("X-Foo") ~= "bar"
              or kong.request.get_header("X-None-" .. i) ~= nil
            then
              wrong = wrong + 1
            end
          end
          note(wrong)
        ]],
      }
      assert.same({ 0 }, r.seen.access)
    end)
  end)


  describe("forwarded values", function()
    it("of a client that is not trusted are ignored", function()
      local r = server:run {
        path = "/x",
        headers = {
          "Host: host", "X-Forwarded-Proto: https", "X-Forwarded-Host: other:1234",
          "X-Forwarded-Port: 99", "X-Forwarded-Path: /p", "X-Forwarded-Prefix: /q",
        },
        access = [[
          local request = kong.request
          note(request.get_forwarded_scheme(), request.get_forwarded_host(),
              request.get_forwarded_port() == request.get_port(), request.get_forwarded_path(),
              request.get_forwarded_prefix() == nil)
          ngx.ctx.host_port = 443
          note(request.get_forwarded_port())
        ]],
      }
      assert.same({ "http", "host", true, "/x", true, 443 }, r.seen.access)
    end)
  end)
end)


pdk.each("kong.request behind a trusted proxy", {
  description = [[ configuration = { trusted_ips = { "127.0.0.0/8" } }, ]],
}, function(server)
  local CODE = [[
    local request = kong.request
    local port = request.get_forwarded_port()
    note(request.get_forwarded_scheme(), request.get_forwarded_host(),
        port == request.get_port() and "own" or port,
        request.get_forwarded_path(), request.get_forwarded_prefix() or "none")
  ]]

  local function seen(...)
    return server:run { path = "/x?y", access = CODE, headers = { "Host: host", ... } }.seen.access
  end

  it("forwarded values count", function()
    assert.same({ "https,http", "other.example", 99, "/P?q", "/Q" }, seen(
      "X-Forwarded-Proto: HTTPS,http", "X-Forwarded-Host: Other.Example:1234",
      "X-Forwarded-Port: 99", "X-Forwarded-Path: /P?q", "X-Forwarded-Prefix: /Q"))
    assert.same({ "http", "host", "own", "/x", "none" }, seen())
  end)

  it("the port may stand in X-Forwarded-Host", function()
    assert.same({ "http", "a", 81, "/x", "none" }, seen "X-Forwarded-Host: a:81")
    assert.same({ "http", "a", 81, "/x", "none" }, seen "X-Forwarded-Host: me@a:81")
    assert.same({ "http", "[::1]", 81, "/x", "none" }, seen "X-Forwarded-Host: [::1]:81")
    assert.same({ "http", "[::1]", "own", "/x", "none" }, seen "X-Forwarded-Host: [::1]")
    assert.same({ "http", "a", 81, "/x", "none" },
      seen("X-Forwarded-Host: a:81", "X-Forwarded-Port: none"))
  end)

  it("ports that are none are ignored", function()
    for _, port in ipairs { "0", "65536", "-1", "1.5", "0x50", "" } do
      assert.equal("own", seen("X-Forwarded-Port: " .. port)[3])
      assert.equal("own", seen("X-Forwarded-Host: a:" .. port)[3])
    end
    assert.equal(65535, seen("X-Forwarded-Port: 65535")[3])
  end)
end)
