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
  describe("in the wrong phase,", function()
    it("every function raises an error in the log phase", function()
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


  describe("without a call,", function()
    it("the upstream gets the client's request", function()
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
          -- The client waits for the body that the answer to a HEAD does not have.
          max_time = method == "HEAD" and 1 or nil,
        }
        assert.equal(method, r.upstream.method)
      end
      -- nginx sends no upstream a TRACE.
      local r = server:run {
        access = "kong.service.request.set_method('TRACE') note(kong.request.get_method())",
      }
      assert.same({ "TRACE" }, r.seen.access)
    end)

    it("raises an error for invalid methods", function()
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

    it("starts a query at a question mark", function()
      local r = server:run {
        path = "/old",
        access = "kong.service.request.set_path('/a?b=c')",
      }
      assert.equal("/a?b=c", r.upstream.target)
    end)

    it("raises an error for invalid paths", function()
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


  describe("for queries:", function()
    it("set_raw_query() replaces the query", function()
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

    it("set_query() sorts and escapes arguments, and omits empty tables and false", function()
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

    it("set_query() raises an error for invalid arguments", function()
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

    it("clear_query_arg() removes an argument and keeps the order of the others", function()
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


  it("enable_buffering() raises an error, because this server does not buffer", function()
    local r = server:run { access = "note(fails(kong.service.request.enable_buffering))" }
    assert.same({ "kong.service.request.enable_buffering needs a server that buffers answers" },
      r.seen.access)
  end)
end)


pdk.each("without nginx's variables, kong.service.request", { plain = true }, function(server)
  it("sets a path that nginx can take from $uri", function()
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

  it("raises an error in set_scheme()", function()
    local r = server:run {
      access = "note(fails(kong.service.request.set_scheme, 'https'))",
    }
    assert.same({
      "kong.service.request.set_scheme needs the variable $upstream_scheme: add "
        .. "`set $upstream_scheme \"\";` to nginx's location and use it in proxy_pass",
    }, r.seen.access)
  end)

  it("works in all other functions", function()
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
