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


hosts.each("exit with a gRPC Content-Type in the response", {}, function(server)
  for name, http2 in pairs { ["HTTP/1.1"] = false, ["HTTP/2"] = true } do
    describe("over " .. name, function()
      local function exit(code, request)
        local case = request or {}
        case.http2 = http2
        case.access = code
        return server:run(case)
      end

      it("sends the body, grpc-status and the status's name as grpc-message", function()
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

      it("accepts subtypes and parameters, and any spelling of the name", function()
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

      it("uses the item of an array that is sent", function()
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

      it("finds a Content-Type that was set before the call", function()
        local r = exit [[
          ngx.header.content_type = "application/grpc"
          response.exit(404, "gone")
        ]]
        assert.equal(404, r.status)
        assert.equal("gone", r.body)
        assert.same({ "5" }, r:values("grpc-status"))
        assert.same({ "NotFound" }, r:values("grpc-message"))
      end)

      it("sends an empty body without a body, and no page of nginx", function()
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

      it("raises an error for a table", function()
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

      it("raises an error for a table if the Content-Type was set before the call", function()
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

      it("keeps the call's grpc-status, and adds no grpc-message", function()
        for _, header in ipairs { "grpc-status", "Grpc_Status" } do
          local r = exit([[response.exit(403, "x", {
            ["Content-Type"] = "application/grpc",
            ["]] .. header .. [["] = 9,
          })]])
          assert.same({ "9" }, r:values("grpc-status"))
          assert.is_nil(r:header("grpc-message"))
        end
      end)

      it("keeps an earlier grpc-status, and adds no grpc-message", function()
        local r = exit [[
          ngx.header["grpc-status"] = 11
          response.exit(403, nil, { ["Content-Type"] = "application/grpc" })
        ]]
        assert.same({ "11" }, r:values("grpc-status"))
        assert.is_nil(r:header("grpc-message"))
      end)

      it("keeps a grpc-message of the call or an earlier one", function()
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

      it("prefers the call's Content-Type to an earlier one", function()
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

  it("drops the fraction of a status", function()
    local r = server:run {
      access = [[response.exit(404.9, nil, { ["Content-Type"] = "application/grpc" })]],
    }
    assert.equal(404, r.status)
    assert.same({ "5" }, r:values("grpc-status"))
    assert.same({ "NotFound" }, r:values("grpc-message"))
  end)
end)
