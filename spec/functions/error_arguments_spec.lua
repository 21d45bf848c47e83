local hosts = require "spec.support.hosts"
local module = require "spec.support.module"


local lines = hosts.lines


hosts.each("error", { gateway = true }, function(server)
  describe("with invalid arguments", function()
    local function refused(message, call)
      local r = server:run {
        content = lines(
          "local ok, err = pcall(function()",
          "  " .. call,
          "end)",
          "ngx.print(type(err), ' ', tostring(err), ' ', ngx.status, ' ',",
          "  tostring(ngx.ctx.KONG_EXITED))",
          "ngx.exit(200)"
        ),
      }
      assert.equal("string plugin.lua:2: " .. message .. " 0 nil", r.body)
      assert.equal(200, r.status)
      assert.is_nil(r:header("X-A"))
    end

    local NOT_A_NUMBER = "code must be a number"
    local RANGE = "code must be a number between 400 and 599"

    it("checks the phase first", function()
      server:run {
        log = lines(
          "local ok, err = pcall(function()",
          "  response.error('x', 1, 1)",
          "end)",
          "note(err)"
        ),
      }
      assert.same({
        "plugin.lua:2: function cannot be called in log phase (only in: rewrite, access, "
          .. "balancer, response, header_filter, error, admin_api)",
      }, server:noted())
    end)

    it("checks whether headers were sent before the arguments", function()
      local r = server:run {
        content = lines(
          "ngx.print('begun ')",
          "local ok, err = pcall(function()",
          "  response.error('x', 1, 1)",
          "end)",
          "ngx.print(err)"
        ),
      }
      assert.equal("begun plugin.lua:3: headers have already been sent", r.body)
    end)

    for _, code in ipairs { "", "'404'", "{}", "true" } do
      it("raises an error for error(" .. code .. ")", function()
        refused(NOT_A_NUMBER, "response.error(" .. code .. ")")
      end)
    end

    for _, code in ipairs {
      "0", "100", "200", "399", "399.9", "600", "599.5", "-1", "0/0", "1/0",
    } do
      it("raises an error for the status " .. code, function()
        refused(RANGE, "response.error(" .. code .. ")")
      end)
    end

    it("checks the status, then the message, then the headers", function()
      refused(NOT_A_NUMBER, "response.error('404', 1, 1)")
      refused(RANGE, "response.error(200, 1, 1)")
      refused("message must be a nil, a string or a table", "response.error(404, 1, 1)")
      refused("headers must be a nil or table", "response.error(404, 'x', 1)")
    end)

    for _, message in ipairs { "1", "true", "false", "print", "ngx.null", "1LL" } do
      it("raises an error for the message " .. message, function()
        refused("message must be a nil, a string or a table",
          "response.error(404, " .. message .. ")")
      end)
    end

    it("raises an error for a message that cannot be encoded", function()
      refused("could not JSON encode the error message: "
        .. "Cannot serialise function: type not supported", "response.error(404, { print })")
      refused("could not JSON encode the error message: "
        .. "Cannot serialise number: must not be NaN or Infinity",
        "response.error(404, { a = 0/0 }, { ['X-A'] = '1' })")
      refused("could not JSON encode the error message: "
        .. "Cannot serialise function: type not supported",
        "response.error(404, { print }, { ['Content-Type'] = 'text/plain' })")
    end)

    it("raises exit's errors for headers", function()
      local tail = ", expected string, number, boolean or array of strings"
      refused("headers must be a nil or table", "response.error(404, nil, 'X-A: 1')")
      refused([[invalid header name "1": got number, expected string]],
        "response.error(404, nil, { 'X-A: 1' })")
      refused([[invalid header value for "X-A": got function]] .. tail,
        "response.error(404, nil, { ['X-A'] = print })")
      refused([[invalid header value for "Content-Type": got function]] .. tail,
        "response.error(404, nil, { ['Content-Type'] = print })")
      refused([[invalid header value in array "X-A": got number, expected string]],
        "response.error(404, nil, { ['X-A'] = { 1 } })")
      refused([[invalid header value in array "Content-Type": got number, expected string]],
        "response.error(404, nil, { ['Content-Type'] = { 1 } })")
      refused([[invalid header value for "Content-Length": got "abc", expected a ]]
        .. "non-negative integer", "response.error(404, nil, { ['Content-Length'] = 'abc' })")
    end)

    it("raises the error without a position after a tail call", function()
      local r = server:run {
        content = lines(
          "local function tail() return response.error(200) end",
          "local _, called = pcall(response.error, 'x')",
          "local _, tailed = pcall(tail)",
          "ngx.print(called, '\\n', tailed)"
        ),
      }
      assert.equal("code must be a number\ncode must be a number between 400 and 599", r.body)
    end)

    it("raises an error in a timer", function()
      server:run {
        content = lines(
          "ngx.timer.at(0, function()",
          "  local ok, err = pcall(function()",
          "    response.error(500)",
          "  end)",
          "  note(type(err), err)",
          "end)",
          "ngx.print('content')"
        ),
      }
      assert.same({ "string", "plugin.lua:3: " .. module.refused_in(nil).error }, server:noted())
    end)
  end)
end)
