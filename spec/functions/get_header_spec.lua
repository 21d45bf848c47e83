local hosts = require "spec.support.hosts"


local OPTIONS = { gateway = true, both_bindings = true, upstream_underscores = true }


hosts.each("reading a header", OPTIONS, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("get_header()", function()
    it("raises an error if the name is not a string", function()
      local r = run { raises = true, header_filter = [[
        for _, name in ipairs { 1, 1.5, true, {}, print, ngx.null, 1LL } do
          note(fails(response.get_header, name))
        end
        note(fails(response.get_header), fails(response.get_header, nil))
        local value = response.get_header(1)
        return value
      ]] }
      assert.equal(9, #r.seen.header_filter)
      for _, message in ipairs(r.seen.header_filter) do
        assert.equal("header name must be a string", message)
      end
      assert.equal("plugin.lua:5: header name must be a string", r.errors.header_filter)
    end)

    it("finds a header in any spelling", function()
      local r = run {
        upstream = [[
          ngx.header["X-Custom-Header"] = "bla"
          ngx.header["X-Another"] = { "foo bar", "baz" }
          ngx.print("body")
        ]],
        header_filter = [[
          for _, name in ipairs {
            "X-Custom-Header", "x-custom-header", "x_custom_header", "X_CUSTOM-HEADER",
            "X-Another", "x_another",
          } do
            note(response.get_header(name))
          end
        ]],
      }
      assert.same({ "bla", "bla", "bla", "bla", "foo bar", "foo bar" }, r.seen.header_filter)
    end)

    it("returns one nil for a missing header", function()
      local r = run { header_filter = [[
        for _, name in ipairs {
          "X-None", "", " ", "-", "_", "\0", "X-None\0", "a b", "X-None: y", ("x"):rep(100000),
        } do
          note(select("#", response.get_header(name)), response.get_header(name) == nil)
        end
      ]] }
      for i = 1, 20, 2 do
        assert.equal(1, r.seen.header_filter[i])
        assert.is_true(r.seen.header_filter[i + 1])
      end
    end)

    it("does not match the beginning of a longer name", function()
      local r = run {
        upstream = "ngx.header['X-Foo-Bar'] = '1' ngx.print('body')",
        header_filter = [[
          return response.get_header("X-Foo"), response.get_header("X-Foo-"),
            response.get_header("X-Foo-Bar-"), response.get_header("X-Foo-Bar\0")
        ]],
      }
      assert.same({}, r.seen.header_filter)
    end)

    it("prefers a name with an underscore to one with a dash", function()
      local r = run {
        upstream = [[
          ngx.header["X_Both"] = "underscore"
          ngx.header["X-Both"] = "dash"
          ngx.header["X_Only"] = "underscore"
          ngx.header["X-Dash-Only"] = "dash"
          ngx.header["X_A-B"] = "mixed"
          ngx.print("body")
        ]],
        header_filter = [[
          return response.get_header("X_Both"), response.get_header("x_both"),
            response.get_header("X-Both"), response.get_header("X_Only"),
            response.get_header("x-only") == nil, response.get_header("X_Dash_Only"),
            response.get_header("x_dash-only"), response.get_header("x_a-b"),
            response.get_header("x_a_b") == nil
        ]],
      }
      assert.same({
        "underscore", "underscore", "dash", "underscore", true, "dash", "dash", "mixed", true,
      }, r.seen.header_filter)
    end)

    it("reads values as bytes", function()
      local r = run {
        upstream = "ngx.header['X-Bytes'] = '\\200a\\255\\t,;=\"' ngx.print('body')",
        header_filter = [[
          response.set_header("X-Empty", "")
          response.set_header("X-Percent", "a\r\nb%")
          return response.get_header("X-Bytes"), response.get_header("X-Empty"),
            response.get_header("X-Percent")
        ]],
      }
      assert.same({ "\200a\255\t,;=\"", " ", "a%0D%0Ab%" }, r.seen.header_filter)
    end)

    it("sees changes by the setters and by ngx.header", function()
      local r = run {
        access = [[
          ngx.ctx.KONG_PHASE = 0x80
          note(response.get_header("X-One") == nil)
          response.set_header("X-One", "1")
          note(response.get_header("X-One"))
          response.add_header("X-One", "2")
          note(response.get_header("X-One"))
          ngx.header["X-One"] = "3"
          note(response.get_header("X-One"))
          response.clear_header("X-One")
          note(response.get_header("X-One") == nil)
          response.add_header("X-One", "4")
          note(response.get_header("X-One"))
        ]],
        log = "return response.get_header('x-one')",
      }
      assert.same({ true, "1", "1", "3", true, "4" }, r.seen.access)
      assert.same({ "4" }, r.seen.log)
    end)

    it("finds a header past the first hundred", function()
      local r = run {
        upstream = [[
          for i = 1, 250 do
            ngx.header["X-H-" .. i] = tostring(i)
          end
          ngx.print("body")
        ]],
        header_filter = [[
          return response.get_header("X-H-1"), response.get_header("X-H-100"),
            response.get_header("X-H-101"), response.get_header("X-H-250"),
            response.get_header("x_h_250")
        ]],
      }
      assert.same({ "1", "100", "101", "250", "250" }, r.seen.header_filter)
    end)

    it("reads Last-Modified as it was set", function()
      for _, value in ipairs {
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06",
        "yesterday",
      } do
        local r = run {
          upstream = ("ngx.header['Last-Modified'] = %q ngx.print('body')"):format(value),
          header_filter = [[
            return response.get_header("Last-Modified"), response.get_header("last_modified")
          ]],
        }
        assert.same({ value, value }, r.seen.header_filter)

        r = run { header_filter = ([[
          response.set_header("Last-Modified", %q)
          return response.get_header("last-modified")
        ]]):format(value) }
        assert.same({ value }, r.seen.header_filter)
        assert.same({ value }, r:values("Last-Modified"))
      end
      assert.same({}, run({ header_filter = "return response.get_header('last-modified')" })
        .seen.header_filter)
    end)

    it("reads Content-Type and Content-Length", function()
      local r = run {
        upstream = [[
          ngx.header["Content-Type"] = "text/html; charset=utf-8"
          ngx.header["Content-Length"] = 5
          ngx.print("12345")
        ]],
        header_filter = [[
          note(response.get_header("Content-Type"), response.get_header("content_length"))
          response.clear_header("Content-Length")
          note(response.get_header("Content-Length") == nil)
          response.set_header("Content-Length", 5)
          note(response.get_header("Content-Length"))
        ]],
        log = "return response.get_header('content-type'), response.get_header('content-length')",
      }
      assert.same({ "text/html; charset=utf-8", "5", true, "5" }, r.seen.header_filter)
      assert.same({ "text/html; charset=utf-8", "5" }, r.seen.log)

      r = run {
        upstream = "ngx.print('of unknown length')",
        header_filter = "return response.get_header('Content-Length') == nil",
      }
      assert.same({ true }, r.seen.header_filter)
    end)

    it("always finds Connection", function()
      local code = {
        header_filter = "return response.get_header('Connection')",
        body_filter = "return response.get_header('connection')",
        log = "return response.get_header('connection')",
      }
      local r = run(code)
      assert.same({ "keep-alive" }, r.seen.header_filter)
      assert.equal("keep-alive", r.seen.body_filter[1])
      assert.same({ "close" }, r.seen.log)
      assert.equal("keep-alive", r:header("Connection"))

      code.headers = { "Connection: close" }
      r = run(code)
      assert.same({ "close" }, r.seen.header_filter)
      assert.equal("close", r.seen.body_filter[1])
      assert.equal("close", r:header("Connection"))

      r = run { header_filter = [[
        local status = response.get_status()
        response.set_status(101)
        note(response.get_header("Connection"))
        response.set_status(status)
        note(response.get_header("CONNECTION"))
      ]] }
      assert.same({ "upgrade", "keep-alive" }, r.seen.header_filter)
    end)

    it("finds Transfer-Encoding if the response is chunked", function()
      local code = {
        upstream = "ngx.print('of unknown length')",
        body_filter = "return response.get_header('Transfer-Encoding')",
        log = "return response.get_header('transfer_encoding')",
      }
      local r = run(code)
      assert.equal("chunked", r.seen.body_filter[1])
      assert.same({ "chunked" }, r.seen.log)
      assert.equal("chunked", r:header("Transfer-Encoding"))

      code.upstream = "ngx.header['Content-Length'] = 4 ngx.print('body')"
      r = run(code)
      assert.same({}, r.seen.body_filter)
      assert.same({}, r.seen.log)
      assert.is_nil(r:header("Transfer-Encoding"))
    end)

    it("finds Server and Date only if code has set them", function()
      local r = run {
        header_filter = [[
          note(response.get_header("Server") == nil, response.get_header("Date") == nil)
        ]],
        log = "return response.get_header('server') == nil, response.get_header('date') == nil",
      }
      assert.same({ true, true }, r.seen.header_filter)
      assert.same({ true, true }, r.seen.log)
      assert.equal(server:has "server_header", r:header("Server"))

      r = run {
        header_filter = "response.set_headers { Server = 'mine', Date = 'today' }",
        log = "return response.get_header('server'), response.get_header('date')",
      }
      assert.same({ "mine", "today" }, r.seen.log)
      assert.same({ "mine" }, r:values("Server"))
      assert.same({ "today" }, r:values("Date"))
    end)

    it("returns what ngx.resp.get_headers has, in every phase and for every name", function()
      local compare = [[
        local all, different = ngx.resp.get_headers(0), {}
        for name, value in pairs(all) do
          local expected = type(value) == "table" and value[1] or value
          if response.get_header(name) ~= expected then
            different[name] = response.get_header(name) or false
          end
        end
        return different, all.connection ~= nil
      ]]
      local r = run {
        upstream = [[
          ngx.header["Last-Modified"] = "yesterday"
          ngx.header["ETag"] = '"abc"'
          ngx.header["Set-Cookie"] = { "a=b", "c=d" }
          ngx.header["Cache-Control"] = { "no-store", "private" }
          ngx.header["Vary"] = "Accept"
          ngx.header["Location"] = "/there"
          ngx.print("body")
        ]],
        header_filter = compare,
        log = compare,
      }
      assert.same({ {}, true }, r.seen.header_filter)
      assert.same({ {}, true }, r.seen.log)
    end)

    it("reads the response of HTTP/2", function()
      local r = run {
        http2 = true,
        upstream = "ngx.header['X-One'] = '1' ngx.print('body')",
        header_filter = [[
          return response.get_header("X-One"),
            response.get_header("Connection") == ngx.resp.get_headers().connection
        ]],
      }
      assert.same({ "1", true }, r.seen.header_filter)
      assert.equal("1", r:header("x-one"))
    end)

    it("gives the same results in compiled code", function()
      local r = run { header_filter = [[
        response.set_header("X-One", "1")
        local found, wrong = 0, 0
        local names = { "X_One", "x-one", "Connection", "X-None" }
        for i = 1, 2000 do
          found = found + (response.get_header(names[i % 4 + 1]) and 1 or 0)
        end
        for i = 1, 300 do
          if fails(response.get_header, i) == "header name must be a string" then
            wrong = wrong + 1
          end
        end
        return found, wrong
      ]] }
      assert.same({ 1500, 300 }, r.seen.header_filter)
    end)
  end)
end)
