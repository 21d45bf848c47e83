local hosts = require "spec.support.hosts"


local IGNORED = "manually setting Transfer-Encoding. Ignored."
local ONE = "expected array of string, string, number or boolean"
local EACH = "expected string, number, boolean or array of strings"


hosts.each("special headers", { gateway = true, both_bindings = true }, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("Transfer-Encoding", function()
    it("is ignored by every setter, with a warning", function()
      for _, call in ipairs {
        "response.set_header('Transfer-Encoding', 'gzip')",
        "response.set_header('transfer_encoding', 'gzip')",
        "response.set_header('TRANSFER-ENCODING', { 'gzip', 'chunked' })",
        "response.add_header('Transfer-Encoding', 'gzip')",
        "response.add_header('Transfer_Encoding', 'gzip')",
        "response.set_headers { ['tRANSFER-eNCODING'] = 'gzip', ['X-Foo'] = 'bar' }",
        "response.set_headers { ['TRANSFER_ENCODING'] = {}, ['X-Foo'] = 'bar' }",
      } do
        server:clear_log()
        local r = run { header_filter = call }
        assert.equal(200, r.status, call)
        assert.is_nil(r:header("Transfer-Encoding"), call)
        assert.equal("8", r:header("Content-Length"), call)
        assert.equal("upstream", r.body, call)
        if call:find("X-Foo", 1, true) then
          assert.equal("bar", r:header("X-Foo"))
        end
        local _, count = server:log():gsub("%[warn%][^\n]*" .. IGNORED:gsub("%p", "%%%0"), "")
        assert.equal(1, count, call .. "\n" .. server:log())
      end
    end)

    it("does not change clear_header, and nginx's own is read", function()
      server:clear_log()
      local r = run {
        upstream = "ngx.print('of unknown length')",
        header_filter = [[
          response.clear_header("Transfer-Encoding")
          response.clear_header("transfer_encoding")
        ]],
      }
      assert.equal("chunked", r:header("Transfer-Encoding"))
      assert.equal("of unknown length", r.body)
      assert.is_nil(server:log():find(IGNORED, 1, true))
    end)

    it("is checked as any other header before it is ignored", function()
      server:clear_log()
      local r = run { header_filter = [[
        note(fails(response.set_header, "Transfer-Encoding"),
          fails(response.add_header, "Transfer-Encoding", { 1 }),
          fails(response.set_headers, { ["Transfer-Encoding"] = print }),
          fails(response.set_headers, { ["Transfer-Encoding"] = "gzip", ["X-Foo"] = print }))
      ]] }
      assert.same({
        'invalid header value for "Transfer-Encoding": got nil, ' .. ONE,
        'invalid header value in array "Transfer-Encoding": got number, expected string',
        'invalid header value for "Transfer-Encoding": got function, ' .. EACH,
        'invalid header value for "X-Foo": got function, ' .. EACH,
      }, r.seen.header_filter)
      assert.is_nil(server:log():find(IGNORED, 1, true))
    end)
  end)


  describe("Content-Length", function()
    it("must consist of digits and be in nginx's range", function()
      local r = run { access = [[
        local values = {
          "abc", "-1", "+1", "1.5", " 5", "5 ", "0x10", "1e3", "", " ", "5\0", "5\n", "1,2",
          "9223372036854775808", "18446744073709551615", "99999999999999999999999999", -1, 1.5,
          1e15, 0/0, 1/0, true, false,
        }
        for _, value in ipairs(values) do
          local expected = 'invalid header value for "Content-Length": got "' .. tostring(value)
            .. '", expected a non-negative integer'
          for _, err in ipairs {
            fails(response.set_header, "Content-Length", value),
            fails(response.add_header, "Content-Length", value),
            fails(response.set_headers, { ["Content-Length"] = value }),
          } do
            if err ~= expected and not (type(value) == "string" and value:find("[%z\n]")) then
              note(value, err)
            end
          end
          if type(value) == "string" then
            for _, err in ipairs {
              fails(response.set_header, "Content-Length", { "5", value }),
              fails(response.add_header, "Content-Length", { value, "5" }),
              fails(response.set_headers, { ["Content-Length"] = { value } }),
            } do
              if err ~= expected and not value:find("[%z\n]") then
                note({ value }, err)
              end
            end
          end
          assert(fails(response.set_header, "Content-Length", value))
        end
        ngx.ctx.KONG_PHASE = 0x80
        note(response.get_header("Content-Length") == nil)
      ]] }
      assert.same({ true }, r.seen.access)
      assert.equal("upstream", r.body)
    end)

    it("is checked in any spelling", function()
      local r = run { access = [[
        for _, name in ipairs { "content-length", "CONTENT_LENGTH", "Content_length" } do
          for _, err in ipairs {
            fails(response.set_header, name, "abc") or "no error",
            fails(response.add_header, name, "abc") or "no error",
            fails(response.set_headers, { [name] = "abc" }) or "no error",
          } do
            note(err:match(': (got "abc", expected a non%-negative integer)$') or err)
          end
        end
      ]] }
      assert.equal(9, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal('got "abc", expected a non-negative integer', message)
      end
    end)

    it("can be any number that nginx can store", function()
      local r = run { header_filter = [[
        for _, value in ipairs { "0", 0, 7, "9223372036854775807", "1000000000000000", "8" } do
          response.set_header("Content-Length", value)
          note(response.get_header("Content-Length"))
        end
        response.add_header("content_length", { "3", "8" })
        note(response.get_header("Content-Length"))
      ]] }
      assert.same({ "0", "0", "7", "9223372036854775807", "1000000000000000", "8", "8" },
        r.seen.header_filter)
      assert.same({ "8" }, r:values("Content-Length"))
      assert.equal("upstream", r.body)
    end)

    it("can be removed", function()
      for _, call in ipairs {
        "response.clear_header('content_length')",
        "response.set_header('Content-Length', {})",
        "response.set_headers { ['Content-Length'] = {} }",
      } do
        local r = run { header_filter = call }
        assert.is_nil(r:header("Content-Length"), call)
        assert.equal("chunked", r:header("Transfer-Encoding"), call)
        assert.equal("upstream", r.body, call)
      end
    end)
  end)


  describe("a header with one value in nginx", function()
    local ONCE = {
      "Server", "Date", "Content-Encoding", "Location", "Refresh", "Last-Modified",
      "Content-Range", "Accept-Ranges", "Expires", "ETag", "Content-Type", "Content-Length",
    }

    it("has the last item of an array", function()
      for _, how in ipairs {
        "response.set_header(%q, { '1', '2' })",
        "response.add_header(%q, { '1', '2' })",
        "response.set_headers { [%q] = { '1', '2' } }",
      } do
        local code = {}
        for i, name in ipairs(ONCE) do
          code[i] = how:format(name)
        end
        local r = run { header_filter = table.concat(code, "\n"), max_time = 2 }
        for _, name in ipairs(ONCE) do
          assert.same({ "2" }, r:values(name), how:format(name))
        end
      end
    end)

    it("is replaced by add_header", function()
      local r = run {
        header_filter = [[
          for _, name in ipairs { "]] .. table.concat(ONCE, '", "') .. [[" } do
            response.add_header(name, "1")
            response.add_header(name:upper(), "2")
          end
        ]],
        max_time = 2,
      }
      for _, name in ipairs(ONCE) do
        assert.same({ "2" }, r:values(name), name)
      end
    end)

    for _, how in ipairs { "set_header", "add_header" } do
      it("is replaced by " .. how .. " if the upstream sent it", function()
        local names = {
          "Content-Encoding", "Last-Modified", "Expires", "ETag", "Location", "Refresh",
        }
        local r = run {
          upstream = [[
            for _, name in ipairs { "]] .. table.concat(names, '", "') .. [[" } do
              ngx.header[name] = "old"
            end
            ngx.print("body")
          ]],
          header_filter = [[
            for _, name in ipairs { "]] .. table.concat(names, '", "') .. [[" } do
              response.]] .. how .. [[(name, "new")
            end
          ]],
        }
        for _, name in ipairs(names) do
          assert.same({ "new" }, r:values(name), name)
        end
      end)
    end

    it("is ETag in both spellings", function()
      local r = run { header_filter = [[
        response.set_header("ETag", '"1"')
        response.set_header("E-Tag", '"2"')
      ]] }
      local values = r:values("ETag")
      for _, value in ipairs(r:values("E-Tag")) do
        values[#values + 1] = value
      end
      assert.same({ '"2"' }, values)
    end)

    it("is not Cache-Control, Link, Set-Cookie or Vary", function()
      local names = { "Cache-Control", "Link", "Set-Cookie", "Vary" }
      local r = run { header_filter = [[
        for _, name in ipairs { "]] .. table.concat(names, '", "') .. [[" } do
          response.set_header(name, { "0" })
          response.set_header(name, { "1", "2" })
          response.add_header(name:lower(), "3")
        end
      ]] }
      for _, name in ipairs(names) do
        assert.same({ "1", "2", "3" }, r:values(name), name)
      end
    end)

    it("is WWW-Authenticate if nginx sends it once", function()
      local r = run { header_filter = [[
        response.set_header("WWW-Authenticate", { "Basic", "Bearer" })
      ]] }
      local expected = server:has "repeated_www_authenticate" and { "Basic", "Bearer" }
        or { "Bearer" }
      assert.same(expected, r:values("WWW-Authenticate"))
    end)
  end)
end)
