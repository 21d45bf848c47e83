local stream_host = require "spec.support.stream_host"


local OTHERS = {
  "get_status", "get_header", "get_headers", "get_source", "set_status", "set_header",
  "add_header", "clear_header", "set_headers", "get_raw_body", "set_raw_body", "error",
}


local function exit(host, ...)
  local arguments = { n = select("#", ...), ... }
  return stream_host.run(function(response)
    response.exit(unpack(arguments, 1, arguments.n))
  end, host)
end


--- The error without its position, which must be a line of this file.
local function message(host)
  local file, text = tostring(host.err):match("([^/]+):%d+: (.*)$")
  assert.equal("stream_spec.lua", file, host.err)
  return text
end


local function refused(expected, ...)
  local host = exit({}, ...)
  assert.equal(expected, message(host))
  assert.same({}, host.sent)
  assert.same({}, host.logged)
  assert.is_nil(host.code)
  assert.same({}, host.ctx)
end


describe("exit on layer 4", function()
  describe("with invalid arguments", function()
    it("raises an error if the code is not a number", function()
      for _, code in ipairs { "200", true, {}, print } do
        refused("code must be a number", code)
      end
      refused("code must be a number")
      refused("code must be a number", nil, "x")
    end)

    it("raises an error for all codes but six", function()
      for code = 99, 600 do
        if not ({ [200] = 1, [400] = 1, [403] = 1, [500] = 1, [502] = 1, [503] = 1 })[code] then
          refused("unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted", code)
        end
      end
      for _, code in ipairs { 200.5, -200, 0 / 0, 1 / 0 } do
        refused("unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted", code)
      end
    end)

    it("raises an error for an invalid body", function()
      for _, body in ipairs { 5, true, false, print } do
        refused("body must be a nil, string or table", 200, body)
      end
    end)

    it("raises an error for a table without a JSON form", function()
      refused("invalid body: Cannot serialise function: type not supported", 200, { print })
      refused("invalid body: Cannot serialise number: must not be NaN or Infinity", 503, { 1 / 0 })
      local loop = {}
      loop[1] = loop
      refused("invalid body: Cannot serialise, excessive nesting (1001)", 200, loop)
    end)

    it("checks the code before the body", function()
      refused("code must be a number", "200", 5)
      refused("unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted", 404, 5)
    end)

    it("raises an error without a session", function()
      local host = exit({ no_session = true }, 200)
      assert.equal("API disabled in the current context", message(host))
      assert.is_nil(host.code)
    end)
  end)


  it("sends the body with 200, 400 and 403", function()
    for _, code in ipairs { 200, 400, 403 } do
      local host = exit({}, code, "b\0\255dy\r\n")
      assert.is_nil(host.err)
      assert.same({ "b\0\255dy\r\n" }, host.sent)
      assert.same({}, host.logged)
      assert.equal(code, host.code)
      assert.is_true(host.ctx.KONG_EXITED)
    end
  end)

  it("logs the body with 500, 502 and 503", function()
    for _, code in ipairs { 500, 502, 503 } do
      local host = exit({}, code, "refused \255")
      assert.is_nil(host.err)
      assert.same({}, host.sent)
      assert.same({
        { 4, "unable to proxy stream connection, status: " .. code .. ", err: refused \255" },
      }, host.logged)
      assert.equal(code, host.code)
      assert.is_true(host.ctx.KONG_EXITED)
    end
  end)

  it("writes a table as JSON", function()
    assert.same({ '{"message":"no"}' }, exit({}, 403, { message = "no" }).sent)
    assert.same({ "[1,0.3,\"\\/\"]" }, exit({}, 200, { 1, 0.1 + 0.2, "/" }).sent)
    assert.same({ { 4, 'unable to proxy stream connection, status: 502, err: ["down"]' } },
                exit({}, 502, { "down" }).logged)
  end)

  it("works without a body", function()
    for _, code in ipairs { 200, 400, 403, 500, 502, 503 } do
      local host = exit({}, code)
      assert.is_nil(host.err)
      assert.same({}, host.sent)
      assert.same({}, host.logged)
      assert.equal(code, host.code)
      assert.is_true(host.ctx.KONG_EXITED)
    end
    assert.same({ "" }, exit({}, 200, "").sent)
  end)

  it("ignores headers", function()
    for _, headers in ipairs { { ["X-A"] = "1" }, "text", 5, { [1] = {} } } do
      local host = exit({}, 200, "x", headers)
      assert.same({ "x" }, host.sent)
      assert.equal(200, host.code)
    end
  end)

  it("works in every phase", function()
    local before = rawget(_G, "kong")
    rawset(_G, "kong", { ctx = {} })
    local host = exit({ ctx = { KONG_PHASE = 0x2000 } }, 200, "x")
    rawset(_G, "kong", before)
    assert.equal(200, host.code)
  end)

  it("raises an error and does not exit if nothing can be sent", function()
    local host = exit({ print_fails = "client aborted" }, 200, "x")
    assert.equal("unable to send body to client: client aborted", message(host))
    assert.is_nil(host.code)
    assert.same({}, host.ctx)

    local words = "API disabled in the context of balancer_by_lua*"
    host = exit({ print_raises = words }, 200, "x")
    assert.equal(words, message(host))
    assert.is_nil(host.code)
    assert.same({}, host.ctx)
  end)

  it("raises only strings", function()
    for _, thrown in ipairs { {}, print, true } do
      local ctx = setmetatable({}, { __index = function() error(thrown) end })
      local host = exit({ ctx = ctx }, 200, "x")
      assert.is_string(host.err)
      assert.same({}, host.sent)

      local body = setmetatable({}, { __index = function() error(thrown) end, __len = error })
      host = exit({}, 200, body)
      assert.matches("^invalid body: ", message(host))
      assert.same({}, host.sent)
    end
  end)

  it("sends its log messages to the option log", function()
    local lines = {}
    local host = stream_host.run(function(response)
      response.exit(503, "down")
    end, {}, { log = function(...) lines[#lines + 1] = { ... } end })
    assert.same({ { 4, "unable to proxy stream connection, status: 503, err: down" } }, lines)
    assert.same({}, host.logged)
    assert.equal(503, host.code)
  end)


  describe("with ctx.delay_response", function()
    --- Runs `use(response)` in a coroutine as gateways do, then the callback.
    local function delayed(use)
      local host = { ctx = { delay_response = true } }
      stream_host.run(function(response)
        local thread = coroutine.create(use)
        host.resumed = { coroutine.resume(thread, response) }
        host.status = coroutine.status(thread)
        host.sent_before, host.code_before = #host.sent, host.code
        host.delayed = host.ctx.delayed_response
        if host.ctx.delayed_response_callback then
          host.ctx.delayed_response_callback(host.ctx)
        end
      end, host)
      return host
    end

    it("stores the caller's values, and the callback sends them", function()
      local body, headers = { message = "no" }, { a = 1 }
      local host = delayed(function(response)
        response.exit(403, body, headers)
      end)
      assert.same({ true }, host.resumed)
      assert.equal("suspended", host.status)
      assert.equal(0, host.sent_before)
      assert.is_nil(host.code_before)
      assert.equal(403, host.delayed.status_code)
      assert.equal(body, host.delayed.content)
      assert.equal(headers, host.delayed.headers)
      assert.is_true(host.ctx.KONG_EXITED)
      assert.is_nil(host.err)
      assert.same({ '{"message":"no"}' }, host.sent)
      assert.equal(403, host.code)
    end)

    it("logs in the callback", function()
      local host = delayed(function(response)
        response.exit(500, "broken")
      end)
      assert.same({ { 4, "unable to proxy stream connection, status: 500, err: broken" } },
                  host.logged)
      assert.equal(500, host.code)
    end)

    it("raises errors at the call", function()
      local host = delayed(function(response)
        response.exit(200, { print })
      end)
      assert.is_false(host.resumed[1])
      assert.matches("stream_spec.lua:%d+: invalid body: Cannot serialise function",
                     host.resumed[2])
      assert.is_nil(host.delayed)
      assert.is_nil(host.ctx.KONG_EXITED)
    end)

    it("sends the body of a second call at once", function()
      local host = delayed(function(response)
        pcall(coroutine.wrap(function() response.exit(403, "first") end))
        response.exit(200, "second")
      end)
      assert.same({ "second", "first" }, host.sent)
      assert.equal(403, host.delayed.status_code)
    end)

    it("names the line of the callback's caller", function()
      local host = { ctx = { delay_response = true } }
      stream_host.run(function(response)
        coroutine.wrap(response.exit)(200, "x")
        host.ctx.delayed_response.status_code = 404
        host.ctx.delayed_response_callback(host.ctx)
        host.sent.unreachable = true
      end, host)
      assert.equal("unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted",
                   message(host))
    end)

    it("raises an error if nothing is stored", function()
      for _, case in ipairs {
        { 5, "ctx must be a table, got number" },
        { {}, "ctx.delayed_response must be a table, got nil" },
      } do
        local host = { ctx = { delay_response = true } }
        stream_host.run(function(response)
          coroutine.wrap(response.exit)(200, "x")
          host.ctx.delayed_response_callback(case[1])
          host.sent.unreachable = true
        end, host)
        assert.equal(case[2], message(host))
        assert.same({}, host.sent)
      end
    end)
  end)
end)


describe("the other functions of kong.response on layer 4", function()
  for _, name in ipairs(OTHERS) do
    it("exist and raise an error: " .. name, function()
      local host = stream_host.run(function(response)
        response[name]("x", "y")
        error("it ran")
      end)
      assert.equal("API disabled in the current context", message(host))
      assert.same({}, host.ctx)
    end)
  end
end)


describe("kong.pdk.response on layer 4", function()
  local function pdk_exit(pdk, ...)
    local arguments = { ... }
    return stream_host.run(function()
      local response = require("kong.pdk.response").new(pdk)
      response.exit(unpack(arguments))
    end)
  end

  it("sends the body of exit", function()
    local host = pdk_exit({}, 200, "hello")
    assert.is_nil(host.err)
    assert.same({ "hello" }, host.sent)
    assert.equal(200, host.code)
  end)

  it("logs with the PDK's log or nginx's", function()
    local lines = {}
    local host = pdk_exit({ log = { err = function(...) lines[#lines + 1] = { ... } end } },
                          502, "down")
    assert.same({ { "unable to proxy stream connection, status: 502, err: down" } }, lines)
    assert.same({}, host.logged)
    assert.equal(502, host.code)

    host = pdk_exit({}, 502, "down")
    assert.same({ { 4, "unable to proxy stream connection, status: 502, err: down" } }, host.logged)
  end)
end)
