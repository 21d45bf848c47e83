local plugins = require "spec.support.plugins"


local SENT = "headers have already been sent"
local IGNORED = "manually setting Transfer-Encoding. Ignored."
local ONE = "expected array of string, string, number or boolean"
local EACH = "expected string, number, boolean or array of strings"


--- The headers whose names start with "x-", in the order of the wire: { "name: value" }.
local function custom_headers(r)
  local lines = {}
  for _, header in ipairs(r.headers) do
    if header[1]:lower():find("^x%-") then
      lines[#lines + 1] = header[1] .. ": " .. header[2]
    end
  end
  return lines
end


plugins.each_binding(function(run, server)
  describe("set_header() and add_header()", function()
    it("want a name that is a string", function()
      local r = run { access = [[
        local table_name = {}
        for _, f in ipairs { response.set_header, response.add_header } do
          see(fails(f, nil, "x"), fails(f, 1, "x"), fails(f, 1.5, "x"), fails(f, true, "x"),
            fails(f, ngx.null, "x"), fails(f), fails(f, 1LL, "x"))
          see(fails(f, table_name, "x") == string.format(
            'invalid header name %q: got table, expected string', tostring(table_name)))
          see(fails(f, print, "x") == string.format(
            'invalid header name %q: got function, expected string', tostring(print)))
        end
      ]] }
      local each = {
        'invalid header name "nil": got nil, expected string',
        'invalid header name "1": got number, expected string',
        'invalid header name "1.5": got number, expected string',
        'invalid header name "true": got boolean, expected string',
        'invalid header name "userdata: NULL": got userdata, expected string',
        'invalid header name "nil": got nil, expected string',
        'invalid header name "1LL": got cdata, expected string',
        true, true,
      }
      for i = 1, 18 do
        assert.equal(each[(i - 1) % 9 + 1], r.seen.access[i])
      end
    end)

    it("want a value that can be sent", function()
      local r = run { access = [[
        for _, f in ipairs { response.set_header, response.add_header } do
          see(fails(f, "X-Foo"), fails(f, "X-Foo", print), fails(f, "X-Foo", ngx.null),
            fails(f, "X-Foo", 1LL), fails(f, "X-Foo", coroutine.create(function() end)))
          see(fails(f, "X-Foo", { 1 }), fails(f, "X-Foo", { "a", true }),
            fails(f, "X-Foo", { "a", "b", {} }), fails(f, "X-Foo", { print }),
            fails(f, "X-Foo", { 1LL, "a" }))
        end
      ]] }
      local each = {
        'invalid header value for "X-Foo": got nil, ' .. ONE,
        'invalid header value for "X-Foo": got function, ' .. ONE,
        'invalid header value for "X-Foo": got userdata, ' .. ONE,
        'invalid header value for "X-Foo": got cdata, ' .. ONE,
        'invalid header value for "X-Foo": got thread, ' .. ONE,
        'invalid header value in array "X-Foo": got number, expected string',
        'invalid header value in array "X-Foo": got boolean, expected string',
        'invalid header value in array "X-Foo": got table, expected string',
        'invalid header value in array "X-Foo": got function, expected string',
        'invalid header value in array "X-Foo": got cdata, expected string',
      }
      assert.equal(20, #r.seen.access)
      for i, message in ipairs(r.seen.access) do
        assert.equal(each[(i - 1) % 10 + 1], message)
      end
      assert.same({}, custom_headers(r))
    end)

    it("quote the name as string.format's %q does", function()
      local r = run { access = [[
        local different = {}
        local function check(name)
          local quoted = string.format("%q", name)
          if fails(response.set_header, name, nil) ~= "invalid header value for " .. quoted
            .. ": got nil, expected array of string, string, number or boolean"
            or fails(response.add_header, name, { 1 }) ~= "invalid header value in array " .. quoted
            .. ": got number, expected string"
            or fails(response.set_headers, { [name] = print }) ~= "invalid header value for "
            .. quoted .. ": got function, expected string, number, boolean or array of strings"
          then
            different[#different + 1] = name
          end
        end
        for byte = 0, 255 do
          check("X-" .. string.char(byte) .. "Foo")
          check("X-" .. string.char(byte) .. "1")
        end
        check("")
        check(("x"):rep(5000))
        return different
      ]] }
      assert.same({ {} }, r.seen.access)
    end)

    it("check the name before the value", function()
      local r = run { access = [[
        return fails(response.set_header, 1, nil), fails(response.add_header, 1, {})
      ]] }
      assert.same({
        'invalid header name "1": got number, expected string',
        'invalid header name "1": got number, expected string',
      }, r.seen.access)
    end)
  end)


  describe("clear_header()", function()
    it("wants a string", function()
      local r = run { access = [[
        for _, name in ipairs { 1, true, {}, print, ngx.null } do
          see(fails(response.clear_header, name))
        end
        see(fails(response.clear_header))
      ]] }
      assert.equal(6, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal("header name must be a string", message)
      end
    end)
  end)


  describe("set_headers()", function()
    it("wants a table", function()
      local r = run { access = [[
        for _, headers in ipairs { 1, true, "X-Foo: bar", print, ngx.null } do
          see(fails(response.set_headers, headers))
        end
        see(fails(response.set_headers))
      ]] }
      assert.equal(6, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal("headers must be a table", message)
      end
    end)

    it("checks each pair", function()
      local r = run { access = [[
        local set = response.set_headers
        see(fails(set, { "x" }), fails(set, { [1.5] = "x" }), fails(set, { [true] = "x" }),
          fails(set, { { "X-Foo", "bar" } }))
        see(fails(set, { ["X-Foo"] = print }), fails(set, { ["X-Foo"] = ngx.null }),
          fails(set, { ["X-Foo"] = 1LL }))
        see(fails(set, { ["X-Foo"] = { 1 } }), fails(set, { ["X-Foo"] = { "a", {} } }))
      ]] }
      assert.same({
        'invalid header name "1": got number, expected string',
        'invalid header name "1.5": got number, expected string',
        'invalid header name "true": got boolean, expected string',
        'invalid header name "1": got number, expected string',
        'invalid header value for "X-Foo": got function, ' .. EACH,
        'invalid header value for "X-Foo": got userdata, ' .. EACH,
        'invalid header value for "X-Foo": got cdata, ' .. EACH,
        'invalid header value in array "X-Foo": got number, expected string',
        'invalid header value in array "X-Foo": got table, expected string',
      }, r.seen.access)
    end)

    it("accepts an empty table", function()
      local r = run { header_filter = "response.set_headers {}" }
      assert.equal(200, r.status)
      assert.same({}, custom_headers(r))
    end)
  end)


  describe("an error of a setter", function()
    local CALLS = {
      { 'response.set_header("X-Foo", nil)', 'invalid header value for "X-Foo": got nil, ' .. ONE },
      { 'response.set_header(1, "x")', 'invalid header name "1": got number, expected string' },
      { 'response.set_header("X-Foo", { 1 })',
        'invalid header value in array "X-Foo": got number, expected string' },
      { 'response.add_header("X-Foo", {}, 1) response.add_header("X-Foo", print)',
        'invalid header value for "X-Foo": got function, ' .. ONE },
      { 'response.add_header({ 1 } and 2, "x")',
        'invalid header name "2": got number, expected string' },
      { 'response.clear_header(nil)', "header name must be a string" },
      { 'response.set_headers("x")', "headers must be a table" },
      { 'response.set_headers { ["X-Foo"] = { true } }',
        'invalid header value in array "X-Foo": got boolean, expected string' },
      { 'response.set_header("Content-Length", "abc")',
        'invalid header value for "Content-Length": got "abc", expected a non-negative integer' },
    }

    for _, call in ipairs(CALLS) do
      it("shows the plugin's line: " .. call[1], function()
        local r = run { fails = true, access = "\n\n" .. call[1] .. "\nreturn 1" }
        assert.equal("access.lua:3: " .. call[2], r.errors.access)
      end)
    end

    it("shows the line of the function that called", function()
      local r = run { fails = true, access = [[
        local function set(name)
          response.clear_header(name)
          return true
        end
        local function plugin()
          set(1)
        end
        plugin()
      ]] }
      assert.equal("access.lua:2: header name must be a string", r.errors.access)
    end)

    it("shows a line out of compiled code too", function()
      local r = run { fails = true, header_filter = [[
        for i = 1, 500 do
          local value = i
          if i == 500 then value = nil end
          response.set_header("X-Foo", value)
        end
      ]] }
      assert.equal('header_filter.lua:4: invalid header value for "X-Foo": got nil, ' .. ONE,
        r.errors.header_filter)
      assert.same({ "X-Foo: 499" }, custom_headers(r))
    end)

    it("has no position under pcall, and is a string", function()
      local r = run { access = [[
        local ok, err = pcall(response.clear_header, 1)
        return ok, type(err), err
      ]] }
      assert.same({ false, "string", "header name must be a string" }, r.seen.access)
    end)

    it("says first that headers have been sent", function()
      local r = run {
        fails = true,
        content = [[
          ngx.print("content")
          ngx.flush(true)
          ngx.ctx.KONG_PHASE = nil -- the filters have run
          see(fails(response.set_header), fails(response.add_header), fails(response.clear_header),
            fails(response.set_headers), fails(response.set_header, "X-Foo", "1"))
          response.set_header("X-Foo", "1")
        ]],
      }
      assert.same({ SENT, SENT, SENT, SENT, SENT }, r.seen.content)
      assert.equal("content.lua:6: " .. SENT, r.errors.content)
      assert.equal("content", r.body)
    end)

    it("leaves everything as it was", function()
      local r = run {
        upstream = [[
          ngx.header["X-Old"] = { "1", "2" }
          ngx.header["Content-Length"] = 4
          ngx.print("body")
        ]],
        header_filter = [[
          assert(fails(response.set_header, "X-Old", { "a", 1 }))
          assert(fails(response.add_header, "X-Old", { "a", 1 }))
          for _, bad in ipairs { "X-Zoo", "X-Aaa" } do
            assert(fails(response.set_headers, {
              ["X-Old"] = "3", ["X-New"] = "1", ["X-Mmm"] = { "1" }, ["Content-Length"] = "2",
              [bad] = print,
            }))
          end
          assert(fails(response.set_headers, { ["X-New"] = "1", [1] = "x" }))
          assert(fails(response.set_headers, { ["X-New"] = "1", ["X-Zoo"] = { "a", {} } }))
          assert(fails(response.set_headers, { ["X-New"] = "1", ["Content-Length"] = "-1" }))
          assert(fails(response.set_headers, { A = "1", ["X-Old"] = {}, ["Content-Length"] = "x" }))
          assert(fails(response.set_header, "Content-Length", { "3", "x" }))
          assert(fails(response.add_header, "Content-Length", "x"))
        ]],
      }
      assert.same({ "X-Old: 1", "X-Old: 2" }, custom_headers(r))
      assert.is_nil(r:header("A"))
      assert.equal("4", r:header("Content-Length"))
      assert.equal("body", r.body)
    end)
  end)


  describe("a value", function()
    it("of each type goes through tostring", function()
      local r = run { header_filter = [[
        local values = {
          "text", 1, -1, 0, 1.5, 1e15, 1e14, 2^53, 1/3, 1e-5, 1e300, 1/0, -1/0, 0/0, -0, 123456789,
          100000000000000, true, false, " spaces ", "tab\tinside", ("long"):rep(2500),
        }
        for i, value in ipairs(values) do
          response.set_header("X-Set-" .. i, value)
          response.add_header("X-Add-" .. i, value)
          response.set_headers { ["X-All-" .. i] = value }
          see(tostring(value))
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

    it("that is empty is sent as one space", function()
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

    it("that is an array sends each item", function()
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

    it("that is an array ends at the first hole", function()
      local r = run { header_filter = [[
        response.set_header("X-Set", { "a", "b", nil, "d" })
        response.add_header("X-Add", { "a", nil, "c" })
        response.set_headers { ["X-All"] = { "a", nil, "c" } }
      ]] }
      assert.same({ "X-Set: a", "X-Set: b", "X-Add: a", "X-All: a" }, custom_headers(r))
    end)

    it("that is an empty array removes the header, or adds nothing", function()
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
      assert.same({ "X-Add: 1", "X-Add: 2" }, custom_headers(r))
    end)

    it("is read once and not changed", function()
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

    it("may be long, and there may be many", function()
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


  describe("escaping", function()
    local function escaped(byte)
      return ("%%%02X"):format(byte)
    end

    it("covers the control bytes of values", function()
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

    it("covers everything that is no name in names", function()
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

    it("keeps a value from becoming a header", function()
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
        server():clear_log()
        local r = run { header_filter = call }
        assert.equal(200, r.status, call)
        assert.is_nil(r:header("Transfer-Encoding"), call)
        assert.equal("8", r:header("Content-Length"), call)
        assert.equal("upstream", r.body, call)
        if call:find("X-Foo", 1, true) then
          assert.equal("bar", r:header("X-Foo"))
        end
        local _, count = server():log():gsub("%[warn%][^\n]*" .. IGNORED:gsub("%p", "%%%0"), "")
        assert.equal(1, count, call .. "\n" .. server():log())
      end
    end)

    it("is not looked at by clear_header, nor does it hide what nginx says", function()
      server():clear_log()
      local r = run {
        upstream = "ngx.print('of unknown length')",
        header_filter = [[
          response.clear_header("Transfer-Encoding")
          response.clear_header("transfer_encoding")
        ]],
      }
      assert.equal("chunked", r:header("Transfer-Encoding"))
      assert.equal("of unknown length", r.body)
      assert.is_nil(server():log():find(IGNORED, 1, true))
    end)

    it("is checked like any other header before it is ignored", function()
      server():clear_log()
      local r = run { header_filter = [[
        see(fails(response.set_header, "Transfer-Encoding"),
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
      assert.is_nil(server():log():find(IGNORED, 1, true))
    end)
  end)


  describe("Content-Length", function()
    it("must be digits within nginx's range", function()
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
              see(value, err)
            end
          end
          if type(value) == "string" then
            for _, err in ipairs {
              fails(response.set_header, "Content-Length", { "5", value }),
              fails(response.add_header, "Content-Length", { value, "5" }),
              fails(response.set_headers, { ["Content-Length"] = { value } }),
            } do
              if err ~= expected and not value:find("[%z\n]") then
                see({ value }, err)
              end
            end
          end
          assert(fails(response.set_header, "Content-Length", value))
        end
        ngx.ctx.KONG_PHASE = 0x80
        see(response.get_header("Content-Length") == nil)
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
            see(err:match(': (got "abc", expected a non%-negative integer)$') or err)
          end
        end
      ]] }
      assert.equal(9, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal('got "abc", expected a non-negative integer', message)
      end
    end)

    it("may be anything nginx can hold", function()
      local r = run { header_filter = [[
        for _, value in ipairs { "0", 0, 7, "9223372036854775807", "1000000000000000", "8" } do
          response.set_header("Content-Length", value)
          see(response.get_header("Content-Length"))
        end
        response.add_header("content_length", { "3", "8" })
        see(response.get_header("Content-Length"))
      ]] }
      assert.same({ "0", "0", "7", "9223372036854775807", "1000000000000000", "8", "8" },
        r.seen.header_filter)
      assert.same({ "8" }, r:values("Content-Length"))
      assert.equal("upstream", r.body)
    end)

    it("may be removed", function()
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


  describe("a header that nginx holds once", function()
    local ONCE = {
      "Server", "Date", "Content-Encoding", "Location", "Refresh", "Last-Modified",
      "Content-Range", "Accept-Ranges", "Expires", "ETag", "Content-Type", "Content-Length",
    }

    it("takes the last item of an array", function()
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

    it("is replaced by adding", function()
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
      it("is replaced by " .. how .. " when the service sent it", function()
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

    it("is one in both spellings of ETag", function()
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

    it("is WWW-Authenticate up to lua-nginx-module 0.10.23", function()
      local r = run { header_filter = [[
        response.set_header("WWW-Authenticate", { "Basic", "Bearer" })
        return ngx.config.ngx_lua_version
      ]] }
      local expected = r.seen.header_filter[1] > 10023 and { "Basic", "Bearer" } or { "Bearer" }
      assert.same(expected, r:values("WWW-Authenticate"))
    end)
  end)


  describe("names", function()
    it("match in any spelling", function()
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

    it("are sent with dashes and in the case given", function()
      local r = run { header_filter = [[
        response.set_header("x_Foo_BAR", "1")
        response.add_header("x_Add_Me", "2")
        response.set_headers { x_ALL_ = "3" }
      ]] }
      assert.same({ "x-Foo-BAR: 1", "x-Add-Me: 2", "x-ALL-: 3" }, custom_headers(r))
    end)

    it("keep underscores where nginx is told to", function()
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


  describe("clear_header()", function()
    it("removes every value and nothing else", function()
      local r = run {
        upstream = [[
          ngx.header["X-Foo"] = { "1", "2", "3" }
          ngx.header["X-Foo-Bar"] = "4"
          ngx.header["ETag"] = '"1"'
          ngx.header["Cache-Control"] = { "a", "b" }
          ngx.header["Content-Type"] = "text/html"
          ngx.print("body")
        ]],
        header_filter = [[
          response.add_header("X-Foo", "5")
          response.clear_header("x-foo")
          response.clear_header("etag")
          response.clear_header("Cache-Control")
          response.clear_header("Content-Type")
          response.clear_header("X-None")
          response.clear_header("")
          see(response.get_header("Content-Type") == nil, response.get_header("X-Foo") == nil)
        ]],
      }
      assert.same({ "X-Foo-Bar: 4" }, custom_headers(r))
      assert.is_nil(r:header("ETag"))
      assert.is_nil(r:header("Cache-Control"))
      assert.is_nil(r:header("Content-Type"))
      assert.same({ true, true }, r.seen.header_filter)
    end)

    it("removes nginx's own Server and Date", function()
      local r = run { header_filter = [[
        response.clear_header("Server")
        response.clear_header("date")
      ]] }
      assert.is_nil(r:header("Server"))
      assert.is_nil(r:header("Date"))
      assert.equal(200, r.status)
      assert.equal("upstream", r.body)
    end)

    it("leaves room to set the header again", function()
      local r = run { header_filter = [[
        for _, name in ipairs { "X-Foo", "Server", "Content-Type" } do
          response.set_header(name, "1")
          response.clear_header(name)
          response.set_header(name, "2")
        end
      ]] }
      assert.same({ "2" }, r:values("X-Foo"))
      assert.same({ "2" }, r:values("Server"))
      assert.same({ "2" }, r:values("Content-Type"))
    end)
  end)


  describe("set_headers()", function()
    it("sends in the order of the lower-cased names", function()
      local r = run { header_filter = [[
        response.set_headers {
          ["X-b"] = "4", ["x-A"] = { "2", "1" }, ["X_C"] = "5", ["X-Bb"] = "6", ["x-a-b"] = "3",
          ["X-1"] = "0", ["X-ZZ"] = "8", ["X-Z"] = "7", ["X-a.b"] = "9", ["X!"] = "10",
        }
      ]] }
      assert.same({
        "X-1: 0", "x-A: 2", "x-A: 1", "x-a-b: 3", "X-a.b: 9", "X-b: 4", "X-Bb: 6", "X-C: 5",
        "X-Z: 7", "X-ZZ: 8",
      }, custom_headers(r))
      assert.equal("10", r:header("X!"))
    end)

    it("sends the documented example in order", function()
      local r = run {
        upstream = "ngx.header['X-Bar'] = 'bar1' ngx.print('body')",
        header_filter = [[
          response.set_headers {
            ["Bla"] = "boo", ["X-Foo"] = "foo3", ["Cache-Control"] = { "no-store", "no-cache" },
          }
        ]],
      }
      assert.truthy(r.head:find("\r\nX-Bar: bar1\r\nBla: boo\r\nCache-Control: no-store\r\n"
        .. "Cache-Control: no-cache\r\nX-Foo: foo3\r\n", 1, true), r.head)
    end)

    it("lets the last of several spellings win, by their bytes", function()
      local r = run { header_filter = [[
        response.set_headers { ["X-Foo"] = "1", ["x-foo"] = "4", ["X_Foo"] = "2", ["x-Foo"] = "3" }
        response.set_headers { ["X-Bar"] = "1", ["X_BAR"] = "2", ["X_Bar"] = { "3", "4" } }
      ]] }
      assert.same({ "4" }, r:values("X-Foo"))
      assert.same({ "3", "4" }, r:values("X-Bar"))
    end)

    it("overrides its headers and leaves the others", function()
      local r = run {
        upstream = [[
          ngx.header["X-One"] = { "1", "2" }
          ngx.header["X-Two"] = { "3", "4" }
          ngx.header["Content-Type"] = "text/html"
          ngx.print("body")
        ]],
        header_filter = "response.set_headers { ['X-One'] = '5', ['X-Three'] = { '6', '7' } }",
      }
      assert.same({ "5" }, r:values("X-One"))
      assert.same({ "3", "4" }, r:values("X-Two"))
      assert.same({ "6", "7" }, r:values("X-Three"))
      assert.equal("text/html", r:header("Content-Type"))
    end)

    it("takes hundreds of headers", function()
      local r = run { header_filter = [[
        local headers = {}
        for i = 1, 500 do
          headers[("X-H-%03d"):format(i)] = i
        end
        response.set_headers(headers)
      ]] }
      local lines = custom_headers(r)
      assert.equal(500, #lines)
      assert.equal("X-H-001: 1", lines[1])
      assert.equal("X-H-500: 500", lines[500])
    end)
  end)


  describe("the setters", function()
    it("return nothing", function()
      local r = run { access = [[
        return select("#", response.set_header("X-Foo", "1")),
          select("#", response.add_header("X-Foo", "2")),
          select("#", response.set_headers { ["X-Foo"] = "3" }),
          select("#", response.clear_header("X-Foo")),
          select("#", response.set_header("Transfer-Encoding", "x"))
      ]] }
      assert.same({ 0, 0, 0, 0, 0 }, r.seen.access)
    end)

    it("can be called from rewrite to header_filter", function()
      local r = run {
        rewrite = "response.set_header('X-Rewrite', '1')",
        access = "response.add_header('X-Access', '2') response.add_header('X-Rewrite', '3')",
        balancer = "response.set_headers { ['X-Balancer'] = '4' }",
        header_filter = "response.add_header('X-Filter', '5') response.clear_header('X-Access')",
        http2 = true,
      }
      assert.same({ "1", "3" }, r:values("X-Rewrite"))
      assert.same({}, r:values("X-Access"))
      assert.same({ "4" }, r:values("X-Balancer"))
      assert.same({ "5" }, r:values("X-Filter"))
    end)

    it("set what ngx.header sets", function()
      local r = run { header_filter = [[
        response.set_header("X-One", "1")
        response.add_header("X-One", "2")
        ngx.header["X-Two"] = "3"
        response.add_header("X-Two", "4")
        return ngx.header["X-One"], ngx.header.x_two
      ]] }
      assert.same({ { "1", "2" }, { "3", "4" } }, r.seen.header_filter)
    end)

    it("agree with a naive model in any order of calls", function()
      for seed = 1, 5 do
        local r = run { header_filter = "math.randomseed(" .. seed .. ")\n" .. [[
          local model = require "model"
          for step = 1, 200 do
            local call = model.step(response)
            local headers = response.get_headers(1000)
            for _, name in ipairs(model.names) do
              local ours, theirs = headers[name], model.values[name]
              ours = type(ours) == "table" and table.concat(ours, "|") or ours
              theirs = theirs and table.concat(theirs, "|")
              if ours ~= theirs or response.get_header(name) ~= (model.values[name] or {})[1] then
                see(step, call, name, tostring(ours), tostring(theirs))
                return
              end
            end
          end
          see(model.values)
          model.values = {}
        ]] }
        local values = r.seen.header_filter[1]
        if type(values) ~= "table" then
          error("step " .. table.concat(r.seen.header_filter, " / "))
        end
        for _, name in ipairs { "x-a", "x-b-c", "cache-control", "etag" } do
          assert.same(values[name] or {}, r:values(name))
        end
      end
    end)

    it("do the same in a hot loop", function()
      local r = run { header_filter = [[
        for i = 1, 1000 do
          response.set_header("X-Set", i)
          response.set_header("X-Array", { "a", "b" })
          response.add_header("X-Add", "" .. i)
          if i % 10 ~= 0 then
            response.clear_header("X-Add")
          end
          response.set_headers { ["X-All"] = i % 2 == 0, ["X-Text"] = "t" .. i }
        end
      ]] }
      assert.same({ "1000" }, r:values("X-Set"))
      assert.same({ "a", "b" }, r:values("X-Array"))
      assert.same({ "1000" }, r:values("X-Add"))
      assert.same({ "true" }, r:values("X-All"))
      assert.same({ "t1000" }, r:values("X-Text"))
    end)
  end)
end, { files = { ["model.lua"] = [[
  local random = math.random
  local _M = { names = { "x-a", "x-b-c", "cache-control", "etag" }, values = {} }

  local SPELLINGS = {
    ["x-a"] = { "X-A", "x_a", "x-A" },
    ["x-b-c"] = { "X-B-C", "X_b-C", "x_B_c", "x-b-c" },
    ["cache-control"] = { "Cache-Control", "cache_control" },
    etag = { "ETag", "etag" },
  }
  local VALUES = { "a", "", "b\r\nX: 1", 1, 1.5, true, false, "\200", "a,b" }

  local function pick(list)
    return list[random(#list)]
  end

  local function any_value()
    if random(4) > 1 then
      return pick(VALUES)
    end
    local array = {}
    for i = 1, random(0, 3) do
      array[i] = tostring(pick(VALUES))
    end
    return array
  end

  local function sent(value)
    value = tostring(value):gsub("%c", function(c)
      return ("%%%02X"):format(c:byte())
    end)
    return value == "" and " " or value
  end

  local function put(name, value, adding)
    local items = type(value) == "table" and value or { value }
    local list = adding and _M.values[name] or {}
    for _, item in ipairs(items) do
      if name == "etag" then
        list = {}
      end
      list[#list + 1] = sent(item)
    end
    _M.values[name] = list[1] and list or nil
  end

  function _M.step(response)
    local name = pick(_M.names)
    local spelling, value, what = pick(SPELLINGS[name]), any_value(), random(4)
    if what == 1 then
      response.set_header(spelling, value)
      put(name, value)
      return "set_header " .. spelling
    elseif what == 2 then
      response.add_header(spelling, value)
      put(name, value, true)
      return "add_header " .. spelling
    elseif what == 3 then
      response.clear_header(spelling)
      _M.values[name] = nil
      return "clear_header " .. spelling
    end
    local headers = {}
    for _, other in ipairs(_M.names) do
      if random(2) == 1 then
        value = any_value()
        headers[pick(SPELLINGS[other])] = value
        put(other, value)
      end
    end
    response.set_headers(headers)
    return "set_headers"
  end

  return _M
]] } })
