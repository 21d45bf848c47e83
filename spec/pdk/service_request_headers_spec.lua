local pdk = require "spec.support.pdk"


pdk.each("kong.service.request", { both_bindings = true }, function(server)
  describe("for headers:", function()
    it("set_header() replaces a header", function()
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

    it("set_header() and set_headers() change the Host for the upstream", function()
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

    it("set_header() sets the Host of gRPC with :authority", function()
      local r = server:run { access = [[
        local set_header = kong.service.request.set_header
        ngx.var.upstream_scheme = "grpc"
        note(fails(set_header, ":authority", { "a", "b" }), ngx.var.upstream_host)
        note(fails(set_header, ":authority", {}), ngx.var.upstream_host)
        ngx.var.upstream_scheme = "http"
      ]] }
      assert.same({ false, "b", false, "" }, r.seen.access)
    end)

    it("add_header() keeps existing values", function()
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

    it("add_header() keeps existing values after the first hundred headers", function()
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

    it("clear_header() removes all headers of a name", function()
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

    it("set_header() and add_header() raise an error for invalid arguments", function()
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

    it("an array ends at its first hole", function()
      local r = server:run { access = [[
        local function holed() local list = { "a", "b", "c", "d" } list[2] = nil return list end
        kong.service.request.set_header("X-Set", holed())
        kong.service.request.add_header("X-Add", holed())
        kong.service.request.set_headers { ["X-All"] = holed() }
      ]] }
      for _, name in ipairs { "x-set", "x-add", "x-all" } do
        assert.same({ "a" }, r.upstream.headers[name])
      end
    end)

    it("values cannot add a second header", function()
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

    it("a Host cannot add a second header", function()
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

    it("set_header() works in compiled code", function()
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

end)
