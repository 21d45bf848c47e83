local hosts = require "spec.support.hosts"


local lines = hosts.lines


hosts.each("exit", {
  gateway = true, locations = { ["/literal"] = { underscores = true } },
}, function(server)
  describe("the headers of the call", function()
    --- The headers beginning with X- of an answer with these headers, given as Lua.
    local function sent(headers, before)
      return server:run({
        content = lines(before or "", "response.exit(200, 'x', " .. headers .. ")"),
      }):own_headers("=")
    end

    it("are sent in the order of their names", function()
      assert.same({ "X-a=1", "X-B=2", "x-c=3", "x-d=4", "X-e=5" }, sent([[{
        ["X-e"] = 5, ["x_d"] = 4, ["x-c"] = 3, ["X-B"] = 2, ["X-a"] = 1,
      }]]))
    end)

    it("are sent in the order of their names if there are many", function()
      local headers, expected = {}, {}
      for i = 1, 60 do
        headers[i] = ("['X-%02d'] = '%d',"):format((i * 37) % 61, i)
        expected[(i * 37) % 61] = ("X-%02d=%d"):format((i * 37) % 61, i)
      end
      assert.same(expected, sent("{" .. table.concat(headers) .. "}"))
    end)

    it("with one name in several spellings send the spelling that sorts last", function()
      assert.same({ "3" }, server:run {
        content = "response.exit(200, '', { ['x_a'] = '3', ['x-a'] = '2', ['X-A'] = '1' })",
      }:values("X-A"))
    end)

    it("are repeated for each item of an array, in its order", function()
      assert.same({ "X-A=2", "X-A=1", "X-A=3", "X-B=1" },
        sent([[{ ["X-B"] = { "1" }, ["X-A"] = { "2", "1", "3" } }]]))
    end)

    it("use an array up to its first hole", function()
      assert.same({ "X-A=1" }, sent([[{ ["X-A"] = { "1", nil, "3" } }]]))
    end)

    it("are removed by an empty array", function()
      assert.same({ "X-B=1" },
        sent([[{ ["X-A"] = {} }]], [[ngx.header["X-A"] = "old" ngx.header["X-B"] = "1"]]))
    end)

    it("replace earlier values", function()
      assert.same({ "new" }, server:run {
        content = [[
          ngx.header["X-A"] = { "old", "older" }
          response.exit(200, "", { x_a = "new" })
        ]],
      }:values("X-A"))
    end)

    it("accept numbers and booleans, as tostring writes them", function()
      assert.same({ "X-A=12", "X-B=0.1", "X-C=1e+15", "X-D=true", "X-E=false", "X-F=-0" },
        sent([[{
          ["X-A"] = 12, ["X-B"] = 0.1, ["X-C"] = 1e15, ["X-D"] = true, ["X-E"] = false,
          ["X-F"] = -1e-300 * 1e-300,
        }]]))
    end)

    it("with an empty value are sent with one space", function()
      local r = server:run {
        content = [[response.exit(200, "x", { ["X-A"] = "", ["X-B"] = { "", "1" } })]],
      }
      assert.matches("\r\nX-A:  \r\nX-B:  \r\nX-B: 1\r\n", r.head, 1, true)
    end)

    it("stay one header, because control bytes are escaped", function()
      assert.same({ "X-A=a%0D%0AX-B: 1", "X-C%0Ad=1" },
        sent([[{ ["X-A"] = "a\r\nX-B: 1", ["X-C\nd"] = "1" }]]))
    end)

    it("use the last item if nginx holds one value", function()
      local r = server:run {
        content = [[
          response.exit(302, "", {
            Location = { "http://a/", "http://b/" },
            ETag = { "1", "2" },
            Server = { "one", "two" },
          })
        ]],
      }
      assert.same({ "http://b/" }, r:values("Location"))
      assert.same({ "2" }, r:values("ETag"))
      assert.same({ "two" }, r:values("Server"))
    end)

    it("use the last item of Location, also if it is a path", function()
      local r = server:run {
        content = [[response.exit(302, "", { Location = { "/a", "/b" } })]],
      }
      assert.same({ "/b" }, r:values("Location"))
    end)

    it("keep their underscores if nginx's configuration says so", function()
      local r = server:run {
        path = "/literal",
        content = [[
          response.exit(200, "hello", {
            x_a = "1", ["x-b"] = "2", transfer_encoding = "chunked", content_length = "9",
          })
        ]],
      }
      assert.equal(0, r.exit)
      assert.equal("hello", r.body)
      assert.same({ "x_a=1", "x-b=2" }, {
        "x_a=" .. tostring(r:header("x_a")), "x-b=" .. tostring(r:header("x-b")),
      })
      assert.is_nil(r:header("transfer_encoding"))
      assert.is_nil(r:header("X-A"))
    end)

    it("cannot change the framing", function()
      for _, name in ipairs { "Transfer-Encoding", "transfer_encoding", "TRANSFER-encoding" } do
        server:clear_log()
        local r = server:run {
          content = "response.exit(200, 'x', { ['" .. name .. "'] = 'chunked', ['X-A'] = '1' })",
        }
        assert.equal("x", r.body)
        assert.is_nil(r:header("Transfer-Encoding"))
        assert.same({ "1" }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, r:own_headers("="))
        local line = server:wait_log("([^\n]*manually setting Transfer%-Encoding%. Ignored%.)")
        assert.matches("[warn]", line, 1, true)
      end
    end)

    it("stay unchanged in the caller's table", function()
      server:run {
        content = lines(
          "local headers = setmetatable({ x_b = '', ['X-A'] = { '1', '' }, n = 1,",
          "  ['Content-Length'] = '7', ['Transfer-Encoding'] = 'chunked' }, {",
          "  __newindex = function() note('written') end,",
          "})",
          "ngx.ctx.headers = headers",
          "response.exit(200, { a = 1 }, headers)"
        ),
        log = lines(
          "local seen = {}",
          "for name, value in pairs(ngx.ctx.headers) do",
          "  local text = type(value) == 'table' and table.concat(value, '|') or tostring(value)",
          "  seen[#seen + 1] = name .. '=' .. text .. '/' .. type(value)",
          "end",
          "table.sort(seen)",
          "note(table.concat(seen, ' '))"
        ),
      }
      assert.same({
        "Content-Length=7/string Transfer-Encoding=chunked/string X-A=1|/table n=1/number "
          .. "x_b=/string",
      }, server:noted())
    end)
  end)


  describe("the Content-Length of the call", function()
    local function warning(n, m)
      local text = "Content-Length " .. n .. " does not match the body's " .. m
        .. " bytes: corrected"
      return (text:gsub("%-", "%%-"))
    end

    it("is sent without a warning if it is right", function()
      for _, value in ipairs { "'5'", "5", "{ '5' }", "'0005'" } do
        local r = server:run {
          content = "response.exit(200, 'hello', { ['Content-Length'] = " .. value .. " })",
        }
        assert.equal("hello", r.body)
        assert.equal(5, tonumber(r:header("Content-Length")))
      end
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("is corrected if it is too large or too small", function()
      for _, given in ipairs { "9", "4", "0" } do
        server:clear_log()
        local r = server:run {
          content = "response.exit(200, 'hello', { ['content_length'] = '" .. given .. "' })",
        }
        assert.equal(0, r.exit)
        assert.equal("hello", r.body)
        assert.same({ "5" }, r:values("Content-Length"))
        local line = server:wait_log("([^\n]*" .. warning(given, 5) .. "[^\n]*)")
        assert.matches("[warn]", line, 1, true)
      end
    end)

    it("is corrected for a table", function()
      local r = server:run { content = "response.exit(200, { 1 }, { ['Content-Length'] = 10 })" }
      assert.equal("[1]", r.body)
      assert.same({ "3" }, r:values("Content-Length"))
      assert.is_string(server:wait_log("(" .. warning(10, 3) .. ")"))
    end)

    it("is corrected for an empty body", function()
      local r = server:run { content = "response.exit(404, '', { ['Content-Length'] = 10 })" }
      assert.equal(404, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("Content-Length"))
      assert.is_string(server:wait_log("(" .. warning(10, 0) .. ")"))
    end)

    it("is the last item of an array", function()
      local r = server:run {
        content = "response.exit(200, 'hello', { ['Content-Length'] = { '9', '5' } })",
      }
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("is the spelling that wins", function()
      local r = server:run {
        content = [[
          response.exit(200, "hello", { ["Content-Length"] = "9", content_length = "5" })
        ]],
      }
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("is not changed for HEAD", function()
      local r = server:run {
        method = "HEAD",
        content = "response.exit(200, 'hello', { ['Content-Length'] = 999 })",
      }
      assert.same({ "999" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("is not changed if there is no body", function()
      local r = server:run {
        method = "HEAD",
        content = "response.exit(200, nil, { ['Content-Length'] = '999' })",
      }
      assert.same({ "999" }, r:values("Content-Length"))
    end)

    it("replaces an earlier value", function()
      local r = server:run {
        content = "ngx.header['Content-Length'] = 99 response.exit(200, 'hello')",
      }
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
    end)
  end)
end)
