local stages = require "spec.support.stages"


local function concat(...)
  return table.concat({ ... }, "\n")
end


describe("exit", function()
  local server

  setup(function()
    server = stages.start {
      gateway = true,
      files = { ["page.txt"] = "the static page" },
      locations = [[
        location /underscores {
          lua_transform_underscores_in_response_headers off;
          content_by_lua_block { require("stages").run("content") }
        }
        location /page/lua {
          error_page 404 /pages/lua;
          content_by_lua_block { require("stages").run("content") }
        }
        location /page/named {
          error_page 404 @named;
          content_by_lua_block { require("stages").run("content") }
        }
        location /page/static {
          error_page 404 /pages/static;
          content_by_lua_block { require("stages").run("content") }
        }
        location /page/return {
          error_page 404 /pages/return;
          content_by_lua_block { require("stages").run("content") }
        }
        location = /pages/lua { content_by_lua_block { ngx.print("the lua page") } }
        location @named { content_by_lua_block { ngx.print("the named page") } }
        location = /pages/static { alias %{dir}/page.txt; }
        location = /pages/return { return 404 "the return page"; }
      ]],
    }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:clear_log()
  end)


  --- Names of the response's headers that begin with X-, as they stand on the wire.
  local function extra(r)
    local names = {}
    for _, header in ipairs(r.headers) do
      if header[1]:find("^[Xx]%-") then
        names[#names + 1] = header[1] .. "=" .. header[2]
      end
    end
    return names
  end


  describe("refuses", function()
    --- Runs the call in a phase and has the answer tell what was raised and what had changed.
    local function refused(message, call, request)
      local case = request or {}
      local stage = case.stage or "content"
      case[stage] = concat(
        "local ok, err = pcall(function()",
        "  " .. call,
        "end)",
        "ngx.print(tostring(ok), ' ', type(err), ' ', tostring(err), ' ', ngx.status, ' ',",
        "  tostring(ngx.ctx.KONG_EXITED), ' ', tostring(ngx.ctx.response_body))",
        "ngx.exit(200)"
      )
      case.stage = nil
      local r = server:run(case)
      assert.equal("false string plugin.lua:2: " .. message .. " 0 nil nil", r.body)
      assert.equal(200, r.status)
      assert.same({}, extra(r))
      assert.is_nil(r:header("Content-Length"))
      return r
    end

    local NOT_A_NUMBER = "code must be a number"
    local RANGE = "code must be a number between 100 and 599"

    it("a call in the wrong phase, before anything else", function()
      local r = server:run {
        log = concat(
          "local ok, err = pcall(function()",
          "  response.exit('x', 1, 1)",
          "end)",
          "note(err)"
        ),
      }
      assert.equal(200, r.status)
      assert.same({
        "plugin.lua:2: function cannot be called in log phase (only in: rewrite, access, "
          .. "balancer, response, header_filter, error, admin_api)",
      }, server:noted())
    end)

    it("a call without a phase", function()
      server:run {
        access = concat(
          "ngx.ctx.KONG_PHASE = nil",
          "local ok, err = pcall(function()",
          "  response.exit('x')",
          "end)",
          "note(err)"
        ),
      }
      assert.same({
        "plugin.lua:3: no phase in ngx.ctx.KONG_PHASE, (need one of rewrite, access, balancer, "
          .. "response, header_filter, error, admin_api)",
      }, server:noted())
    end)

    it("an answer that has begun, before it looks at the arguments", function()
      local r = server:run {
        content = concat(
          "ngx.print('begun ')",
          "ngx.flush(true)",
          "local ok, err = pcall(function()",
          "  response.exit('x', 1, 1)",
          "end)",
          "ngx.print(err, ' ', tostring(ngx.ctx.KONG_EXITED))"
        ),
      }
      assert.equal("begun plugin.lua:4: headers have already been sent nil", r.body)
    end)

    for name, code in pairs {
      ["no status"] = "", ["a string"] = "'200'", ["a table"] = "{}", ["a boolean"] = "true",
    } do
      it(name .. " for a status", function()
        refused(NOT_A_NUMBER, "response.exit(" .. code .. ")")
      end)
    end

    for _, code in ipairs {
      "0", "-1", "99", "99.9", "600", "599.5", "1e300", "1/0", "-1/0", "0/0", "2^32 + 200",
    } do
      it("the status " .. code, function()
        refused(RANGE, "response.exit(" .. code .. ")")
      end)
    end

    it("a status before a body, a body before the headers", function()
      refused(NOT_A_NUMBER, "response.exit('200', 1, 1)")
      refused(RANGE, "response.exit(99, 1, 1)")
      refused("body must be a nil, string or table", "response.exit(200, 1, 1)")
      refused("headers must be a nil or table", "response.exit(200, { print }, 1)")
    end)

    for _, body in ipairs { "1", "true", "false", "print", "ngx.null", "1LL" } do
      it("the body " .. body, function()
        refused("body must be a nil, string or table", "response.exit(200, " .. body .. ")")
      end)
    end

    for _, headers in ipairs { "1", "true", "false", "'X-A: 1'", "print", "ngx.null" } do
      it("the headers " .. headers, function()
        refused("headers must be a nil or table", "response.exit(200, 'x', " .. headers .. ")")
      end)
    end

    it("names of headers that are no strings", function()
      refused(
        [[invalid header name "1": got number, expected string]],
        "response.exit(200, 'x', { 'X-A: 1' })"
      )
      refused(
        [[invalid header name "true": got boolean, expected string]],
        "response.exit(200, 'x', { [true] = '1' })"
      )
      refused(
        [[invalid header name "1.5": got number, expected string]],
        "response.exit(200, 'x', { [1.5] = print })"
      )
    end)

    it("values that are nothing to send", function()
      local tail = ", expected string, number, boolean or array of strings"
      refused(
        [[invalid header value for "X-A": got function]] .. tail,
        "response.exit(200, 'x', { ['X-A'] = print })"
      )
      refused(
        [[invalid header value for "X-A": got userdata]] .. tail,
        "response.exit(200, 'x', { ['X-A'] = ngx.null })"
      )
      refused(
        [[invalid header value for "X-A": got cdata]] .. tail,
        "response.exit(200, 'x', { ['X-A'] = 1LL })"
      )
      refused(
        [[invalid header value for "Transfer-Encoding": got function]] .. tail,
        "response.exit(200, 'x', { ['Transfer-Encoding'] = print })"
      )
    end)

    it("items of an array that are no strings", function()
      refused(
        [[invalid header value in array "X-A": got number, expected string]],
        "response.exit(200, 'x', { ['X-A'] = { 'a', 1 } })"
      )
      refused(
        [[invalid header value in array "X-A": got boolean, expected string]],
        "response.exit(200, 'x', { ['X-A'] = { false } })"
      )
      refused(
        [[invalid header value in array "X-A": got table, expected string]],
        "response.exit(200, 'x', { ['X-A'] = { {} } })"
      )
    end)

    it("with the name quoted as Lua does", function()
      local name = 'a"b\\c\nd\0e'
      refused(
        ("invalid header value for %q: got function, expected string, number, boolean or array "
          .. "of strings"):format(name),
        ("response.exit(200, 'x', { [%s] = print })"):format('"a\\"b\\\\c\\nd\\0e"')
      )
    end)

    it("one bad header among good ones", function()
      refused(
        [[invalid header value in array "X-M": got number, expected string]],
        "response.exit(200, 'x', { ['X-A'] = '1', ['X-M'] = { 1 }, ['X-Z'] = '1' })"
      )
    end)

    describe("the Content-Length", function()
      for value, shown in pairs {
        ["'abc'"] = "abc", ["'-1'"] = "-1", ["-1"] = "-1", ["1.5"] = "1.5", ["'1.0'"] = "1.0",
        ["'0x10'"] = "0x10", ["' 5'"] = " 5", ["'5 '"] = "5 ", ["'+5'"] = "+5", ["true"] = "true",
        ["1e15"] = "1e+15", ["'9223372036854775808'"] = "9223372036854775808",
        ["'99999999999999999999'"] = "99999999999999999999", ["{ '3', 'x' }"] = "x",
        ["{ 'x', '3' }"] = "x", ["0/0"] = tostring(0 / 0), ["1/0"] = "inf",
      } do
        it(value, function()
          local message = [[invalid header value for "Content-Length": got "%s", expected a ]]
            .. "non-negative integer"
          refused(
            message:format(shown),
            "response.exit(200, 'x', { ['Content-Length'] = " .. value .. ", ['X-A'] = '1' })"
          )
        end)
      end

      it("in any spelling", function()
        local r = server:run {
          content = concat(
            "local errors = {}",
            "for i, name in ipairs { 'content-length', 'CONTENT_LENGTH', 'Content_Length' } do",
            "  local ok, err = pcall(function()",
            "    response.exit(200, 'x', { [name] = 'abc' })",
            "  end)",
            "  errors[i] = err",
            "end",
            "ngx.print(table.concat(errors, '\\n'))"
          ),
        }
        local count = 0
        for line in r.body:gmatch("[^\n]+") do
          count = count + 1
          assert.matches("^plugin%.lua:4: invalid header value for \"[%a_-]+\": got \"abc\", "
            .. "expected a non%-negative integer$", line)
        end
        assert.equal(3, count)
      end)
    end)

    it("a table that cannot be encoded", function()
      refused(
        "body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
        "response.exit(200, { print }, { ['X-A'] = '1' })"
      )
      refused(
        "body encoding failed while flushing response: "
          .. "Cannot serialise number: must not be NaN or Infinity",
        "response.exit(200, { 0/0 })"
      )
      refused(
        "body encoding failed while flushing response: "
          .. "Cannot serialise table: excessively sparse array",
        "response.exit(200, { a = { [1e9] = 1 } })"
      )
    end)

    it("the same in rewrite and access", function()
      for _, stage in ipairs { "rewrite", "access" } do
        refused(RANGE, "response.exit(99)", { stage = stage })
        refused("headers must be a nil or table", "response.exit(200, nil, 1)", { stage = stage })
      end
    end)

    it("without a position where no frame of the plugin is left", function()
      local r = server:run {
        content = concat(
          "local function tail() return response.exit('x') end",
          "local _, range = pcall(response.exit, 99)",
          "local _, number = pcall(tail)",
          "local _, body = pcall(response.exit, 200, { print })",
          "ngx.print(range, '\\n', number, '\\n', body)"
        ),
      }
      assert.equal(
        "code must be a number between 100 and 599\n"
          .. "code must be a number\n"
          .. "body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
        r.body
      )
    end)

    it("with the line of the function that called, however deep", function()
      local r = server:run {
        content = concat(
          "local function inner()",
          "  response.exit('x')",
          "  return 1",
          "end",
          "local function outer()",
          "  inner()",
          "  return 1",
          "end",
          "local _, called = pcall(outer)",
          "local _, resumed = coroutine.resume(coroutine.create(outer))",
          "ngx.print(called, '\\n', resumed)"
        ),
      }
      assert.equal("plugin.lua:2: code must be a number\nplugin.lua:2: code must be a number",
        r.body)
    end)

    it("with the same text when the code has become hot", function()
      local r = server:run {
        content = concat(
          "local seen, distinct = {}, {}",
          "for i = 1, 5000 do",
          "  local ok, err = pcall(function()",
          "    response.exit(i % 2 == 0 and 99 or 200, 'x', { ['X-A'] = print })",
          "  end)",
          "  if not seen[err] then",
          "    seen[err] = true",
          "    distinct[#distinct + 1] = err",
          "  end",
          "end",
          "ngx.print(table.concat(distinct, '\\n'))"
        ),
      }
      assert.equal(
        [[plugin.lua:4: invalid header value for "X-A": got function, expected string, number, ]]
          .. "boolean or array of strings\n"
          .. "plugin.lua:4: code must be a number between 100 and 599",
        r.body
      )
    end)

    it("a call from a timer", function()
      server:run {
        content = concat(
          "ngx.timer.at(0, function()",
          "  local ok, err = pcall(function()",
          "    response.exit(200, 'x')",
          "  end)",
          "  note(type(err), err)",
          "end)",
          "ngx.print('content')"
        ),
      }
      assert.same({ "string plugin.lua:3: API disabled in the current context" }, server:noted())
    end)
  end)


  describe("sends", function()
    it("a string with its length", function()
      local r = server:run { content = "return response.exit(200, 'hello')" }
      assert.equal(200, r.status)
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(r:header("Transfer-Encoding"))
    end)

    it("in rewrite and access", function()
      for _, stage in ipairs { "rewrite", "access" } do
        local r = server:run { [stage] = "response.exit(403, 'no', { ['X-A'] = '1' })" }
        assert.equal(403, r.status)
        assert.equal("no", r.body)
        assert.same({ "2" }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, extra(r))
      end
    end)

    it("a table as JSON", function()
      local r = server:run { content = "return response.exit(201, { message = 'a/b' })" }
      assert.equal(201, r.status)
      assert.equal([[{"message":"a\/b"}]], r.body)
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
      assert.same({ "18" }, r:values("Content-Length"))
    end)

    it("a table under the Content-Type the call brings, in any spelling", function()
      for _, name in ipairs { "Content-Type", "content-type", "CONTENT_TYPE", "content_type" } do
        local r = server:run {
          content = "response.exit(200, {}, { ['" .. name .. "'] = 'application/problem+json' })",
        }
        assert.equal("{}", r.body)
        assert.same({ "application/problem+json" }, r:values("Content-Type"))
      end
    end)

    it("a table under the last Content-Type of an array", function()
      local r = server:run {
        content = "response.exit(200, {}, { ['Content-Type'] = { 'text/css', 'text/html' } })",
      }
      assert.same({ "text/html" }, r:values("Content-Type"))
    end)

    it("a table as JSON over a Content-Type that was there before the call", function()
      local r = server:run {
        content = "ngx.header.content_type = 'text/plain' response.exit(200, {})",
      }
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    end)

    it("a string under the Content-Type that was there before the call", function()
      local r = server:run {
        content = "ngx.header.content_type = 'text/css' response.exit(200, 'x')",
      }
      assert.same({ "text/css" }, r:values("Content-Type"))
    end)

    it("every byte as it is", function()
      local r = server:run {
        content = concat(
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

    it("an empty string as an empty answer, whatever the status", function()
      for _, status in ipairs { 200, 404, 500 } do
        local r = server:run { content = "response.exit(" .. status .. ", '')" }
        assert.equal(status, r.status)
        assert.equal("", r.body)
        assert.same({ "0" }, r:values("Content-Length"))
      end
    end)

    it("nothing without a body", function()
      local r = server:run { content = "response.exit(200)" }
      assert.equal(200, r.status)
      assert.equal("", r.body)
      assert.same({ "0" }, r:values("Content-Length"))

      r = server:run { content = "response.exit(204)" }
      assert.equal(204, r.status)
      assert.equal("", r.body)
    end)

    it("nginx's own page for an error status without a body", function()
      for _, stage in ipairs { "access", "content" } do
        local r = server:run { [stage] = "response.exit(404, nil, { ['X-A'] = '1' })" }
        assert.equal(404, r.status)
        assert.matches("<h1>404 Not Found</h1>", r.body, 1, true)
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, extra(r))
      end
    end)

    -- a Content-Length of 0 left behind would cut the page off
    for _, kind in ipairs { "lua", "named", "static", "return" } do
      it("the configured error_page for an error status without a body: " .. kind, function()
        local r = server:run { path = "/page/" .. kind, content = "response.exit(404)" }
        assert.equal(404, r.status)
        assert.equal("the " .. kind .. " page", r.body)
        assert.equal(0, r.exit)
      end)
    end

    it("its own body where there is an error_page", function()
      for _, body in ipairs { "own", "" } do
        local r = server:run {
          path = "/page/static",
          content = "response.exit(404, '" .. body .. "')",
        }
        assert.equal(404, r.status)
        assert.equal(body, r.body)
      end
    end)

    it("a status with a fraction without it", function()
      for code, status in pairs { ["200.9"] = 200, ["403.5"] = 403, ["598.999"] = 598 } do
        local r = server:run { content = "response.exit(" .. code .. ", 'x')" }
        assert.equal(status, r.status)
        assert.equal("x", r.body)
      end
    end)

    it("statuses that nginx does not know", function()
      for _, status in ipairs { 299, 418, 599 } do
        local r = server:run { content = "response.exit(" .. status .. ", 'x')" }
        assert.equal(status, r.status)
        assert.equal("x", r.body)
      end
    end)

    -- nginx's own way to end a request with these is to hang up
    for _, status in ipairs { 408, 499 } do
      it("a body with the status " .. status, function()
        for _, stage in ipairs { "access", "content" } do
          local r = server:run { [stage] = "response.exit(" .. status .. ", 'late')" }
          assert.equal(0, r.exit)
          assert.equal(status, r.status)
          assert.equal("late", r.body)
        end
      end)
    end

    it("no body to HEAD, but its length", function()
      local r = server:run { method = "HEAD", content = "response.exit(200, 'hello')" }
      assert.equal(200, r.status)
      assert.same({ "5" }, r:values("Content-Length"))

      r = server:run { method = "HEAD", content = "response.exit(200, { a = 1 })" }
      assert.same({ "7" }, r:values("Content-Length"))
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    end)

    it("over HTTP/2", function()
      local r = server:run { http2 = true, content = "response.exit(403, 'no', { ['X-A'] = '1' })" }
      assert.equal("2", r.version)
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "2" }, r:values("content-length"))
      assert.same({ "x-a=1" }, extra(r))
    end)

    it("answers that a connection can go on after", function()
      local connection = server:connect()
      for _, content in ipairs {
        "response.exit(200, 'hello')",
        "response.exit(200, 'hello', { ['Content-Length'] = '2' })",
        "response.exit(200, 'hello', { ['Content-Length'] = '999' })",
        "response.exit(200, 'hello', { ['Transfer-Encoding'] = 'chunked' })",
        "response.exit(200, 'hello', { ['X-A'] = '1\\r\\nContent-Length: 1' })",
      } do
        connection:send("GET " .. server:target { content = content } .. " HTTP/1.1\r\n"
          .. "Host: x\r\n\r\n")
        local answer = connection:read { pattern = "hello" }
        assert.matches("^HTTP/1.1 200 OK\r\n", answer)
        assert.matches("\r\nContent%-Length: 5\r\n", answer)
        assert.matches("\r\n\r\nhello$", answer)
      end
      connection:close()
    end)

    it("in a subrequest, as its answer", function()
      local sub = server:target { content = "response.exit(403, 'no', { ['X-A'] = '1' })" }
      local r = server:run {
        content = concat(
          "local answer = ngx.location.capture('" .. sub .. "')",
          "response.exit(200, answer.status .. answer.body .. answer.header['X-A'])"
        ),
      }
      assert.equal(200, r.status)
      assert.equal("403no1", r.body)
    end)

    it("to HTTP/1.0", function()
      local connection = server:connect()
      connection:send("GET " .. server:target { content = "response.exit(403, 'no')" }
        .. " HTTP/1.0\r\n\r\n")
      local answer, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      assert.matches("^HTTP/1.1 403 Forbidden\r\n", answer)
      assert.matches("\r\nContent%-Length: 2\r\n", answer)
      assert.matches("\r\n\r\nno$", answer)
    end)

    it("a large body", function()
      local r = server:run { content = "response.exit(200, ('abcd'):rep(1024 * 1024))" }
      assert.same({ "4194304" }, r:values("Content-Length"))
      assert.is_true(r.body == ("abcd"):rep(1024 * 1024))
    end)
  end)


  describe("headers", function()
    --- The headers beginning with X- of an answer with these headers, given as Lua.
    local function sent(headers, before)
      return extra(server:run {
        content = concat(before or "", "response.exit(200, 'x', " .. headers .. ")"),
      })
    end

    it("go in the order of their names", function()
      assert.same({ "X-a=1", "X-B=2", "x-c=3", "x-d=4", "X-e=5" }, sent([[{
        ["X-e"] = 5, ["x_d"] = 4, ["x-c"] = 3, ["X-B"] = 2, ["X-a"] = 1,
      }]]))
    end)

    it("go in the order of their names, many of them", function()
      local headers, expected = {}, {}
      for i = 1, 60 do
        headers[i] = ("['X-%02d'] = '%d',"):format((i * 37) % 61, i)
        expected[(i * 37) % 61] = ("X-%02d=%d"):format((i * 37) % 61, i)
      end
      assert.same(expected, sent("{" .. table.concat(headers) .. "}"))
    end)

    it("with the same name in several spellings: the last by its bytes wins", function()
      assert.same({ "3" }, server:run {
        content = "response.exit(200, '', { ['x_a'] = '3', ['x-a'] = '2', ['X-A'] = '1' })",
      }:values("X-A"))
    end)

    it("repeat for arrays, in the array's order", function()
      assert.same({ "X-A=2", "X-A=1", "X-A=3", "X-B=1" },
        sent([[{ ["X-B"] = { "1" }, ["X-A"] = { "2", "1", "3" } }]]))
    end)

    it("take an array up to its first hole", function()
      assert.same({ "X-A=1" }, sent([[{ ["X-A"] = { "1", nil, "3" } }]]))
    end)

    it("are removed by an empty array", function()
      assert.same({ "X-B=1" },
        sent([[{ ["X-A"] = {} }]], [[ngx.header["X-A"] = "old" ngx.header["X-B"] = "1"]]))
    end)

    it("replace what was there", function()
      assert.same({ "new" }, server:run {
        content = [[
          ngx.header["X-A"] = { "old", "older" }
          response.exit(200, "", { x_a = "new" })
        ]],
      }:values("X-A"))
    end)

    it("take numbers and booleans as Lua writes them", function()
      assert.same({ "X-A=12", "X-B=0.1", "X-C=1e+15", "X-D=true", "X-E=false", "X-F=-0" },
        sent([[{
          ["X-A"] = 12, ["X-B"] = 0.1, ["X-C"] = 1e15, ["X-D"] = true, ["X-E"] = false,
          ["X-F"] = -0.0,
        }]]))
    end)

    it("send an empty value as one space", function()
      local r = server:run {
        content = [[response.exit(200, "x", { ["X-A"] = "", ["X-B"] = { "", "1" } })]],
      }
      assert.matches("\r\nX-A:  \r\nX-B:  \r\nX-B: 1\r\n", r.head, 1, true)
    end)

    it("have their control bytes escaped, so that they stay one header", function()
      assert.same({ "X-A=a%0D%0AX-B: 1", "X-C%0Ad=1" },
        sent([[{ ["X-A"] = "a\r\nX-B: 1", ["X-C\nd"] = "1" }]]))
    end)

    it("take the last item where nginx holds one value", function()
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

    it("take the last item of Location also where it is a path", function()
      local r = server:run {
        content = [[response.exit(302, "", { Location = { "/a", "/b" } })]],
      }
      assert.same({ "/b" }, r:values("Location"))
    end)

    it("keep their underscores where nginx is told so", function()
      local r = server:run {
        path = "/underscores",
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

    it("may not choose the framing", function()
      for _, name in ipairs { "Transfer-Encoding", "transfer_encoding", "TRANSFER-encoding" } do
        server:clear_log()
        local r = server:run {
          content = "response.exit(200, 'x', { ['" .. name .. "'] = 'chunked', ['X-A'] = '1' })",
        }
        assert.equal("x", r.body)
        assert.is_nil(r:header("Transfer-Encoding"))
        assert.same({ "1" }, r:values("Content-Length"))
        assert.same({ "X-A=1" }, extra(r))
        local line = server:wait_log("([^\n]*manually setting Transfer%-Encoding%. Ignored%.)")
        assert.matches("[warn]", line, 1, true)
      end
    end)

    it("are the caller's and stay as they are", function()
      server:run {
        content = concat(
          "local headers = setmetatable({ x_b = '', ['X-A'] = { '1', '' }, n = 1,",
          "  ['Content-Length'] = '7', ['Transfer-Encoding'] = 'chunked' }, {",
          "  __newindex = function() note('written') end,",
          "})",
          "ngx.ctx.headers = headers",
          "response.exit(200, { a = 1 }, headers)"
        ),
        log = concat(
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


  describe("Content-Length of the call", function()
    local function warning(n, m)
      local text = "Content-Length " .. n .. " does not match the body's " .. m
        .. " bytes: corrected"
      return (text:gsub("%-", "%%-"))
    end

    it("is sent where it is right, without a warning", function()
      for _, value in ipairs { "'5'", "5", "{ '5' }", "'0005'" } do
        local r = server:run {
          content = "response.exit(200, 'hello', { ['Content-Length'] = " .. value .. " })",
        }
        assert.equal("hello", r.body)
        assert.equal(5, tonumber(r:header("Content-Length")))
      end
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("is corrected where it is too long or too short", function()
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

    it("counts by the last item of an array", function()
      local r = server:run {
        content = "response.exit(200, 'hello', { ['Content-Length'] = { '9', '5' } })",
      }
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("counts in the spelling that wins", function()
      local r = server:run {
        content = [[
          response.exit(200, "hello", { ["Content-Length"] = "9", content_length = "5" })
        ]],
      }
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("stays for HEAD", function()
      local r = server:run {
        method = "HEAD",
        content = "response.exit(200, 'hello', { ['Content-Length'] = 999 })",
      }
      assert.same({ "999" }, r:values("Content-Length"))
      assert.is_nil(server:log():find("does not match", 1, true))
    end)

    it("stays without a body", function()
      local r = server:run {
        method = "HEAD",
        content = "response.exit(200, nil, { ['Content-Length'] = '999' })",
      }
      assert.same({ "999" }, r:values("Content-Length"))
    end)

    it("that was there before the call is replaced", function()
      local r = server:run {
        content = "ngx.header['Content-Length'] = 99 response.exit(200, 'hello')",
      }
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("Content-Length"))
    end)
  end)


  describe("ends the phase", function()
    it("so that code behind it does not run in rewrite, access and content", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        server:clear_log()
        local r = server:run {
          [stage] = "response.exit(200, '" .. stage .. "') note('ran on')",
          log = "note('log')",
        }
        assert.equal(stage, r.body)
        assert.same({ "log" }, server:noted())
      end
    end)

    it("also without a body", function()
      for _, status in ipairs { 200, 404 } do
        server:clear_log()
        local r = server:run {
          access = "response.exit(" .. status .. ") note('ran on')",
          log = "note('log')",
        }
        assert.equal(status, r.status)
        assert.same({ "log" }, server:noted())
      end
    end)

    it("but not in header_filter", function()
      local r = server:run {
        header_filter = concat(
          "response.exit(202, 'new', { ['X-A'] = '1' })",
          "note('ran on')",
          "ngx.header['X-B'] = '2'"
        ),
      }
      assert.equal(202, r.status)
      assert.equal("new", r.body)
      assert.same({ "X-A=1", "X-B=2" }, extra(r))
      assert.same({ "ran on" }, server:noted())
    end)

    it("from a coroutine", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        server:clear_log()
        local r = server:run {
          [stage] = concat(
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
        assert.same({ "log" }, server:noted())
      end
    end)

    it("from a thread", function()
      local r = server:run {
        access = concat(
          "local thread = ngx.thread.spawn(function()",
          "  ngx.sleep(0.001)",
          "  response.exit(403, 'thread')",
          "  note('ran on')",
          "end)",
          "ngx.thread.wait(thread)",
          "note('ran on')"
        ),
        log = "note('log')",
      }
      assert.equal(403, r.status)
      assert.equal("thread", r.body)
      assert.same({ "log" }, server:noted())
    end)

    it("through pcall", function()
      local r = server:run {
        access = "pcall(response.exit, 403, 'no') note('ran on')",
        log = "note('log')",
      }
      assert.equal(403, r.status)
      assert.equal("no", r.body)
      assert.same({ "log" }, server:noted())
    end)

    it("and leaves its mark", function()
      for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
        server:clear_log()
        server:run {
          [stage] = "response.exit(200, 'x')",
          log = "note(ngx.ctx.KONG_EXITED, response.get_source())",
        }
        assert.same({ "true exit" }, server:noted())
      end
    end)
  end)
end)
