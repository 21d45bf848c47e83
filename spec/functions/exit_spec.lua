local hosts = require "spec.support.hosts"


local lines = hosts.lines


hosts.each("exit", { gateway = true }, function(server)
  describe("with a status and a body", function()
    it("sends a string with its length", function()
      local r = server:run { content = "return response.exit(200, 'hello')" }
      assert.equal(200, r.status)
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(r:header("Transfer-Encoding"))
    end)

    it("sends the response in rewrite and access", function()
      for _, stage in ipairs { "rewrite", "access" } do
        local r = server:run { [stage] = "response.exit(403, 'no', { ['X-A'] = '1' })" }
        assert.equal(403, r.status)
        assert.equal("no", r.body)
        assert.same({ "2" }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, r:own_headers("="))
      end
    end)

    it("sends a table as JSON", function()
      local r = server:run { content = "return response.exit(201, { message = 'a/b' })" }
      assert.equal(201, r.status)
      assert.equal([[{"message":"a\/b"}]], r.body)
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
      assert.same({ "18" }, r:values("Content-Length"))
    end)

    it("sends a table with the call's Content-Type, in any spelling", function()
      for _, name in ipairs { "Content-Type", "content-type", "CONTENT_TYPE", "content_type" } do
        local r = server:run {
          content = "response.exit(200, {}, { ['" .. name .. "'] = 'application/problem+json' })",
        }
        assert.equal("{}", r.body)
        assert.same({ "application/problem+json" }, r:values("Content-Type"))
      end
    end)

    it("sends a table with the last Content-Type of an array", function()
      local r = server:run {
        content = "response.exit(200, {}, { ['Content-Type'] = { 'text/css', 'text/html' } })",
      }
      assert.same({ "text/html" }, r:values("Content-Type"))
    end)

    it("replaces an earlier Content-Type for a table", function()
      local r = server:run {
        content = "ngx.header.content_type = 'text/plain' response.exit(200, {})",
      }
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    end)

    it("keeps an earlier Content-Type for a string", function()
      local r = server:run {
        content = "ngx.header.content_type = 'text/css' response.exit(200, 'x')",
      }
      assert.same({ "text/css" }, r:values("Content-Type"))
    end)

    it("sends every byte unchanged", function()
      local r = server:run {
        content = lines(
          "local bytes = {}",
          "for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end",
          "response.exit(200, table.concat(bytes):rep(300))"
        ),
      }
      local bytes = {}
      for i = 0, 255 do
        bytes[#bytes + 1] = string.char(i)
      end
      assert.is_true(r.body == table.concat(bytes):rep(300))
      assert.same({ "76800" }, r:values("Content-Length"))
    end)

    it("sends an empty response for an empty string, with any status", function()
      for _, status in ipairs { 200, 404, 500 } do
        local r = server:run { content = "response.exit(" .. status .. ", '')" }
        assert.equal(status, r.status)
        assert.equal("", r.body)
        assert.same({ "0" }, r:values("Content-Length"))
      end
    end)

    it("sends an empty response without a body", function()
      local r = server:run { content = "response.exit(200)" }
      assert.equal(200, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("Content-Length"))

      r = server:run { content = "response.exit(204)" }
      assert.equal(204, r.status)
      assert.equal("", r.body)
    end)

    it("sends nginx's page for an error status without a body", function()
      for _, stage in ipairs { "access", "content" } do
        local r = server:run { [stage] = "response.exit(404, nil, { ['X-A'] = '1' })" }
        assert.equal(404, r.status)
        assert.matches("<h1>404 Not Found</h1>", r.body, 1, true)
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, r:own_headers("="))
      end
    end)

    it("drops the fraction of a status", function()
      for code, status in pairs { ["200.9"] = 200, ["403.5"] = 403, ["598.999"] = 598 } do
        local r = server:run { content = "response.exit(" .. code .. ", 'x')" }
        assert.equal(status, r.status)
        assert.equal("x", r.body)
      end
    end)

    it("sends statuses that nginx does not know", function()
      for _, status in ipairs { 299, 418, 599 } do
        local r = server:run { content = "response.exit(" .. status .. ", 'x')" }
        assert.equal(status, r.status)
        assert.equal("x", r.body)
      end
    end)

    -- nginx's own way to end a request with these is to hang up
    for _, status in ipairs { 408, 499 } do
      it("sends a body with the status " .. status, function()
        for _, stage in ipairs { "access", "content" } do
          local r = server:run { [stage] = "response.exit(" .. status .. ", 'late')" }
          assert.equal(0, r.exit)
          assert.equal(status, r.status)
          assert.equal("late", r.body)
        end
      end)
    end

    it("sends the length of the body to HEAD", function()
      local r = server:run { method = "HEAD", content = "response.exit(200, 'hello')" }
      assert.equal(200, r.status)
      assert.same({ "5" }, r:values("Content-Length"))

      r = server:run { method = "HEAD", content = "response.exit(200, { a = 1 })" }
      assert.same({ "7" }, r:values("Content-Length"))
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    end)

    it("sends a response over HTTP/2", function()
      local r = server:run { http2 = true, content = "response.exit(403, 'no', { ['X-A'] = '1' })" }
      assert.equal("2", r.version)
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "2" }, r:values("content-length"))
      assert.same({ "x-a=1" }, r:own_headers("="))
    end)

    it("sends a response to HTTP/1.0", function()
      local r = server:run { http_version = "1.0", content = "response.exit(403, 'no')" }
      assert.matches("^HTTP/1.1 403 Forbidden\r\n", r.head)
      assert.same({ "2" }, r:values("Content-Length"))
      assert.same({ "close" }, r:values("Connection"))
      assert.equal("no", r.body)
    end)

    it("sends a large body", function()
      local r = server:run { content = "response.exit(200, ('abcd'):rep(1024 * 1024))" }
      assert.same({ "4194304" }, r:values("Content-Length"))
      assert.is_true(r.body == ("abcd"):rep(1024 * 1024))
    end)
  end)


  describe("and the phase", function()
    it("skips the code after it in rewrite, access and content", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        server:clear_log()
        local r = server:run {
          [stage] = "response.exit(200, '" .. stage .. "') note('ran on')",
          log = "note('log')",
        }
        assert.equal(stage, r.body)
        assert.same({ "log" }, r.notes)
      end
    end)

    it("skips the code after it without a body", function()
      for _, status in ipairs { 200, 404 } do
        server:clear_log()
        local r = server:run {
          access = "response.exit(" .. status .. ") note('ran on')",
          log = "note('log')",
        }
        assert.equal(status, r.status)
        assert.same({ "log" }, r.notes)
      end
    end)

    it("runs the code after it in header_filter", function()
      local r = server:run {
        path = "/",
        header_filter = lines(
          "response.exit(202, 'new', { ['X-A'] = '1' })",
          "note('ran on')",
          "ngx.header['X-B'] = '2'"
        ),
      }
      assert.equal(202, r.status)
      assert.equal("new", r.body)
      assert.same({ "X-A=1", "X-B=2" }, r:own_headers("="))
      assert.same({ "ran on" }, r.notes)
    end)

    it("ends the phase from a coroutine", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        server:clear_log()
        local r = server:run {
          [stage] = lines(
            "coroutine.wrap(function()",
            "  coroutine.wrap(function() response.exit(403, 'deep') note('ran on') end)()",
            "  note('ran on')",
            "end)()",
            "note('ran on')"
          ),
          log = "note('log')",
        }
        assert.equal(403, r.status)
        assert.equal("deep", r.body)
        assert.same({ "log" }, r.notes)
      end
    end)

    it("ends the phase under pcall", function()
      local r = server:run {
        access = "pcall(response.exit, 403, 'no') note('ran on')",
        log = "note('log')",
      }
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "log" }, r.notes)
    end)

    it("sets ngx.ctx.KONG_EXITED", function()
      for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
        server:clear_log()
        server:run {
          [stage] = "response.exit(200, 'x')",
          log = "note(ngx.ctx.KONG_EXITED, response.get_source())",
        }
        assert.same({ true, "exit" }, server:noted())
      end
    end)
  end)
end)
