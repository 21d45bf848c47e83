local hosts = require "spec.support.hosts"


local SENT = "headers have already been sent"
local ONE = "expected array of string, string, number or boolean"
local EACH = "expected string, number, boolean or array of strings"


hosts.each("the arguments of setters", { gateway = true, both_bindings = true }, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("set_header() and add_header()", function()
    it("raise an error if the name is not a string", function()
      local r = run { access = [[
        local table_name = {}
        for _, f in ipairs { response.set_header, response.add_header } do
          note(fails(f, nil, "x"), fails(f, 1, "x"), fails(f, 1.5, "x"), fails(f, true, "x"),
            fails(f, ngx.null, "x"), fails(f), fails(f, 1LL, "x"))
          note(fails(f, table_name, "x") == string.format(
            'invalid header name %q: got table, expected string', tostring(table_name)))
          note(fails(f, print, "x") == string.format(
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

    it("raise an error if the value cannot be sent", function()
      local r = run { access = [[
        for _, f in ipairs { response.set_header, response.add_header } do
          note(fails(f, "X-Foo"), fails(f, "X-Foo", print), fails(f, "X-Foo", ngx.null),
            fails(f, "X-Foo", 1LL), fails(f, "X-Foo", coroutine.create(function() end)))
          note(fails(f, "X-Foo", { 1 }), fails(f, "X-Foo", { "a", true }),
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
      assert.same({}, r:own_headers(": "))
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
    it("raises an error if the name is not a string", function()
      local r = run { access = [[
        for _, name in ipairs { 1, true, {}, print, ngx.null } do
          note(fails(response.clear_header, name))
        end
        note(fails(response.clear_header))
      ]] }
      assert.equal(6, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal("header name must be a string", message)
      end
    end)
  end)


  describe("set_headers()", function()
    it("raises an error if the argument is not a table", function()
      local r = run { access = [[
        for _, headers in ipairs { 1, true, "X-Foo: bar", print, ngx.null } do
          note(fails(response.set_headers, headers))
        end
        note(fails(response.set_headers))
      ]] }
      assert.equal(6, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal("headers must be a table", message)
      end
    end)

    it("checks each pair", function()
      local r = run { access = [[
        local set = response.set_headers
        note(fails(set, { "x" }), fails(set, { [1.5] = "x" }), fails(set, { [true] = "x" }),
          fails(set, { { "X-Foo", "bar" } }))
        note(fails(set, { ["X-Foo"] = print }), fails(set, { ["X-Foo"] = ngx.null }),
          fails(set, { ["X-Foo"] = 1LL }))
        note(fails(set, { ["X-Foo"] = { 1 } }), fails(set, { ["X-Foo"] = { "a", {} } }))
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
      assert.same({}, r:own_headers(": "))
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
      it("names the plugin's line: " .. call[1], function()
        local r = run { raises = true, access = "\n\n" .. call[1] .. "\nreturn 1" }
        assert.equal("plugin.lua:3: " .. call[2], r.errors.access)
      end)
    end

    it("names the line of the function that called", function()
      local r = run { raises = true, access = [[
        local function set(name)
          response.clear_header(name)
          return true
        end
        local function plugin()
          set(1)
        end
        plugin()
      ]] }
      assert.equal("plugin.lua:2: header name must be a string", r.errors.access)
    end)

    it("names the line in compiled code", function()
      local r = run { header_filter = [[
        note(fails(function() for i = 1, 500 do
          local value = i
          if i == 500 then value = nil end
          response.set_header("X-Foo", value)
        end end))
      ]] }
      assert.same({ 'plugin.lua:4: invalid header value for "X-Foo": got nil, ' .. ONE }, r.notes)
      assert.same({ "X-Foo: 499" }, r:own_headers(": "))
    end)

    it("has no position under pcall, and is a string", function()
      local r = run { access = [[
        local ok, err = pcall(response.clear_header, 1)
        return ok, type(err), err
      ]] }
      assert.same({ false, "string", "header name must be a string" }, r.seen.access)
    end)

    it("reports that headers were sent before other mistakes", function()
      local r = run {
        raises = true,
        content = [[
          ngx.print("content")
          ngx.flush(true)
          ngx.ctx.KONG_PHASE = nil -- the filters have run
          note(fails(response.set_header), fails(response.add_header), fails(response.clear_header),
            fails(response.set_headers), fails(response.set_header, "X-Foo", "1"))
          response.set_header("X-Foo", "1")
        ]],
      }
      assert.same({ SENT, SENT, SENT, SENT, SENT }, r.seen.content)
      assert.equal("plugin.lua:6: " .. SENT, r.errors.content)
      assert.equal("content", r.body)
    end)

    it("changes nothing", function()
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
      assert.same({ "X-Old: 1", "X-Old: 2" }, r:own_headers(": "))
      assert.is_nil(r:header("A"))
      assert.equal("4", r:header("Content-Length"))
      assert.equal("body", r.body)
    end)
  end)
end)
