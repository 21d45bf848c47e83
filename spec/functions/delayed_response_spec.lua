local hosts = require "spec.support.hosts"


-- A gateway in access: each handler runs in a coroutine, and the gateway sends the first `exit`
-- after all handlers have run.
local GATEWAY = [[
local function gateway(...)
  local ctx = ngx.ctx
  ctx.delay_response = true
  for i = 1, select("#", ...) do
    if not ctx.delayed_response then
      local handler = select(i, ...)
      coroutine.wrap(handler)()
    end
  end
  return ctx
end
]]


hosts.each("exit with ctx.delay_response", { gateway = true }, function(server)
  --- Runs the code in access, after the gateway's code. Line 1 is the first line of the code.
  local function run(code, request)
    local case = request or {}
    case.access = GATEWAY:gsub("\n", " ") .. " " .. code
    return server:run(case)
  end


  it("stores the response, and the callback sends it", function()
    local r = run [[
      local ctx = gateway(function()
        response.exit(403, { message = "no" }, { ["X-A"] = "1" })
        note("the handler ran on")
      end, function() note("the second handler ran") end)
      note(ctx.delayed_response.status_code, ctx.KONG_EXITED, ngx.headers_sent)
      ctx.delayed_response_callback(ctx)
      note("ran on behind the callback")
    ]]
    assert.equal(403, r.status)
    assert.equal([[{"message":"no"}]], r.body)
    assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    assert.same({ "16" }, r:values("Content-Length"))
    assert.equal("1", r:header("X-A"))
    assert.same({ 403, true, false }, r.notes)
  end)

  it("works with coroutine.create and in rewrite", function()
    local r = server:run {
      rewrite = [[
        local ctx = ngx.ctx
        ctx.delay_response = true
        local thread = coroutine.create(function()
          response.exit(401, "no")
        end)
        local ok, value = coroutine.resume(thread)
        note(ok, value, coroutine.status(thread))
        ctx.delayed_response_callback(ctx)
      ]],
    }
    assert.equal(401, r.status)
    assert.equal("no", r.body)
    assert.same({ true, "(nil)", "suspended" }, r.notes)
  end)

  it("stores the caller's values unchanged", function()
    run [[
      local content, headers = { message = "no" }, { ["X-A"] = "1" }
      local ctx = gateway(function() response.exit(403, content, headers) end)
      local stored = ctx.delayed_response
      note(stored.content == content, stored.content.message, stored.headers["X-A"])
      ctx.delayed_response_callback(ctx)
    ]]
    assert.same({ true, "no", "1" }, server:noted())
  end)

  it("stores no content and no headers if the call has none", function()
    local r = run [[
      local ctx = gateway(function() response.exit(200) end)
      local stored = ctx.delayed_response
      note(stored.status_code, stored.content, stored.headers)
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(200, r.status)
    assert.equal("", r.body)
    assert.same({ "0" }, r:values("Content-Length"))
    assert.same({ 200, "(nil)", "(nil)" }, r.notes)
  end)

  it("sends the values that are stored when the callback runs", function()
    local r = run [[
      local ctx = gateway(function()
        response.exit(403, { message = "no" }, { ["X-A"] = "1" })
      end)
      ctx.delayed_response.status_code = 402
      ctx.delayed_response.content = "pay"
      ctx.delayed_response.headers = { ["X-B"] = "2" }
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(402, r.status)
    assert.equal("pay", r.body)
    assert.is_nil(r:header("X-A"))
    assert.equal("2", r:header("X-B"))
  end)

  it("changes nothing before the callback runs", function()
    local r = run [[
      gateway(function() response.exit(403, "no", { ["X-A"] = "1" }) end)
      ngx.ctx.delayed_response = nil
    ]]
    assert.equal(200, r.status)
    assert.equal("upstream", r.body)
    assert.is_nil(r:header("X-A"))
  end)

  it("stores only the first exit and sends the second at once", function()
    local r = run [[
      local ctx = gateway(function() response.exit(403, "first", { ["X-A"] = "1" }) end)
      response.exit(500, "second")
      note("ran on")
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(500, r.status)
    assert.equal("second", r.body)
    assert.is_nil(r:header("X-A"))
    assert.same({}, r.notes)
  end)

  it("sends the response at once if ctx.delay_response is cleared", function()
    local r = server:run {
      access = [[
        coroutine.wrap(function() response.exit(403, "no") end)()
        note("ran on")
      ]],
    }
    assert.equal(403, r.status)
    assert.equal("no", r.body)
    assert.same({}, r.notes)
  end)

  it("returns nothing to the code that resumed the coroutine", function()
    local r = server:run {
      access = [[
        local ctx = ngx.ctx
        ctx.delay_response = true
        local resume = coroutine.wrap(function()
          note(select("#", response.exit(403, "no")))
          return "ran on"
        end)
        note(resume() or "yielded")
        note(resume("a value"))
        ctx.delayed_response_callback(ctx)
      ]],
    }
    assert.equal(403, r.status)
    assert.equal("no", r.body)
    assert.same({ "yielded", 0, "ran on" }, r.notes)
  end)

  it("sends a binary body, an empty body and a status with a fraction", function()
    local r = run [[
      local ctx = gateway(function() response.exit(200.9, "a\0\255\r\n") end)
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(200, r.status)
    assert.equal("a\0\255\r\n", r.body)

    r = run [[
      local ctx = gateway(function() response.exit(404, "") end)
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(404, r.status)
    assert.equal("", r.body)
  end)

  it("lets nginx send its error page if there is no body", function()
    local r = run [[
      local ctx = gateway(function() response.exit(404) end)
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal(404, r.status)
    assert.matches("<h1>404 Not Found</h1>", r.body, 1, true)
  end)

  it("corrects Content-Length when the response is sent", function()
    local r = run [[
      local ctx = gateway(function()
        response.exit(200, "hello", { ["Content-Length"] = "9", ["Transfer-Encoding"] = "x" })
      end)
      note(ctx.delayed_response.headers["Content-Length"])
      ctx.delayed_response_callback(ctx)
    ]]
    assert.equal("hello", r.body)
    assert.same({ "5" }, r:values("Content-Length"))
    assert.is_nil(r:header("Transfer-Encoding"))
    assert.same({ "9" }, r.notes)
    assert.is_string(server:wait_log("(Content%-Length 9 does not match the body's 5 bytes)"))
    assert.is_string(server:wait_log("(manually setting Transfer%-Encoding%. Ignored%.)"))
  end)


  describe("with invalid arguments", function()
    it("raises exit's errors at the call, with the plugin's line", function()
      for call, message in pairs {
        ["'x'"] = "code must be a number",
        ["99"] = "code must be a number between 100 and 599",
        ["200, 1"] = "body must be a nil, string or table",
        ["200, 'x', 1"] = "headers must be a nil or table",
        ["200, { print }"] = "body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
        ["200, { { 0/0 } }"] = "body encoding failed while flushing response: "
          .. "Cannot serialise number: must not be NaN or Infinity",
      } do
        server:clear_log()
        local r = run([[
          local ctx = gateway(function()
            local ok, err = pcall(function()
              response.exit(]] .. call .. [[)
            end)
            note(type(err), err)
          end)
          note(ctx.KONG_EXITED, ctx.delayed_response, ctx.delayed_response_callback)
        ]])
        assert.equal("upstream", r.body)
        assert.same({
          "string", "plugin.lua:3: " .. message, "(nil)", "(nil)", "(nil)",
        }, r.notes)
      end
    end)

    it("ends the coroutine with an error", function()
      run [[
        ngx.ctx.delay_response = true
        local thread = coroutine.create(function()
          response.exit(200, { print })
        end)
        note(coroutine.resume(thread))
        note(coroutine.status(thread))
      ]]
      assert.same({
        false, "plugin.lua:3: body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
        "dead",
      }, server:noted())
    end)
  end)


  describe("with stored values that became invalid", function()
    it("raises the error in the callback, with its caller's position", function()
      local r = run [[
        local ctx = gateway(function() response.exit(403, "no") end)
        ngx.print("begun")
        ngx.flush(true)
        local ok, err = pcall(function()

          ctx.delayed_response_callback(ctx)
        end)
        note(type(err), err)
      ]]
      assert.equal("begun", r.body:sub(1, 5))
      assert.same({ "string", "plugin.lua:6: headers have already been sent" }, r.notes)
    end)

    it("raises the error without a position if pcall calls the callback", function()
      run [[
        local ctx = gateway(function() response.exit(403, "no") end)
        ngx.print("begun")
        note(select(2, pcall(ctx.delayed_response_callback, ctx)))
      ]]
      assert.same({ "headers have already been sent" }, server:noted())
    end)

    it("raises an error for a table that can no longer be encoded", function()
      local r = run [[
        local content = {}
        local ctx = gateway(function() response.exit(403, content, { ["X-A"] = "1" }) end)
        content.handler = print
        local ok, err = pcall(function()
          ctx.delayed_response_callback(ctx)
        end)
        note(type(err), err)
        note(ngx.status, ngx.headers_sent)
      ]]
      assert.equal(200, r.status)
      assert.is_nil(r:header("X-A"))
      assert.same({
        "string", "plugin.lua:5: body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
        0, false,
      }, r.notes)
    end)

    it("raises an error for a table if the response has become gRPC", function()
      run [[
        local ctx = gateway(function() response.exit(403, { message = "no" }) end)
        ngx.header.content_type = "application/grpc"
        local ok, err = pcall(function()
          ctx.delayed_response_callback(ctx)
        end)
        note(err)
      ]]
      assert.same({
        "plugin.lua:4: table body encoding with gRPC is not supported",
      }, server:noted())
    end)
  end)


  it("stores the document of error, and any callback sends it", function()
    local r = run [[
      local ctx = gateway(function() response.error(403, "no", { ["X-A"] = "1" }) end)
      if ctx.delayed_response then
        ctx.delayed_response_callback(ctx)
      end
    ]]
    assert.equal(403, r.status)
    assert.matches('"message":"no"', r.body, 1, true)
    assert.equal("1", r:header("X-A"))
  end)
end)
