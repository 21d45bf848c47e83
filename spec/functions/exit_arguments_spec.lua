local hosts = require "spec.support.hosts"
local module = require "spec.support.module"


local lines = hosts.lines


hosts.each("exit", { gateway = true }, function(server)
  describe("with invalid arguments", function()
    --- Runs the call in a phase and has the answer tell what was raised and what had changed.
    local function refused(message, call, request)
      local case = request or {}
      local stage = case.stage or "content"
      case[stage] = lines(
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
      assert.same({}, r:own_headers("="))
      assert.is_nil(r:header("Content-Length"))
      return r
    end

    local NOT_A_NUMBER = "code must be a number"
    local RANGE = "code must be a number between 100 and 599"

    it("checks the phase first", function()
      local r = server:run {
        log = lines(
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
      }, r.notes)
    end)

    it("raises an error without a phase", function()
      server:run {
        access = lines(
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

    it("checks whether headers were sent before the arguments", function()
      local r = server:run {
        content = lines(
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
      it("raises an error for the status " .. name, function()
        refused(NOT_A_NUMBER, "response.exit(" .. code .. ")")
      end)
    end

    for _, code in ipairs {
      "0", "-1", "99", "99.9", "600", "599.5", "1e300", "1/0", "-1/0", "0/0", "2^32 + 200",
    } do
      it("raises an error for the status " .. code, function()
        refused(RANGE, "response.exit(" .. code .. ")")
      end)
    end

    it("checks the status, then the body, then the headers", function()
      refused(NOT_A_NUMBER, "response.exit('200', 1, 1)")
      refused(RANGE, "response.exit(99, 1, 1)")
      refused("body must be a nil, string or table", "response.exit(200, 1, 1)")
      refused("headers must be a nil or table", "response.exit(200, { print }, 1)")
    end)

    for _, body in ipairs { "1", "true", "false", "print", "ngx.null", "1LL" } do
      it("raises an error for the body " .. body, function()
        refused("body must be a nil, string or table", "response.exit(200, " .. body .. ")")
      end)
    end

    for _, headers in ipairs { "1", "true", "false", "'X-A: 1'", "print", "ngx.null" } do
      it("raises an error for the headers " .. headers, function()
        refused("headers must be a nil or table", "response.exit(200, 'x', " .. headers .. ")")
      end)
    end

    it("raises an error for header names that are not strings", function()
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

    it("raises an error for header values that cannot be sent", function()
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

    it("raises an error for array items that are not strings", function()
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

    it("quotes the header's name as string.format's %q does", function()
      local name = 'a"b\\c\nd\0e'
      refused(
        ("invalid header value for %q: got function, expected string, number, boolean or array "
          .. "of strings"):format(name),
        ("response.exit(200, 'x', { [%s] = print })"):format('"a\\"b\\\\c\\nd\\0e"')
      )
    end)

    it("finds one invalid header among valid ones", function()
      refused(
        [[invalid header value in array "X-M": got number, expected string]],
        "response.exit(200, 'x', { ['X-A'] = '1', ['X-M'] = { 1 }, ['X-Z'] = '1' })"
      )
    end)

    describe("with a Content-Length that is no number", function()
      for value, shown in pairs {
        ["'abc'"] = "abc", ["'-1'"] = "-1", ["-1"] = "-1", ["1.5"] = "1.5", ["'1.0'"] = "1.0",
        ["'0x10'"] = "0x10", ["' 5'"] = " 5", ["'5 '"] = "5 ", ["'+5'"] = "+5", ["true"] = "true",
        ["1e15"] = "1e+15", ["'9223372036854775808'"] = "9223372036854775808",
        ["'99999999999999999999'"] = "99999999999999999999", ["{ '3', 'x' }"] = "x",
        ["{ 'x', '3' }"] = "x", ["0/0"] = tostring(0 / 0), ["1/0"] = "inf",
      } do
        it("raises an error for " .. value, function()
          local message = [[invalid header value for "Content-Length": got "%s", expected a ]]
            .. "non-negative integer"
          refused(
            message:format(shown),
            "response.exit(200, 'x', { ['Content-Length'] = " .. value .. ", ['X-A'] = '1' })"
          )
        end)
      end

      it("raises an error in any spelling of the name", function()
        local r = server:run {
          content = lines(
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

    it("raises an error for a table that cannot be encoded", function()
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

    it("raises the same errors in rewrite and access", function()
      for _, stage in ipairs { "rewrite", "access" } do
        refused(RANGE, "response.exit(99)", { stage = stage })
        refused("headers must be a nil or table", "response.exit(200, nil, 1)", { stage = stage })
      end
    end)

    it("raises the error without a position after a tail call", function()
      local r = server:run {
        content = lines(
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

    it("names the line of the function that called exit", function()
      local r = server:run {
        content = lines(
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

    it("raises the same error in compiled code", function()
      local r = server:run {
        content = lines(
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

    it("raises an error in a timer", function()
      server:run {
        content = lines(
          "ngx.timer.at(0, function()",
          "  local ok, err = pcall(function()",
          "    response.exit(200, 'x')",
          "  end)",
          "  note(type(err), err)",
          "end)",
          "ngx.print('content')"
        ),
      }
      assert.same({ "string", "plugin.lua:3: " .. module.refused_in(nil).exit }, server:noted())
    end)
  end)
end)
