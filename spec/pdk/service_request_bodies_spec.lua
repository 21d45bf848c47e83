local pdk = require "spec.support.pdk"


pdk.each("kong.service.request", { both_bindings = true }, function(server)
  describe("for bodies:", function()
    it("set_raw_body() replaces the body and its length", function()
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

    it("set_raw_body() raises an error for invalid arguments", function()
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

    it("set_body() writes JSON if the client's type is JSON", function()
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
      local content_type = r.upstream.headers["content-type"][1]
      local boundary = content_type:match("^multipart/form%-data; boundary=(%d+)$")
      assert.equal("--" .. boundary, r.upstream.body:sub(1, #boundary + 2))
    end)

    it("set_body() accepts a type with many spaces", function()
      -- Trying the end of the type at each space would take longer than clients wait.
      local r = server:run {
        method = "POST",
        access = [[
          local mime = "application/json" .. (" "):rep(10) .. "; a=" .. (" "):rep(1000)
          note(kong.service.request.set_body({ a = 1 }, mime))
          local err = fails(kong.service.request.set_body, {}, "a" .. (" "):rep(200000) .. "b")
          note((err:gsub("%s+", " ")))
        ]],
      }
      assert.same({ true, "unsupported content type a b" }, r.seen.access)
      assert.equal('{"a":1}', r.upstream.body)
    end)

    it("set_body() raises an error for invalid arguments", function()
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

end)
