local pdk = require "spec.support.pdk"


pdk.each("kong.request", { both_bindings = true }, function(server)
  describe("the query", function()
    it("is unescaped, with true for a bare name and arrays for repeated names", function()
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

    it("is returned up to a limit, but get_query_arg finds arguments after it", function()
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

    it("raises an error for invalid arguments", function()
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

    it("has the changes of plugins, in a new table for each call", function()
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


  describe("headers", function()
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

    it("are the first of their name in get_header, and a list is one value", function()
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

    it("are found after the first hundred", function()
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

    it("are returned as a table that finds them in any spelling", function()
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

    it("raise an error for invalid arguments", function()
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

    it("are correct in compiled code, with more names than the cache has", function()
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

end)
