local KEEPS_EMPTY_BODY = require("spec.support.phase_code").KEEPS_EMPTY_BODY
local hosts = require "spec.support.hosts"


local BALANCER = "API disabled in the context of balancer_by_lua*"


hosts.each("exit in phases that cannot print", {
  -- without a gateway's globals: the tests set KONG_PHASE themselves, or leave it out
  locations = { ["/limited"] = { upstream = true, directives = "proxy_buffering off;" } },
}, function(server)
  describe("in header_filter", function()
    for name, phase in pairs {
      ["by KONG_PHASE"] = "ngx.ctx.KONG_PHASE = 0x200 ",
      ["by nginx's phase"] = "ngx.ctx.KONG_PHASE = nil ",
    } do
      describe(name, function()
        for _, path in ipairs { "/", "/proxied", "/limited" } do
          describe("of " .. path, function()
            local function filter(code, request)
              local case = request or {}
              case.path = path
              case.header_filter = phase .. code
              return server:run(case)
            end

            it("puts a string into ctx.response_body", function()
              local r = filter [[
                response.exit(403, "a\0\255", { ["X-A"] = "1" })
                note(#ngx.ctx.response_body, ngx.ctx.KONG_EXITED, ngx.status)
              ]]
              assert.equal(403, r.status)
              assert.equal("a\0\255", r.body)
              assert.same({ "3" }, r:values("Content-Length"))
              assert.is_nil(r:header("Transfer-Encoding"))
              assert.equal("1", r:header("X-A"))
              assert.same({ 3, true, 403 }, r.notes)
            end)

            it("puts a table as JSON into ctx.response_body", function()
              local r = filter [[
                response.exit(200, { message = "new" })
                note(type(ngx.ctx.response_body), ngx.ctx.response_body)
              ]]
              assert.equal(200, r.status)
              assert.equal([[{"message":"new"}]], r.body)
              assert.same({ "17" }, r:values("Content-Length"))
              assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
              assert.same({ "string", [[{"message":"new"}]] }, r.notes)
            end)

            it("puts an empty string into ctx.response_body", function()
              local r = filter(KEEPS_EMPTY_BODY .. [[
                response.exit(404, "")
                note(ngx.ctx.response_body)
              ]])
              assert.equal(404, r.status)
              assert.equal("", r.body)
              assert.same({ "0" }, r:values("Content-Length"))
              assert.same({ "" }, r.notes)
            end)

            it("drops the upstream's body if the call has none", function()
              local r = filter(KEEPS_EMPTY_BODY .. "response.exit(404)")
              assert.equal(404, r.status)
              assert.equal("", r.body)
              assert.equal(0, r.exit)
              assert.same({ "0" }, r:values("Content-Length"))
            end)

            it("sends a large body in place of a small one", function()
              local r = filter "response.exit(200, ('x'):rep(200000))"
              assert.equal(200000, #r.body)
              assert.same({ "200000" }, r:values("Content-Length"))
            end)

            it("sends the response of the last of several calls", function()
              local r = filter [[
                response.exit(403, "first", { ["X-A"] = "1" })
                response.exit(404, "the second", { ["X-A"] = "2" })
              ]]
              assert.equal(404, r.status)
              assert.equal("the second", r.body)
              assert.same({ "10" }, r:values("Content-Length"))
              assert.same({ "2" }, r:values("X-A"))
            end)

            it("forgets the body of an earlier call if the upstream's body passes", function()
              local whole = filter "note()"
              local r = filter(([[
                response.exit(403, "no")
                response.exit(200, nil, { ["Content-Length"] = "%d" })
                note(ngx.ctx.response_body == nil)
              ]]):format(#whole.body))
              assert.equal(200, r.status)
              assert.equal(whole.body, r.body)
              assert.same({ tostring(#whole.body) }, r:values("Content-Length"))
              assert.same({ true }, r.notes)
            end)

            it("runs the code after the call", function()
              local r = filter [[
                response.exit(403, "no")
                ngx.header["X-B"] = "behind"
              ]]
              assert.equal("behind", r:header("X-B"))
            end)

            it("can be followed by ngx.exit", function()
              local r = filter [[
                local real = ngx.exit
                ngx.exit = function(...)
                  note("ngx.exit", ...)
                  return real(...)
                end
                response.exit(403, "no")
                ngx.exit = real
              ]]
              assert.equal(403, r.status)
              assert.same({ "ngx.exit", 0 }, r.notes)
            end)

            it("changes nothing if it raises an error", function()
              local r = filter [[
                local before = ngx.status
                for i, call in ipairs {
                  function() response.exit("x") end,
                  function() response.exit(99, "new") end,
                  function() response.exit(403, 1) end,
                  function() response.exit(403, "new", { ["X-A"] = print }) end,
                  function() response.exit(403, { print }, { ["X-A"] = "1" }) end,
                } do
                  note((select(2, pcall(call))))
                end
                note(ngx.status == before, ngx.ctx.response_body, ngx.ctx.KONG_EXITED)
              ]]
              assert.equal(200, r.status)
              assert.equal(path == "/" and "content" or "upstream", r.body)
              assert.is_nil(r:header("X-A"))
              assert.same({
                "plugin.lua:3: code must be a number",
                "plugin.lua:4: code must be a number between 100 and 599",
                "plugin.lua:5: body must be a nil, string or table",
                [[plugin.lua:6: invalid header value for "X-A": got function, expected string, ]]
                  .. "number, boolean or array of strings",
                "plugin.lua:7: body encoding failed while flushing response: "
                  .. "Cannot serialise function: type not supported",
                true, "(nil)", "(nil)",
              }, r.notes)
            end)

            it("corrects the Content-Length", function()
              local r = filter [[response.exit(200, "hello", { ["Content-Length"] = "9" })]]
              assert.equal("hello", r.body)
              assert.same({ "5" }, r:values("Content-Length"))
              assert.is_string(server:wait_log(
                "(Content%-Length 9 does not match the body's 5 bytes: corrected)"))
            end)

            it("sends no body to HEAD", function()
              local r = filter([[response.exit(403, "no")]], { method = "HEAD" })
              assert.equal(403, r.status)
              assert.same({ "2" }, r:values("Content-Length"))
            end)

            it("sends the document of error", function()
              local r = filter [[response.error(404, "lost", { ["Content-Type"] = "text/plain" })]]
              assert.equal(404, r.status)
              assert.matches("^lost\nrequest_id: %x*\n$", r.body)
              assert.same({ tostring(#r.body) }, r:values("Content-Length"))
              assert.same({ "text/plain" }, r:values("Content-Type"))
            end)
          end)
        end
      end)
    end

    it("replaces the upstream's headers and keeps the others", function()
      local r = server:run {
        path = "/proxied",
        upstream = "ngx.header['X-Upstream'] = 'yes' ngx.print('upstream')",
        header_filter = [[response.exit(200, "new", { ["Content-Type"] = "text/css" })]],
      }
      assert.equal("new", r.body)
      assert.same({ "text/css" }, r:values("Content-Type"))
      assert.same({ "yes" }, r:values("X-Upstream"))
    end)

    it("gives the same results in compiled code", function()
      local r = server:run {
        path = "/proxied",
        header_filter = [[
          for i = 1, 5000 do
            local body = { i = i }
            response.exit(200 + i % 300, body, { ["X-A"] = i, ["X-B"] = { "1", "2" } })
            assert(ngx.ctx.response_body == '{"i":' .. i .. "}", i)
            assert(ngx.status == 200 + i % 300, i)
            assert(ngx.header["X-A"] == tostring(i), i)
          end
          note("done")
        ]],
      }
      assert.same({ "done" }, r.notes)
      assert.equal(400, r.status)
      assert.equal([[{"i":5000}]], r.body)
      assert.same({ "5000" }, r:values("X-A"))
      assert.same({ "1", "2" }, r:values("X-B"))
    end)

    it("replaces the body of an exit in an earlier phase", function()
      local r = server:run {
        access = [[response.exit(403, "first", { ["X-A"] = "1" })]],
        header_filter = [[response.exit(404, "second")]],
      }
      assert.equal(404, r.status)
      assert.equal("second", r.body)
      assert.same({ "6" }, r:values("Content-Length"))
      assert.equal("1", r:header("X-A"))
    end)

    it("replaces nginx's own error page", function()
      local r = server:run {
        access = "ngx.exit(503)",
        header_filter = [[response.exit(503, { message = "later" })]],
      }
      assert.equal(503, r.status)
      assert.equal([[{"message":"later"}]], r.body)
      assert.same({ "19" }, r:values("Content-Length"))
    end)

    it("follows KONG_PHASE, not nginx's phase", function()
      local r = server:run {
        content = [[
          ngx.ctx.KONG_PHASE = 0x200
          response.exit(403, "no")
          note("ran on")
        ]],
        body_filter = [[
          note(ngx.ctx.response_body)
          ngx.arg[1] = ngx.ctx.response_body
        ]],
      }
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "no" }, r.notes)
    end)

    it("works over HTTP/2", function()
      local r = server:run {
        http2 = true,
        path = "/proxied",
        header_filter = [[response.exit(403, "no")]],
      }
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "2" }, r:values("content-length"))
    end)
  end)


  describe("in the balancer", function()
    for name, phase in pairs {
      ["by KONG_PHASE"] = "ngx.ctx.KONG_PHASE = 0x40 ",
      ["by nginx's phase"] = "ngx.ctx.KONG_PHASE = nil ",
    } do
      it("sets the status without a body and returns, " .. name, function()
        local r = server:run {
          path = "/balanced",
          balancer = phase .. [[
            response.exit(503, nil, { ["X-A"] = "1" })
            note("ran on", ngx.status, ngx.header["X-A"], ngx.ctx.KONG_EXITED)
          ]],
        }
        assert.is_true(r.status >= 500)
        assert.same({ "ran on", 503, "1", true }, r.notes)
      end)

      for call, what in pairs {
        [ [[response.exit(503, "no", { ["X-A"] = "1" })]] ] = "a string",
        [ [[response.exit(503, "")]] ] = "an empty string",
        [ [[response.exit(503, { message = "no" })]] ] = "a table",
        [ [[response.error(503)]] ] = "error",
        [ [[response.error(503, "no", { ["X-A"] = "1" })]] ] = "error with a message",
      } do
        it("refuses " .. what .. " before it changes anything, " .. name, function()
          local r = server:run {
            path = "/balanced",
            balancer = phase .. [[
              local before = ngx.status
              local ok, err = pcall(function()
                ]] .. call .. [[
              end)
              note(type(err), err)
              note(ngx.status == before, ngx.header["X-A"], ngx.ctx.KONG_EXITED,
                ngx.ctx.response_body)
            ]],
          }
          assert.equal(200, r.status)
          assert.equal("upstream", r.body)
          assert.is_nil(r:header("X-A"))
          assert.same({
            "string", "plugin.lua:3: " .. BALANCER, true, "(nil)", "(nil)", "(nil)",
          }, r.notes)
        end)
      end

      it("checks the arguments first, " .. name, function()
        server:run {
          path = "/balanced",
          balancer = phase .. [[
            for i, call in ipairs {
              function() response.exit("x", "no") end,
              function() response.exit(600, "no") end,
              function() response.exit(503, "no", 1) end,
              function() response.error(200) end,
            } do
              note((select(2, pcall(call))))
            end
          ]],
        }
        assert.same({
          "plugin.lua:2: code must be a number",
          "plugin.lua:3: code must be a number between 100 and 599",
          "plugin.lua:4: headers must be a nil or table",
          "plugin.lua:5: code must be a number between 400 and 599",
        }, server:noted())
      end)
    end
  end)
end)
