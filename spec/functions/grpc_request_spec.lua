local hosts = require "spec.support.hosts"


local GRPC = { "Content-Type: application/grpc", "TE: trailers" }


hosts.each("for a gRPC request,", {}, function(server)
  describe("exit", function()
    local function exit(code, request)
      local case = request or {}
      case.http2 = true
      case.method = "POST"
      case.headers = case.headers or GRPC
      case.access = code
      return server:run(case)
    end

    it("sends a string as grpc-message", function()
      local r = exit [[response.exit(403, "not you")]]
      assert.equal("2", r.version)
      assert.equal(403, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "7" }, r:values("grpc-status"))
      assert.same({ "not you" }, r:values("grpc-message"))
    end)

    it("accepts subtypes such as application/grpc+proto", function()
      for _, kind in ipairs { "application/grpc+proto", "application/grpc;v=1" } do
        local r = exit([[response.exit(401, "who")]], { headers = { "Content-Type: " .. kind } })
        assert.equal("", r.body)
        assert.same({ "16" }, r:values("grpc-status"))
        assert.same({ "who" }, r:values("grpc-message"))
      end
    end)

    it("sends no grpc-message for an empty string", function()
      local r = exit [[response.exit(403, "")]]
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "7" }, r:values("grpc-status"))
      assert.is_nil(r:header("grpc-message"))
    end)

    it("sends the status's name as grpc-message if there is no body", function()
      local r = exit [[response.exit(404)]]
      assert.equal(404, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "5" }, r:values("grpc-status"))
      assert.same({ "NotFound" }, r:values("grpc-message"))
    end)

    it("sends a table's message as grpc-message", function()
      local r = exit [[response.exit(403, { message = "no", code = 7 })]]
      assert.equal(403, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "no" }, r:values("grpc-message"))
      assert.is_nil(server:log():find("body was removed", 1, true))
    end)

    it("drops a table without a string as message, and logs a warning", function()
      for _, body in ipairs { "{}", "{ 'no' }", "{ message = 5 }", "{ message = { 'no' } }" } do
        server:clear_log()
        local r = exit("response.exit(403, " .. body .. ")")
        assert.equal(403, r.status)
        assert.equal("", r.body)
        assert.same({ "0" }, r:values("content-length"))
        assert.same({ "7" }, r:values("grpc-status"))
        assert.same({ "PermissionDenied" }, r:values("grpc-message"))
        local line = server:wait_log(
          "([^\n]*body was removed because table body encoding with gRPC is not supported)")
        assert.matches("[warn]", line, 1, true)
      end
    end)

    it("escapes line ends in the message", function()
      local r = exit [[response.exit(403, "a\r\nx: b")]]
      assert.same({ "a%0D%0Ax: b" }, r:values("grpc-message"))
      assert.is_nil(r:header("x"))
    end)

    it("sends the call's headers and grpc-status", function()
      local r = exit [[response.exit(403, "no", { ["grpc-status"] = "9", ["X-A"] = "1" })]]
      assert.same({ "9" }, r:values("grpc-status"))
      assert.same({ "no" }, r:values("grpc-message"))
      assert.equal("1", r:header("X-A"))
    end)

    it("sends a body if the call has the Content-Type application/grpc", function()
      local r = exit [[response.exit(200, "x", { ["Content-Type"] = "application/grpc" })]]
      assert.equal("x", r.body)
      assert.same({ "1" }, r:values("content-length"))
      assert.same({ "OK" }, r:values("grpc-message"))
    end)

    it("sends a body if the response has another Content-Type", function()
      for code, expected in pairs {
        [ [[response.exit(403, "no", { ["Content-Type"] = "text/plain" })]] ] = "no",
        [ [[ngx.header.content_type = "text/plain" response.exit(403, "no")]] ] = "no",
        [ [[response.exit(403, {}, { content_type = "application/json" })]] ] = "{}",
      } do
        local r = exit(code)
        assert.equal(expected, r.body)
        assert.is_nil(r:header("grpc-status"))
        assert.is_nil(r:header("grpc-message"))
      end
    end)

    it("sends a body over HTTP/1.1", function()
      local r = server:run {
        headers = GRPC,
        access = [[response.exit(403, { message = "no" })]],
      }
      assert.equal("1.1", r.version)
      assert.equal([[{"message":"no"}]], r.body)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("sends a body to other requests over HTTP/2", function()
      for _, headers in ipairs {
        {}, { "Content-Type: application/json" }, { "Content-Type: text/application/grpc" },
        { "Content-Type: application/grp" }, { "X-Content-Type: application/grpc" },
      } do
        local r = exit([[response.exit(403, "no")]], { headers = headers })
        assert.equal("no", r.body)
        assert.is_nil(r:header("grpc-status"))
        assert.is_nil(r:header("grpc-message"))
      end
    end)

    it("works in header_filter on a response of headers only", function()
      local r = server:run {
        http2 = true,
        headers = GRPC,
        access = "ngx.header.content_type = nil ngx.exit(204)",
        header_filter = [[
          ngx.header.content_type = nil
          response.exit(403, "no")
        ]],
      }
      assert.equal(403, r.status)
      assert.equal("", r.body)
      assert.same({ "7" }, r:values("grpc-status"))
      assert.same({ "no" }, r:values("grpc-message"))
    end)
  end)


  describe("ngx.req.http_version", function()
    -- Counts the calls, and returns the given answer. The count is not an upvalue, because the
    -- upvalues of a thread that nginx has ended are not safe to use.
    local function counted(answer, code)
      return [[
        local seen = { real = ngx.req.http_version, calls = 0 }
        ngx.ctx.seen = seen
        ngx.req.http_version = function()
          ngx.ctx.seen.calls = ngx.ctx.seen.calls + 1
          return ]] .. answer .. [[
        end
        ]] .. code
    end

    local AFTER = "ngx.req.http_version = ngx.ctx.seen.real note(ngx.ctx.seen.calls > 0)"

    it("is looked up at each call", function()
      local r = server:run {
        headers = GRPC,
        access = counted("2", [[response.exit(403, "no")]]),
        log = AFTER,
      }
      assert.equal("1.1", r.version)
      assert.equal("", r.body)
      assert.same({ "7" }, r:values("grpc-status"))
      assert.same({ "no" }, r:values("grpc-message"))
      assert.same({ true }, r.notes)

      server:clear_log()
      r = server:run {
        http2 = true,
        headers = GRPC,
        access = counted("1.1", [[response.exit(403, "no")]]),
        log = AFTER,
      }
      assert.equal("no", r.body)
      assert.is_nil(r:header("grpc-status"))
      assert.same({ true }, r.notes)
    end)

    it("is not called for a request of another Content-Type", function()
      for _, headers in ipairs { {}, { "Content-Type: application/json" } } do
        for _, code in ipairs { [[response.exit(403, "no")]], [[response.error(403)]] } do
          server:clear_log()
          local r = server:run { headers = headers, access = counted("2", code), log = AFTER }
          assert.equal(403, r.status)
          assert.is_nil(r:header("grpc-status"))
          assert.same({ false }, r.notes)
        end
      end
    end)

    it("is called by error", function()
      local r = server:run {
        headers = GRPC,
        access = counted("2", [[response.error(403)]]),
        log = AFTER,
      }
      assert.equal("", r.body)
      assert.same({ "7" }, r:values("grpc-status"))
      assert.same({ true }, r.notes)
    end)

    it("means no gRPC if it returns nil", function()
      local r = server:run {
        headers = GRPC,
        access = counted("nil", [[response.exit(403, "no")]]),
        log = AFTER,
      }
      assert.equal("no", r.body)
      assert.is_nil(r:header("grpc-status"))
    end)
  end)


  describe("error", function()
    it("sends no document", function()
      local r = server:run {
        http2 = true,
        headers = GRPC,
        access = [[response.error(503, nil, { ["X-A"] = "1" })]],
      }
      assert.equal(503, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "application/grpc" }, r:values("content-type"))
      assert.same({ "14" }, r:values("grpc-status"))
      assert.same({ "Unavailable" }, r:values("grpc-message"))
      assert.equal("1", r:header("X-A"))
    end)

    it("ignores the request's Accept", function()
      local r = server:run {
        http2 = true,
        headers = { "Content-Type: application/grpc", "Accept: text/html" },
        access = "response.error(404)",
      }
      assert.equal("", r.body)
      assert.same({ "application/grpc" }, r:values("content-type"))
      assert.same({ "5" }, r:values("grpc-status"))
    end)

    it("sends no document if the call has the Content-Type application/grpc", function()
      for _, http2 in ipairs { false, true } do
        for _, kind in ipairs { "application/grpc", "application/grpc+proto" } do
          local r = server:run {
            http2 = http2,
            access = "response.error(404, nil, { content_type = '" .. kind .. "' })",
          }
          assert.equal(404, r.status)
          assert.equal("", r.body)
          assert.same({ kind }, r:values("Content-Type"))
          assert.same({ "5" }, r:values("grpc-status"))
          assert.same({ "NotFound" }, r:values("grpc-message"))
        end
      end
    end)

    it("sends a document if the call has another Content-Type", function()
      local r = server:run {
        http2 = true,
        headers = GRPC,
        access = [[response.error(404, "lost", { ["Content-Type"] = "text/plain" })]],
      }
      assert.matches("^lost\nrequest_id: %x*\n$", r.body)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("sends a document over HTTP/1.1", function()
      local r = server:run { headers = GRPC, access = [[response.error(404)]] }
      assert.matches('"message":"Not found"', r.body, 1, true)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("raises an error for a message that cannot be encoded", function()
      local r = server:run {
        http2 = true,
        headers = GRPC,
        access = [[
          local ok, err = pcall(function()
            response.error(404, { print })
          end)
          ngx.print(err)
          ngx.exit(200)
        ]],
      }
      assert.equal("plugin.lua:2: could not JSON encode the error message: "
        .. "Cannot serialise function: type not supported", r.body)
    end)
  end)
end)
