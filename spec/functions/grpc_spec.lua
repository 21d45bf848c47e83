local hosts = require "spec.support.hosts"


local STATUS_OF = {
  [200] = 0, [201] = 0, [204] = 0, [299] = 0,
  -- exit sends it as 500
  [100] = 13,
  [300] = 2, [301] = 2, [302] = 2, [304] = 2, [399] = 2,
  [400] = 3, [401] = 16, [402] = 3, [403] = 7, [404] = 5, [405] = 3, [406] = 3, [408] = 3,
  [409] = 6, [410] = 3, [412] = 3, [413] = 3, [418] = 3, [422] = 3, [428] = 3, [429] = 8,
  [430] = 3, [494] = 3, [498] = 3, [499] = 1,
  [500] = 13, [501] = 12, [502] = 13, [503] = 14, [504] = 4, [505] = 13, [599] = 13,
}

local NAME_OF = {
  [0] = "OK", [1] = "Canceled", [2] = "Unknown", [3] = "InvalidArgument",
  [4] = "DeadlineExceeded", [5] = "NotFound", [6] = "AlreadyExists", [7] = "PermissionDenied",
  [8] = "ResourceExhausted", [12] = "Unimplemented", [13] = "Internal", [14] = "Unavailable",
  [16] = "Unauthenticated",
}

local GRPC = { "Content-Type: application/grpc", "TE: trailers" }


