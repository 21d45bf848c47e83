local hosts = require "spec.support.hosts"


hosts.each("a header of a setter", { gateway = true, both_bindings = true }, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("with a value", function()
    it("sends the text that tostring returns for its type", function()
      local r = run { header_filter = [[
        local values = {
          "text", 1, -1, 0, 1.5, 1e15, 1e14, 2^53, 1/3, 1e-5, 1e300, 1/0, -1/0, 0/0, -0, 123456789,
          100000000000000, true, false, " spaces ", "tab\tinside", ("long"):rep(2500),
        }
        for i, value in ipairs(values) do
          response.set_header("X-Set-" .. i, value)
          response.add_header("X-Add-" .. i, value)
          response.set_headers { ["X-All-" .. i] = value }
          note(tostring(value))
        end
      ]] }
      assert.equal(22, #r.seen.header_filter)
      assert.equal("1e+15", r.seen.header_filter[6])
      for i, text in ipairs(r.seen.header_filter) do
        -- the spaces at both ends of a value are not curl's to keep
        local expected = text:match("^ *(.-) *$")
        for _, how in ipairs { "X-Set-", "X-Add-", "X-All-" } do
          local value = r:header(how .. i)
          assert.equal(expected, value and value:match("^ *(.-) *$"), how .. i)
        end
      end
    end)

    it("sends one space if it is empty", function()
      local r = run { header_filter = [[
        response.set_header("X-Set", "")
        response.add_header("X-Add", "")
        response.add_header("X-Add", "")
        response.set_headers { ["X-All"] = "", ["X-Array"] = { "a", "", "b" } }
        response.set_header("X-Array-Set", { "" })
        response.add_header("X-Array-Add", { "", "a" })
        response.set_header("Server", "")
        response.set_header("Location", "")
        return response.get_header("X-Set"), response.get_header("X-Array-Set"),
          response.get_header("Location")
      ]] }
      assert.same({ " ", " ", " " }, r.seen.header_filter)
      assert.truthy(r.head:find("\r\nX-Set:  \r\nX-Add:  \r\nX-Add:  \r\nX-All:  \r\n"
        .. "X-Array: a\r\nX-Array:  \r\nX-Array: b\r\nX-Array-Set:  \r\n"
        .. "X-Array-Add:  \r\nX-Array-Add: a\r\n", 1, true), r.head)
      assert.truthy(r.head:find("\r\nServer:  \r\n", 1, true), r.head)
    end)

    it("sends each item of an array", function()
      local r = run {
        upstream = [[
          ngx.header["X-Old"] = { "1", "2" }
          ngx.header["X-Gone"] = "x"
          ngx.print("body")
        ]],
        header_filter = [[
          response.set_header("X-Old", { "a", "b", "c" })
          response.set_header("X-New", { "a", "b" })
          response.add_header("X-New", { "c", "d" })
          response.set_header("X-One", { "a" })
          response.set_headers { ["X-Gone"] = { "a", "a" } }
        ]],
      }
      assert.same({ "a", "b", "c" }, r:values("X-Old"))
      assert.same({ "a", "b", "c", "d" }, r:values("X-New"))
      assert.same({ "a" }, r:values("X-One"))
      assert.same({ "a", "a" }, r:values("X-Gone"))
    end)

    it("sends the items of an array up to its first hole", function()
      local r = run { header_filter = [[
        response.set_header("X-Set", { "a", "b", nil, "d" })
        response.add_header("X-Add", { "a", nil, "c" })
        response.set_headers { ["X-All"] = { "a", nil, "c" } }
      ]] }
      assert.same({ "X-Set: a", "X-Set: b", "X-Add: a", "X-All: a" }, r:own_headers(": "))
    end)

    it("is removed by an empty array, or not added", function()
      local r = run {
        upstream = [[
          for _, name in ipairs { "X-Set", "X-Add", "X-All", "X-Hole" } do
            ngx.header[name] = { "1", "2" }
          end
          ngx.print("body")
        ]],
        header_filter = [[
          response.set_header("X-Set", {})
          response.add_header("X-Add", {})
          response.add_header("X-None", {})
          response.set_headers { ["X-All"] = {} }
          response.set_header("X-Hole", { nil, "b" })
        ]],
      }
      assert.same({ "X-Add: 1", "X-Add: 2" }, r:own_headers(": "))
    end)

    it("is read once from a table, which is not changed", function()
      local r = run { header_filter = [[
        local array = { "a", "", "b\r\n" }
        local headers = { ["X-Foo"] = array, ["X-Bar"] = "" }
        response.set_headers(headers)
        response.set_header("X-Foo", array)
        response.add_header("X-Foo", array)
        return array, headers
      ]] }
      local array = { "a", "", "b\r\n" }
      assert.same({ array, { ["X-Foo"] = array, ["X-Bar"] = "" } }, r.seen.header_filter)
    end)

    it("can be long, and can be one of many", function()
      local r = run { header_filter = [[
        response.set_header("X-Long", ("v"):rep(60000))
        for i = 1, 300 do
          response.add_header("X-Many", i)
        end
      ]] }
      assert.equal(("v"):rep(60000), r:header("X-Long"))
      assert.equal(300, #r:values("X-Many"))
      assert.equal("300", r:values("X-Many")[300])
    end)
  end)


  describe("the escaping", function()
    local function escaped(byte)
      return ("%%%02X"):format(byte)
    end

    it("covers control bytes in values", function()
      local r = run { header_filter = [[
        for byte = 0, 255 do
          local value = "a" .. string.char(byte) .. "b"
          response.set_header("X-Set-" .. byte, value)
          response.add_header("X-Add-" .. byte, { value })
        end
        for byte = 0, 255, 51 do
          response.set_headers { ["X-All-" .. byte] = { "x", string.char(byte) .. "b" } }
        end
      ]] }
      assert.equal(200, r.status)
      for byte = 0, 255 do
        local expected = string.char(byte)
        if byte < 0x20 and byte ~= 9 or byte == 0x7F then
          expected = escaped(byte)
        end
        assert.equal("a" .. expected .. "b", r:header("X-Set-" .. byte))
        assert.equal("a" .. expected .. "b", r:header("X-Add-" .. byte))
        if byte % 51 == 0 then
          assert.equal((byte == 0 and "%00" or expected) .. "b", r:values("X-All-" .. byte)[2])
        end
      end
    end)

    it("covers all bytes that names cannot have", function()
      local r = run { header_filter = [[
        for byte = 0, 255 do
          response.set_header("X-Set" .. byte .. string.char(byte) .. "z", byte)
        end
        response.add_header("X-Add\r\n", "1")
        response.set_headers { ["X-All: \n"] = "2" }
      ]] }
      local wire = {}
      for _, header in ipairs(r.headers) do
        wire[header[1]] = header[2]
      end
      for byte = 0, 255 do
        local char = string.char(byte)
        if byte <= 0x20 or byte >= 0x7F or ('"(),/:;<=>?@[\\]{}'):find(char, 1, true) then
          char = escaped(byte)
        elseif char == "_" then
          char = "-"
        end
        assert.equal(tostring(byte), wire["X-Set" .. byte .. char .. "z"], "byte " .. byte)
      end
      assert.equal("1", wire["X-Add%0D%0A"])
      assert.equal("2", wire["X-All%3A%20%0A"])
    end)

    it("prevents that a value becomes a header", function()
      local r = run { header_filter = [[
        response.set_header("X-Foo", "a\r\nX-Evil: 1")
        response.add_header("X-Bar", "a\nX-Evil: 1\r\n\r\n<html>")
        response.set_header("X-Baz", { "a", "\r\nX-Evil: 1" })
        response.set_header("Content-Type", "text/plain\r\nX-Evil: 1")
        response.set_header("Server", "a\r\nX-Evil: 1")
        response.set_header("Date", "a\r\nX-Evil: 1")
        response.set_header("Last-Modified", "a\r\nX-Evil: 1")
        response.set_header("X-Key\r\nX-Evil", "1")
      ]] }
      assert.same({}, r:values("X-Evil"))
      assert.equal("a%0D%0AX-Evil: 1", r:header("X-Foo"))
      assert.equal("a%0AX-Evil: 1%0D%0A%0D%0A<html>", r:header("X-Bar"))
      assert.same({ "a", "%0D%0AX-Evil: 1" }, r:values("X-Baz"))
      assert.equal("text/plain%0D%0AX-Evil: 1", r:header("Content-Type"))
      assert.equal("a%0D%0AX-Evil: 1", r:header("Server"))
      assert.equal("1", r:header("X-Key%0D%0AX-Evil"))
      assert.equal("upstream", r.body)
    end)
  end)


  describe("its name", function()
    it("matches in any spelling", function()
      local r = run {
        upstream = [[
          ngx.header["X-Set"] = { "1", "2" }
          ngx.header["X-All"] = { "1", "2" }
          ngx.header["X-Add"] = { "1", "2" }
          ngx.header["X-Clear"] = { "1", "2" }
          ngx.print("body")
        ]],
        header_filter = [[
          response.set_header("x_SET", "3")
          response.set_headers { x_all = "3" }
          response.add_header("x_add", "3")
          response.clear_header("X_cLEAR")
        ]],
      }
      assert.same({ "3" }, r:values("X-Set"))
      assert.same({ "3" }, r:values("X-All"))
      assert.same({ "1", "2", "3" }, r:values("X-Add"))
      assert.same({}, r:values("X-Clear"))
    end)

    it("is sent with dashes and in the given case", function()
      local r = run { header_filter = [[
        response.set_header("x_Foo_BAR", "1")
        response.add_header("x_Add_Me", "2")
        response.set_headers { x_ALL_ = "3" }
      ]] }
      assert.same({ "x-Foo-BAR: 1", "x-Add-Me: 2", "x-ALL-: 3" }, r:own_headers(": "))
    end)

    it("keeps underscores if nginx's configuration says so", function()
      local r = run {
        path = "/underscores",
        upstream = "ngx.header['X_Old'] = '1' ngx.header['X-Old'] = '2' ngx.print('body')",
        header_filter = [[
          response.set_header("X_Foo", "1")
          response.add_header("X_Add", "2")
          response.set_headers { X_All = "3" }
          response.clear_header("X_Old")
        ]],
      }
      assert.equal("1", r:header("X_Foo"))
      assert.equal("2", r:header("X_Add"))
      assert.equal("3", r:header("X_All"))
      assert.is_nil(r:header("X_Old"))
      assert.equal("2", r:header("X-Old"))
      assert.is_nil(r:header("X-Foo"))
    end)
  end)
end)
