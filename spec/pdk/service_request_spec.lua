local pdk = require "spec.support.pdk"


local REWRITE_ACCESS = "rewrite, access"


local PATHS = {
  { "/", "/" },
  { "/new", "/new" },
  { "/a b", "/a%20b" },
  { "/\228\"<>\\^`{|}\127\1", "/%E4%22%3C%3E%5C%5E%60%7B%7C%7D%7F%01" },
  { "/a;b=c,d:e@f&g=h+i*j'k(l)m!n$o[p]q~r", "/a;b=c,d:e@f&g=h+i*j'k(l)m!n$o[p]q~r" },
  { "//a//../b", "//a//../b" },
}


pdk.each("kong.service.request", { both_bindings = true }, function(server)
  describe("phases:", function()
    it("every function refuses what comes too late", function()
      local r = server:run { log = [[
        local names = {}
        for name in pairs(kong.service.request) do
          names[#names + 1] = name
        end
        table.sort(names)
        for _, name in ipairs(names) do
          note(name .. ": " .. tostring(fails(kong.service.request[name])))
        end
      ]] }
      local expected = {}
      for _, entry in ipairs {
        { "add_header", REWRITE_ACCESS }, { "clear_header", REWRITE_ACCESS },
        { "clear_query_arg", REWRITE_ACCESS }, { "disable_tls", "balancer, preread" },
        { "enable_buffering", REWRITE_ACCESS .. ", balancer" },
        { "enable_tls", "balancer, preread" }, { "set_body", REWRITE_ACCESS },
        { "set_header", REWRITE_ACCESS .. ", balancer" }, { "set_headers", REWRITE_ACCESS },
        { "set_method", REWRITE_ACCESS }, { "set_path", REWRITE_ACCESS .. ", balancer" },
        { "set_query", REWRITE_ACCESS }, { "set_raw_body", REWRITE_ACCESS .. ", balancer" },
        { "set_raw_query", REWRITE_ACCESS }, { "set_scheme", REWRITE_ACCESS .. ", balancer" },
      } do
        table.insert(expected, ("%s: function cannot be called in log phase (only in: %s)")
          :format(entry[1], entry[2]))
      end
      assert.same(expected, r.seen.log)
    end)
  end)


  describe("without any call", function()
    it("the upstream gets what the client has sent", function()
      local r = server:run {
        method = "POST", path = "/a%2Fb/../c?x=%20&y", headers = { "Host: H.example", "X-Foo: 1" },
        body = "text",
      }
      assert.equal("POST", r.upstream.method)
      assert.equal("/a%2Fb/../c?x=%20&y", r.upstream.target)
      assert.same({ "1" }, r.upstream.headers["x-foo"])
      assert.equal("text", r.upstream.body)
      assert.equal("upstream", r.body)
    end)
  end)


  describe("set_method()", function()
    it("changes the method", function()
      for _, method in ipairs {
        "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "MKCOL", "COPY", "MOVE", "PROPFIND",
        "PROPPATCH", "LOCK", "UNLOCK", "PATCH",
      } do
        local r = server:run {
          method = "LOCK",
          access = ("kong.service.request.set_method(%q)"):format(method),
        }
        assert.equal(method, r.upstream.method)
      end
      -- nginx sends no upstream a TRACE.
      local r = server:run {
        access = "kong.service.request.set_method('TRACE') note(kong.request.get_method())",
      }
      assert.same({ "TRACE" }, r.seen.access)
    end)

    it("refuses others", function()
      local r = server:run { access = [[
        local set_method = kong.service.request.set_method
        note(fails(set_method), fails(set_method, 1), fails(set_method, "get"),
            fails(set_method, "FOO"), fails(set_method, ""))
      ]] }
      assert.same({
        "method must be a string", "method must be a string", "invalid method: get",
        "invalid method: FOO", "invalid method: ",
      }, r.seen.access)
      assert.equal("GET", r.upstream.method)
    end)
  end)


  describe("set_path()", function()
    it("changes the path, and keeps the query", function()
      for _, case in ipairs(PATHS) do
        local r = server:run {
          path = "/old?q=1",
          access = ("kong.service.request.set_path(%q)"):format(case[1]),
        }
        assert.equal(case[2] .. "?q=1", r.upstream.target)
      end
      assert.equal("/%2f%25", server:run {
        access = "kong.service.request.set_path('/%2f%25')",
      }.upstream.target)
    end)

    it("a question mark starts a query", function()
      local r = server:run {
        path = "/old",
        access = "kong.service.request.set_path('/a?b=c')",
      }
      assert.equal("/a?b=c", r.upstream.target)
    end)

    it("refuses others", function()
      local r = server:run { access = [[
        local set_path = kong.service.request.set_path
        note(fails(set_path), fails(set_path, 1), fails(set_path, ""), fails(set_path, "a/b"))
      ]] }
      assert.same({
        "path must be a string", "path must be a string", "path must start with /",
        "path must start with /",
      }, r.seen.access)
    end)
  end)


  describe("set_scheme()", function()
    it("checks and sets the scheme", function()
      local r = server:run { access = [[
        local set_scheme = kong.service.request.set_scheme
        note(fails(set_scheme), fails(set_scheme, 1), fails(set_scheme, "HTTP"),
            fails(set_scheme, "ftp"), fails(set_scheme, "https"))
        note(ngx.var.upstream_scheme)
        set_scheme("http")
        note(ngx.var.upstream_scheme)
      ]] }
      assert.same({
        "scheme must be a string", "scheme must be a string", "invalid scheme: HTTP",
        "invalid scheme: ftp", false, "https", "http",
      }, r.seen.access)
    end)
  end)


  describe("queries:", function()
    it("set_raw_query()", function()
      for given, sent in pairs {
        ["a=b&c"] = "/p?a=b&c", [""] = "/p", ["x=%20&y=z"] = "/p?x=%20&y=z",
      } do
        local r = server:run {
          path = "/p?old=1",
          access = ("kong.service.request.set_raw_query(%q)"):format(given),
        }
        assert.equal(sent, r.upstream.target)
      end
      local r = server:run { access = [[
        note(fails(kong.service.request.set_raw_query))
        note(fails(kong.service.request.set_raw_query, 1))
      ]] }
      assert.same({ "query must be a string", "query must be a string" }, r.seen.access)
    end)

    it("set_query() sorts, escapes, and leaves out what is nothing", function()
      local r = server:run {
        path = "/p?old=1",
        access = [[
          kong.service.request.set_query {
            b = "x y", a = { "2", "1", 3 }, ["c&"] = "=", bare = true, empty = "", n = 1.5,
            no = false, none = {}, ["d e"] = false, ["e f"] = { "1", false }, ["g h"] = { false },
          }
        ]],
      }
      assert.equal("/p?a=2&a=1&a=3&b=x%20y&bare&c%26=%3D&e%20f=1&empty=&n=1.5", r.upstream.target)
      r = server:run { path = "/p?old=1", access = "kong.service.request.set_query {}" }
      assert.equal("/p", r.upstream.target)
    end)

    it("set_query() refuses others", function()
      local r = server:run { path = "/p?old=1", access = [[
        local set_query = kong.service.request.set_query
        note(fails(set_query), fails(set_query, "a"), fails(set_query, { "a" }),
            fails(set_query, { a = { {} } }),
            fails(set_query, { a = print }))
      ]] }
      assert.same({
        "args must be a table", "args must be a table", "arg keys must be strings",
        "attempt to use table as query arg value",
        "attempt to use function as query arg value",
      }, r.seen.access)
      assert.equal("/p?old=1", r.upstream.target)
    end)

    it("clear_query_arg() writes the rest anew, in its order", function()
      for given, sent in pairs {
        ["a=1&b=2&a=3"] = "/p?b=2",
        ["z&a&b=x+y%2f"] = "/p?z=&b=x%20y%2F",
        ["%61=1&&b=*-._~!"] = "/p?b=*-._%7E%21",
        ["a"] = "/p",
        ["b=1=2"] = "/p?b=1%3D2",
      } do
        local r = server:run {
          path = "/p?" .. given,
          access = "kong.service.request.clear_query_arg('a')",
        }
        assert.equal(sent, r.upstream.target)
      end
      local r = server:run { access = [[
        note(fails(kong.service.request.clear_query_arg, 1))
      ]] }
      assert.same({ "query argument name must be a string" }, r.seen.access)
    end)
  end)


  describe("headers:", function()
    it("set_header() replaces", function()
      local r = server:run {
        headers = { "X-Foo: old", "X-Foo: older", "X-Gone: 1" },
        access = [[
          local set_header = kong.service.request.set_header
          set_header("X-Foo", "new")
          set_header("X-Number", 1.5)
          set_header("X-True", true)
          set_header("X-False", false)
          set_header("X-Empty", "")
          set_header("X-List", { "a", "", "b" })
          set_header("X-Gone", {})
          set_header("X_Under", "u")
          set_header("User-Agent", "me")
        ]],
      }
      local headers = r.upstream.headers
      assert.same({ "new" }, headers["x-foo"])
      assert.same({ "1.5" }, headers["x-number"])
      assert.same({ "true" }, headers["x-true"])
      assert.same({ "false" }, headers["x-false"])
      assert.same({ "" }, { (headers["x-empty"][1]:gsub(" ", "")) })
      assert.equal(3, #headers["x-list"])
      assert.same({ "a", "b" }, { headers["x-list"][1], headers["x-list"][3] })
      assert.is_nil(headers["x-gone"])
      assert.same({ "u" }, headers["x_under"])
      assert.same({ "me" }, headers["user-agent"])
    end)

    it("Host goes to the upstream, too", function()
      for name, call in pairs {
        ["one.example"] = "set_header('Host', 'one.example')",
        ["two.example"] = "set_header('hOST', 'two.example')",
        ["three.example"] = "set_headers { host = 'three.example' }",
      } do
        local r = server:run { access = "kong.service.request." .. call }
        assert.same({ name }, r.upstream.headers.host)
      end
      local r = server:run { access = [[
        note(kong.service.request.set_header(":authority", "x"))
        note(ngx.var.upstream_host)
      ]] }
      assert.same({ nil, "cannot set :authority pseudo-header on non-grpc requests", "" },
        r.seen.access)
    end)

    it("add_header() keeps what is there", function()
      local r = server:run {
        headers = { "X-Foo: a", "X-Foo: b", "X-Bar: 1", "X-Dash: d" },
        access = [[
          local add_header = kong.service.request.add_header
          add_header("X-Foo", "c")
          add_header("x-bar", 2)
          add_header("X-New", { "x", "y" })
          add_header("X-None", {})
          add_header("X_Dash", "u")
        ]],
      }
      local headers = r.upstream.headers
      assert.same({ "a", "b", "c" }, headers["x-foo"])
      assert.same({ "1", "2" }, headers["x-bar"])
      assert.same({ "x", "y" }, headers["x-new"])
      assert.is_nil(headers["x-none"])
      assert.same({ "d" }, headers["x-dash"])
      assert.same({ "u" }, headers["x_dash"])
    end)

    it("add_header() keeps the values of a header behind the first hundred", function()
      local lines = {}
      for i = 1, 120 do
        lines[i] = "X-H-" .. i .. ": " .. i
      end
      local r = server:run {
        headers = lines,
        access = "kong.service.request.add_header('X-H-120', 'more')",
      }
      assert.same({ "120", "more" }, r.upstream.headers["x-h-120"])
    end)

    it("clear_header() removes all of a name, spelt like this", function()
      local r = server:run {
        headers = { "X-Foo: a", "X-Foo: b", "X-A: 1", "X-Bar: 1" },
        access = [[
          local clear_header = kong.service.request.clear_header
          clear_header("x-foo")
          clear_header("X_A")
          clear_header("X-None")
          note(fails(clear_header), fails(clear_header, 1))
        ]],
      }
      assert.is_nil(r.upstream.headers["x-foo"])
      assert.same({ "1" }, r.upstream.headers["x-a"])
      assert.same({ "header must be a string", "header must be a string" }, r.seen.access)
    end)

    it("set_headers() checks everything before it sets anything", function()
      local r = server:run {
        headers = { "X-Foo: old" },
        access = [[
          local set_headers = kong.service.request.set_headers
          note(fails(set_headers), fails(set_headers, "x"),
              fails(set_headers, { ["X-Foo"] = "new", "x" }),
              fails(set_headers, { ["X-Foo"] = "new", ["X-Bad"] = print }),
              fails(set_headers, { ["X-Foo"] = "new", ["X-Bad"] = { 1 } }))
          note(kong.request.get_header("X-Foo"))
          set_headers { ["X-Foo"] = "new", ["X-List"] = { "a", "b" }, ["X-N"] = 1, ["X-Z"] = "z" }
        ]],
      }
      assert.same({
        "headers must be a table", "headers must be a table",
        'invalid header name "1": got number, expected string',
        'invalid header value for "X-Bad": got function, expected string, number, boolean or '
          .. 'array of strings',
        'invalid header value in array "X-Bad": got number, expected string',
        "old",
      }, r.seen.access)
      assert.same({ "new" }, r.upstream.headers["x-foo"])
      assert.same({ "a", "b" }, r.upstream.headers["x-list"])
      assert.same({ "1" }, r.upstream.headers["x-n"])
    end)

    it("set_header() and add_header() refuse others, at the plugin's line", function()
      for _, name in ipairs { "set_header", "add_header" } do
        local r = server:run {
          raises = true,
          access = ([[
            local call = kong.service.request.%s
            note(fails(call), fails(call, 1, "x"), fails(call, "X", nil), fails(call, "X", print),
                fails(call, "X", { "a", 1 }), fails(call, true, {}))
            call("X", print)
          ]]):format(name),
        }
        local value = "expected array of string, string, number or boolean"
        assert.same({
          'invalid header name "nil": got nil, expected string',
          'invalid header name "1": got number, expected string',
          'invalid header value for "X": got nil, ' .. value,
          'invalid header value for "X": got function, ' .. value,
          'invalid header value in array "X": got number, expected string',
          'invalid header name "true": got boolean, expected string',
        }, r.seen.access)
        assert.equal('plugin.lua:4: invalid header value for "X": got function, ' .. value,
          r.errors.access)
      end
    end)

    it("cannot smuggle a second header", function()
      local r = server:run {
        access = [[
          kong.service.request.set_header("X-Foo", "a\r\nX-Bar: b")
          kong.service.request.set_header("X-Foo: a\r\nX-Bar", "b")
          kong.service.request.set_header("X-List", { "a", "b\r\nX-Bar: b" })
          kong.service.request.add_header("X-Foo", "a\r\nX-Bar: b")
          kong.service.request.set_raw_query("a=b HTTP/1.1\r\nX-Bar: b")
          kong.service.request.set_path("/ HTTP/1.1\r\nX-Bar: b")
        ]],
      }
      assert.is_nil(r.upstream.headers["x-bar"])
    end)

    it("cannot smuggle a second header behind Host", function()
      for _, call in ipairs { "set_header('Host', ...)", "set_headers { host = ... }" } do
        local r = server:run {
          access = ("local function call(...) kong.service.request.%s end call('h\\r\\nX-Bar: b')"
            .. " note(ngx.var.upstream_host)"):format(call),
        }
        assert.same({ "h%0D%0AX-Bar: b" }, r.seen.access)
        -- An upstream may refuse such a host.
        assert.is_nil(r.upstream and r.upstream.headers["x-bar"])
      end
    end)

    it("are set right in code that is compiled", function()
      local r = server:run {
        access = [[
          for i = 1, 500 do
            kong.service.request.set_header("X-Foo", "v" .. i)
            kong.service.request.set_header("X-Bar", i)
          end
        ]],
      }
      assert.same({ "v500" }, r.upstream.headers["x-foo"])
      assert.same({ "500" }, r.upstream.headers["x-bar"])
    end)
  end)


  describe("bodies:", function()
    it("set_raw_body() replaces, with its length", function()
      for _, options in ipairs {
        { body = "old", headers = {} },
        { body = "old", headers = { "Transfer-Encoding: chunked" } },
        { headers = {}, method = "GET" },
        { body = ("x"):rep(20000), headers = {} },
        { body = "old", headers = {}, http_version = "1.0" },
        { body = "old", headers = {}, http2 = true },
      } do
        for _, body in ipairs { "new", "", ("y"):rep(50000), "\0\255" } do
          local r = server:run {
            method = options.method or "POST",
            body = options.body, headers = options.headers, http2 = options.http2,
            http_version = options.http_version,
            access = ([[
              kong.service.request.set_raw_body(("%s"):gsub("%%%%", "\0"):rep(%d))
              note(#kong.request.get_raw_body())
            ]]):format(body:sub(1, 1) == "y" and "y" or body == "\0\255" and "%\255" or body,
                       #body == 50000 and 50000 or 1),
          }
          assert.equal(body, r.upstream.body)
          assert.same({ #body }, r.seen.access)
          assert.is_nil(r.upstream.headers["transfer-encoding"])
          if body ~= "" then
            assert.same({ tostring(#body) }, r.upstream.headers["content-length"])
          end
        end
      end
    end)

    it("set_raw_body() refuses others", function()
      local r = server:run { access = [[
        local set_raw_body = kong.service.request.set_raw_body
        note(fails(set_raw_body), fails(set_raw_body, 1), fails(set_raw_body, {}))
      ]] }
      local text = "body must be a string"
      assert.same({ text, text, text }, r.seen.access)
    end)

    it("set_body() writes forms", function()
      local r = server:run {
        method = "POST",
        access = [[
          note(kong.service.request.set_body({ b = "x y", a = { 1, true } },
              "application/x-www-form-urlencoded; charset=x"))
        ]],
      }
      assert.same({ true }, r.seen.access)
      assert.equal("a=1&a&b=x%20y", r.upstream.body)
      assert.same({ "application/x-www-form-urlencoded; charset=x" },
        r.upstream.headers["content-type"])
    end)

    it("set_body() writes JSON, by the type of the client", function()
      local r = server:run {
        method = "POST", body = "old", headers = { "Content-Type: application/json" },
        access = [[ kong.service.request.set_body { a = { 1, "x", true } } ]],
      }
      assert.equal('{"a":[1,"x",true]}', r.upstream.body)
      assert.same({ "application/json" }, r.upstream.headers["content-type"])
      assert.same({ "18" }, r.upstream.headers["content-length"])
    end)

    it("set_body() writes multipart", function()
      local r = server:run {
        method = "POST",
        access = [[
          kong.service.request.set_body({ b = "x\r\ny", a = 1, c = true },
            'multipart/form-data; boundary="b d"')
          note(kong.request.get_body())
        ]],
      }
      assert.equal("--b d\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
        .. "--b d\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx\r\ny\r\n"
        .. "--b d\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\ntrue\r\n--b d--\r\n",
        r.upstream.body)
      assert.same({ "multipart/form-data; boundary=b d" }, r.upstream.headers["content-type"])
      assert.same({ a = "1", b = "x\r\ny", c = "true" }, r.seen.access[1])

      r = server:run {
        method = "POST",
        access = [[ kong.service.request.set_body({ a = "1" }, "multipart/form-data") ]],
      }
      local boundary = r.upstream.headers["content-type"][1]:match("; boundary=(%w+)$")
      assert.equal("--" .. boundary, r.upstream.body:sub(1, #boundary + 2))
    end)

    it("set_body() refuses others", function()
      local r = server:run {
        raises = true,
        access = [[
          local set_body = kong.service.request.set_body
          note(fails(set_body), fails(set_body, "x"), fails(set_body, {}, 1),
              fails(set_body, {}, "text/plain"), fails(set_body, {}, "APPLICATION/JSON"),
              fails(set_body, { a = print }, "application/json"),
              fails(set_body, { "x" }, "application/x-www-form-urlencoded"),
              fails(set_body, { "x" }, "multipart/form-data"),
              fails(set_body, { a = {} }, "multipart/form-data"))
          note(set_body({}))
          set_body({ a = print }, "application/json; x")
        ]],
      }
      assert.same({
        "args must be a table", "args must be a table", "mime must be a string",
        "unsupported content type text/plain", "unsupported content type APPLICATION/JSON",
        "Cannot serialise function: type not supported", "arg keys must be strings",
        'invalid key "1": got number, expected string',
        'invalid value "a": got table, expected string, number or boolean',
        nil, "content type was neither explicitly given as an argument or received as a header",
      }, r.seen.access)
      assert.equal("plugin.lua:9: Cannot serialise function: type not supported",
        r.errors.access)
    end)
  end)


  it("enable_buffering() says that nothing is buffered here", function()
    local r = server:run { access = "note(fails(kong.service.request.enable_buffering))" }
    assert.same({ "kong.service.request.enable_buffering needs a server that buffers answers" },
      r.seen.access)
  end)
end)


pdk.each("kong.service.request without variables", { plain = true }, function(server)
  it("set_path() works as far as nginx can tell the path from $uri", function()
    for _, case in ipairs(PATHS) do
      local r = server:run {
        path = "/old?q=1",
        access = ("kong.service.request.set_path(%q)"):format(case[1]),
      }
      assert.equal(case[2] .. "?q=1", r.upstream.target)
    end
    local r = server:run {
      raises = true,
      access = "\nkong.service.request.set_path('/a%2Fb')",
    }
    assert.equal("plugin.lua:2: kong.service.request.set_path needs the variable $upstream_uri: "
      .. "add `set $upstream_uri \"\";` to nginx's location and use it in proxy_pass",
      r.errors.access)
  end)

  it("set_scheme() needs one", function()
    local r = server:run {
      access = "note(fails(kong.service.request.set_scheme, 'https'))",
    }
    assert.same({
      "kong.service.request.set_scheme needs the variable $upstream_scheme: add "
        .. "`set $upstream_scheme \"\";` to nginx's location and use it in proxy_pass",
    }, r.seen.access)
  end)

  it("everything else works", function()
    local r = server:run {
      method = "POST", path = "/p?a=1", body = "old",
      access = [[
        kong.service.request.set_method("PUT")
        kong.service.request.set_query { b = "2" }
        kong.service.request.set_header("X-Foo", "bar")
        kong.service.request.set_raw_body("new")
      ]],
    }
    assert.equal("PUT /p?b=2", r.upstream.method .. " " .. r.upstream.target)
    assert.same({ "bar" }, r.upstream.headers["x-foo"])
    assert.equal("new", r.upstream.body)
  end)
end)