hosts.each("exit on gRPC", {}, function(server)
  describe("by the response's Content-Type", function()
    for name, http2 in pairs { ["HTTP/1.1"] = false, ["HTTP/2"] = true } do
      describe("over " .. name, function()
        local function exit(code, request)
          local case = request or {}
          case.http2 = http2
          case.access = code
          return server:run(case)
        end

        it("sends the body, with grpc-status and its name", function()
          local r = exit [[
            response.exit(403, "\0\0\0\0\2no", { ["Content-Type"] = "application/grpc" })
          ]]
          assert.equal(403, r.status)
          assert.equal("\0\0\0\0\2no", r.body)
          assert.same({ "7" }, r:values("Content-Length"))
          assert.same({ "application/grpc" }, r:values("Content-Type"))
          assert.same({ "7" }, r:values("grpc-status"))
          assert.same({ "PermissionDenied" }, r:values("grpc-message"))
        end)

        it("also with something behind the media type, in any spelling of the name", function()
          for _, header in ipairs {
            "['content_type'] = 'application/grpc+proto'",
            "['CONTENT-TYPE'] = 'application/grpc;charset=utf-8'",
            "['Content-Type'] = 'application/grpc-web+proto'",
          } do
            local r = exit("response.exit(200, 'x', { " .. header .. " })")
            assert.equal("x", r.body)
            assert.same({ "0" }, r:values("grpc-status"))
            assert.same({ "OK" }, r:values("grpc-message"))
          end
        end)

        it("goes by the item of an array that is sent", function()
          local r = exit [[
            response.exit(200, "x", { ["Content-Type"] = { "text/plain", "application/grpc" } })
          ]]
          assert.same({ "application/grpc" }, r:values("Content-Type"))
          assert.same({ "0" }, r:values("grpc-status"))
          r = exit [[
            response.exit(200, "x", { ["Content-Type"] = { "application/grpc", "text/plain" } })
          ]]
          assert.same({ "text/plain" }, r:values("Content-Type"))
          assert.is_nil(r:header("grpc-status"))
        end)

        it("also when it was there before the call", function()
          local r = exit [[
            ngx.header.content_type = "application/grpc"
            response.exit(404, "gone")
          ]]
          assert.equal(404, r.status)
          assert.equal("gone", r.body)
          assert.same({ "5" }, r:values("grpc-status"))
          assert.same({ "NotFound" }, r:values("grpc-message"))
        end)

        it("sends an empty body without a body, not nginx's page", function()
          for _, body in ipairs { "nil", "''" } do
            local r = exit("response.exit(404, " .. body
              .. ", { ['Content-Type'] = 'application/grpc' })")
            assert.equal(404, r.status)
            assert.equal("", r.body)
            assert.same({ "0" }, r:values("Content-Length"))
            assert.same({ "5" }, r:values("grpc-status"))
            assert.same({ "NotFound" }, r:values("grpc-message"))
            assert.same({ "application/grpc" }, r:values("Content-Type"))
          end
        end)

        it("refuses a table", function()
          local r = exit [[
            local ok, err = pcall(function()
              response.exit(403, { message = "no" }, {
                ["Content-Type"] = "application/grpc",
                ["X-A"] = "1",
              })
            end)
            ngx.print(err, " ", ngx.status, " ", tostring(ngx.ctx.KONG_EXITED))
            ngx.exit(200)
          ]]
          assert.equal(200, r.status)
          assert.equal("plugin.lua:2: table body encoding with gRPC is not supported 0 nil", r.body)
          assert.is_nil(r:header("X-A"))
          assert.is_nil(r:header("grpc-status"))
        end)

        it("refuses a table over a Content-Type that was there", function()
          local r = exit [[
            ngx.header.content_type = "application/grpc"
            local ok, err = pcall(function()
              response.exit(403, { message = "no" })
            end)
            ngx.print(err)
            ngx.exit(200)
          ]]
          assert.equal("plugin.lua:3: table body encoding with gRPC is not supported", r.body)
        end)

        it("keeps the call's grpc-status and adds no name to it", function()
          for _, header in ipairs { "grpc-status", "Grpc_Status" } do
            local r = exit([[response.exit(403, "x", {
              ["Content-Type"] = "application/grpc",
              ["]] .. header .. [["] = 9,
            })]])
            assert.same({ "9" }, r:values("grpc-status"))
            assert.is_nil(r:header("grpc-message"))
          end
        end)

        it("keeps a grpc-status that was there and adds no name to it", function()
          local r = exit [[
            ngx.header["grpc-status"] = 11
            response.exit(403, nil, { ["Content-Type"] = "application/grpc" })
          ]]
          assert.same({ "11" }, r:values("grpc-status"))
          assert.is_nil(r:header("grpc-message"))
        end)

        it("keeps a grpc-message that the call brings or that was there", function()
          local r = exit [[
            response.exit(403, "x", {
              ["Content-Type"] = "application/grpc",
              ["grpc-message"] = "own",
            })
          ]]
          assert.same({ "7" }, r:values("grpc-status"))
          assert.same({ "own" }, r:values("grpc-message"))

          r = exit [[
            ngx.header["grpc-message"] = "old"
            response.exit(403, nil, { ["Content-Type"] = "application/grpc" })
          ]]
          assert.same({ "7" }, r:values("grpc-status"))
          assert.same({ "old" }, r:values("grpc-message"))
        end)

        it("takes the call's Content-Type over the one that was there", function()
          local r = exit [[
            ngx.header.content_type = "application/grpc"
            response.exit(200, { a = 1 }, { ["Content-Type"] = "application/json" })
          ]]
          assert.equal([[{"a":1}]], r.body)
          assert.same({ "application/json" }, r:values("Content-Type"))
          assert.is_nil(r:header("grpc-status"))
        end)
      end)
    end
  end)


  describe("by the request's Content-Type", function()
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

    it("also for application/grpc+proto and the like", function()
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

    it("sends the name of the status without a body", function()
      local r = exit [[response.exit(404)]]
      assert.equal(404, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "5" }, r:values("grpc-status"))
      assert.same({ "NotFound" }, r:values("grpc-message"))
    end)

    it("sends the message of a table", function()
      local r = exit [[response.exit(403, { message = "no", code = 7 })]]
      assert.equal(403, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("content-length"))
      assert.same({ "no" }, r:values("grpc-message"))
      assert.is_nil(server:log():find("body was removed", 1, true))
    end)

    it("drops a table without a message that is a string, and warns", function()
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

    it("escapes what would end the header", function()
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

    it("sends a body under an application/grpc Content-Type of the call", function()
      local r = exit [[response.exit(200, "x", { ["Content-Type"] = "application/grpc" })]]
      assert.equal("x", r.body)
      assert.same({ "1" }, r:values("content-length"))
      assert.same({ "OK" }, r:values("grpc-message"))
    end)

    it("is not gRPC under another Content-Type of the response", function()
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

    it("is not gRPC over HTTP/1.1", function()
      local r = server:run {
        headers = GRPC,
        access = [[response.exit(403, { message = "no" })]],
      }
      assert.equal("1.1", r.version)
      assert.equal([[{"message":"no"}]], r.body)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("is not gRPC for other requests over HTTP/2", function()
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

    it("works in header_filter over nothing but headers", function()
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


  describe("asks for the version of HTTP", function()
    -- Counts the calls and answers what it is told. No closure keeps the count: the upvalues of a
    -- thread that nginx ended are not safe to use.
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

    it("by looking the function up at the call", function()
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

    it("not for a request of another Content-Type", function()
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

    it("in error as well", function()
      local r = server:run {
        headers = GRPC,
        access = counted("2", [[response.error(403)]]),
        log = AFTER,
      }
      assert.equal("", r.body)
      assert.same({ "7" }, r:values("grpc-status"))
      assert.same({ true }, r.notes)
    end)

    it("and takes no answer for no gRPC", function()
      local r = server:run {
        headers = GRPC,
        access = counted("nil", [[response.exit(403, "no")]]),
        log = AFTER,
      }
      assert.equal("no", r.body)
      assert.is_nil(r:header("grpc-status"))
    end)
  end)


  it("maps every status to its grpc-status and name", function()
    local codes = {}
    for code in pairs(STATUS_OF) do
      codes[#codes + 1] = code
    end
    local r = server:run {
      header_filter = [[
        local results = {}
        for _, code in ipairs { ]] .. table.concat(codes, ", ") .. [[ } do
          ngx.header["grpc-status"], ngx.header["grpc-message"] = nil, nil
          response.exit(code, nil, { ["Content-Type"] = "application/grpc" })
          results[#results + 1] = code .. " " .. ngx.header["grpc-status"] .. " "
            .. ngx.header["grpc-message"]
        end
        response.exit(200, table.concat(results, "\n"), { ["Content-Type"] = "text/plain" })
      ]],
    }
    local expected = {}
    for _, code in ipairs(codes) do
      expected[#expected + 1] = code .. " " .. STATUS_OF[code] .. " " .. NAME_OF[STATUS_OF[code]]
    end
    table.sort(expected)
    local got = {}
    for line in r.body:gmatch("[^\n]+") do
      got[#got + 1] = line
    end
    table.sort(got)
    assert.same(expected, got)
  end)

  it("takes the whole part of a status with a fraction", function()
    local r = server:run {
      access = [[response.exit(404.9, nil, { ["Content-Type"] = "application/grpc" })]],
    }
    assert.equal(404, r.status)
    assert.same({ "5" }, r:values("grpc-status"))
    assert.same({ "NotFound" }, r:values("grpc-message"))
  end)


  describe("error", function()
    it("has no document for a gRPC request", function()
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

    it("takes a gRPC request over its Accept", function()
      local r = server:run {
        http2 = true,
        headers = { "Content-Type: application/grpc", "Accept: text/html" },
        access = "response.error(404)",
      }
      assert.equal("", r.body)
      assert.same({ "application/grpc" }, r:values("content-type"))
      assert.same({ "5" }, r:values("grpc-status"))
    end)

    it("has no document for an application/grpc Content-Type of the call", function()
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

    it("writes a document for a gRPC request under another Content-Type of the call", function()
      local r = server:run {
        http2 = true,
        headers = GRPC,
        access = [[response.error(404, "lost", { ["Content-Type"] = "text/plain" })]],
      }
      assert.matches("^lost\nrequest_id: %x*\n$", r.body)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("writes a document for a gRPC request over HTTP/1.1", function()
      local r = server:run { headers = GRPC, access = [[response.error(404)]] }
      assert.matches('"message":"Not found"', r.body, 1, true)
      assert.is_nil(r:header("grpc-status"))
    end)

    it("still checks a message that cannot be encoded", function()
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
