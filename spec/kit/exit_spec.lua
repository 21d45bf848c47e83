local testing = require "kong.response.testing"
local noting_plugin = require "spec.support.noting_plugin"


local raw_wrap = coroutine.wrap


describe("exit", function()
  local functions = {
    exit = function() kong.response.exit(403, "no") end,
    error = function() kong.response.error(403, "no") end,
    ["ngx.exit"] = function() ngx.exit(403) end,
    ["print and exit"] = function()
      ngx.status = 403
      ngx.say("no")
      ngx.exit(403)
    end,
  }

  for _, phase in ipairs { "rewrite", "access" } do
    for name, leave in pairs(functions) do
      it("stops the handler in " .. phase .. ": " .. name, function()
        local ran_on = false
        local result = testing.run {
          plugin = { [phase] = function()
            leave()
            ran_on = true
          end },
        }
        assert.is_false(ran_on)
        assert.equal(403, result.status)
      end)

      it("cannot be caught by pcall in " .. phase .. ": " .. name, function()
        local ran_on = false
        testing.run {
          plugin = { [phase] = function()
            pcall(pcall, leave)
            ran_on = true
          end },
        }
        assert.is_false(ran_on)
      end)
    end
  end

  it("stops the handler from the handler's own coroutine in rewrite", function()
    local ran_on = false
    local result = testing.run {
      plugin = {
        rewrite = function()
          for _ in coroutine.wrap(function()
            coroutine.resume(coroutine.create(function() kong.response.exit(403, "no") end))
            ran_on = true
          end) do
            ran_on = true
          end
          ran_on = true
        end,
      },
    }
    assert.is_false(ran_on)
    assert.equal(403, result.status)
    assert.equal("no", result.body)
  end)

  it("works in coroutines if a module took coroutine.wrap before the test", function()
    for _, failing in ipairs { false, true } do
      local result = testing.run {
        plugin = {
          rewrite = function()
            raw_wrap(function() kong.response.exit(403, "no") end)()
            if failing then
              error "not stopped"
            end
          end,
        },
      }
      assert.response(result).has.status(403)
      assert.response(result).has.body("no")
      assert.equal("exit", result.source)
      assert.is_false(result.upstream_called)
      assert.equal(0, #result.log.err)
    end
  end)

  it("does not change other coroutines of plugins", function()
    local got = {}
    testing.run {
      plugin = {
        access = function()
          local each = coroutine.wrap(function(a)
            local b = coroutine.yield(a + 1)
            error("in " .. b, 0)
          end)
          got[1] = each(1)
          got[2], got[3] = pcall(each, "it")
          local co = coroutine.create(function(...) return ... end)
          got[4] = { coroutine.resume(co, 1, nil, 3) }
        end,
      },
    }
    assert.same({ 2, false, "in it", { true, 1, nil, 3 } }, got)
  end)

  it("stops the response handler", function()
    local ran_on = false
    local result = testing.run {
      plugin = {
        response = function()
          kong.response.exit(502, { message = "bad answer" })
          ran_on = true
        end,
      },
      upstream = { body = "secret" },
    }
    assert.is_false(ran_on)
    assert.equal(502, result.status)
    assert.same({ message = "bad answer" }, result.json())
    assert.equal("exit", result.source)
    assert.is_true(result.upstream_called)
  end)

  it("returns in header_filter, and the body filter sends its body", function()
    local ran_on, in_ctx = false, nil
    local result = testing.run {
      strict = false,
      plugin = {
        header_filter = function()
          kong.response.exit(403, "no", { ["X-Foo"] = "bar" })
          ran_on = true
          in_ctx = ngx.ctx.response_body
        end,
      },
      upstream = { headers = { ["X-Upstream"] = "yes" }, body = { "long ", "body" } },
    }
    assert.is_true(ran_on)
    assert.equal("no", in_ctx)
    assert.equal(403, result.status)
    assert.equal("no", result.body)
    assert.equal("2", result.headers["Content-Length"])
    assert.equal("bar", result.headers["X-Foo"])
    assert.equal("yes", result.headers["X-Upstream"])
    assert.equal("exit", result.source)
    assert.is_true(result.exited)
    assert.is_true(result.upstream_called)
    assert.is_false(result.truncated)
  end)

  it("sends no body in header_filter if the call has none", function()
    local result = testing.run {
      plugin = { header_filter = function() return kong.response.exit(403) end },
      upstream = { body = "secret" },
    }
    assert.equal("", result.body)
    assert.equal("0", result.headers["Content-Length"])
  end)

  it("does not stop other plugins in header_filter", function()
    local trace = {}
    testing.run {
      plugins = {
        { plugin = noting_plugin(trace, "a", {
          header_filter = function() kong.response.exit(403) end,
        }) },
        { plugin = noting_plugin(trace, "b", {}) },
      },
    }
    assert.same({ "a:header_filter", "b:header_filter" }, { unpack(trace, 5, 6) })
  end)

  it("raises an error in the phases in which nginx raises one", function()
    local errors = {}
    local function note(i, f, ...)
      local _, err = pcall(f, ...)
      errors[i] = err
    end
    testing.run {
      plugin = {
        body_filter = function() note(1, ngx.exit, 403) end,
        header_filter = function() note(2, ngx.print, "x") end,
        log = function() note(3, ngx.exit, 403) end,
      },
    }
    assert.same({
      "API disabled in the context of body_filter_by_lua*",
      "API disabled in the context of header_filter_by_lua*",
      "API disabled in the context of log_by_lua*",
    }, errors)
  end)

  it("sends nginx's page for an error status without a body", function()
    local chunks = {}
    local result = testing.run {
      plugin = {
        access = function() return kong.response.exit(404, nil, { ETag = '"1"' }) end,
        body_filter = function() chunks[#chunks + 1] = { ngx.arg[1], ngx.arg[2] } end,
      },
    }
    assert.equal(404, result.status)
    assert.equal("<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n"
      .. "<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n"
      .. "</body>\r\n</html>\r\n", result.body)
    assert.equal("text/html", result.headers["Content-Type"])
    assert.equal(tostring(#result.body), result.headers["Content-Length"])
    assert.is_nil(result.headers.ETag)
    assert.same({ { result.body, true } }, chunks)
  end)

  it("sends an empty response for 200, 204 and a status without a page", function()
    for status, length in pairs { [200] = "0", [204] = false, [418] = "0" } do
      local result = testing.run {
        plugin = { access = function() return kong.response.exit(status) end },
      }
      assert.equal(status, result.status)
      assert.equal("", result.body)
      assert.equal(length, result.headers["Content-Length"] or false)
    end
  end)

  it("sends an empty response for an error status with an empty body", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.exit(404, "") end },
    }
    assert.equal("", result.body)
    assert.equal("0", result.headers["Content-Length"])
  end)

  it("of nginx replaces the response by nginx's page in header_filter", function()
    local result = testing.run {
      plugin = { header_filter = function() ngx.exit(403) end },
      upstream = { headers = { ["X-Upstream"] = "yes" }, body = "secret" },
    }
    assert.equal(403, result.status)
    assert.is_nil(result.headers["X-Upstream"])
    assert.matches("403 Forbidden", result.body, 1, true)
  end)

  it("closes the connection with the status 444", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.exit(444) end },
    }
    assert.is_true(result.closed)
    assert.equal("", tostring(result))
    assert.same({ "rewrite", "access", "log" }, result.phases)
  end)

  it("sends nginx's 304 if the client has the response already", function()
    local case = {
      plugin = {
        access = function() return kong.response.exit(200, { a = 1 }, { ETag = '"1"' }) end,
        header_filter = function()
          kong.response.set_header("X-Seen", kong.response.get_status())
        end,
      },
      request = { headers = { ["If-None-Match"] = '"0", W/"1"' } },
      strict = true,
    }
    local result = testing.run(case)
    assert.response(result).has.status(304)
    assert.response(result).has.header("X-Seen", "304")
    assert.response(result).has.header("ETag", '"1"')
    assert.response(result).has_no.header("Content-Length")
    assert.response(result).has_no.header("Content-Type")
    assert.response(result).has.body("")
    assert.equal("exit", result.source)

    case.request = { headers = { ["If-None-Match"] = '"2"' } }
    assert.response(testing.run(case)).has.status(200)
    case.plugin.access = nil
    case.request = { headers = { ["If-None-Match"] = '"1"' } }
    case.upstream = { headers = { ETag = '"1"' }, body = "x" }
    assert.response(testing.run(case)).has.status(200)
  end)

  it("sends a 500 for a status below 200", function()
    for _, phase in ipairs { "rewrite", "access", "response", "header_filter" } do
      local result = testing.run {
        plugin = { [phase] = function() return kong.response.exit(103, "body") end },
        upstream = { body = "x" },
      }
      assert.response(result).has.status(500)
      assert.response(result).has.body("body")
      assert.response(result).has.logged("warn", "status 103 ends no response: 500 is sent")
    end
  end)

  it("of nginx sends no response for a status below 200", function()
    local result = testing.run {
      plugin = { access = function() return ngx.exit(103) end },
    }
    assert.is_true(result.closed)
    assert.equal(103, result.status)
    assert.equal("", tostring(result))
    assert.matches("(the client gets no response)", result:describe(), 1, true)
  end)

  it("of nginx continues with the next phase if the status is 0", function()
    local ran_on = false
    local result = testing.run {
      plugin = {
        access = function()
          ngx.exit(ngx.OK)
          ran_on = true
        end,
      },
      upstream = { body = "x" },
    }
    assert.is_false(ran_on)
    assert.equal("x", result.body)
  end)
end)


describe("a delayed response", function()
  it("is stored in access, and sent after all handlers", function()
    local seen = {}
    local result = testing.run {
      plugins = {
        { plugin = {
          access = function()
            seen.delay = ngx.ctx.delay_response
            return kong.response.exit(429, { message = "later" }, { ["Retry-After"] = 1 })
          end,
          header_filter = function()
            seen.stored = ngx.ctx.delayed_response
            seen.delay_later = ngx.ctx.delay_response
          end,
        } },
      },
    }
    assert.is_true(seen.delay)
    assert.is_nil(seen.delay_later)
    assert.same({
      status_code = 429,
      content = { message = "later" },
      headers = { ["Retry-After"] = 1 },
    }, seen.stored)
    assert.equal(429, result.status)
    assert.same({ message = "later" }, result.json())
    assert.equal("1", result.headers["Retry-After"])
  end)

  it("is not made in rewrite", function()
    local delay = 1
    testing.run { plugin = { rewrite = function() delay = ngx.ctx.delay_response end } }
    assert.is_nil(delay)
  end)

  it("is sent if a plugin has stored it itself", function()
    local result = testing.run {
      plugin = {
        access = function()
          ngx.ctx.delayed_response = { status_code = 401, content = "stored" }
        end,
      },
    }
    assert.equal(401, result.status)
    assert.equal("stored", result.body)
  end)

  it("is sent by the plugin's own callback if it has one", function()
    local result = testing.run {
      plugin = {
        access = function()
          ngx.ctx.delayed_response = { status_code = 401, content = "stored" }
          ngx.ctx.delayed_response_callback = function(ctx)
            ngx.ctx.delay_response = nil
            kong.response.exit(ctx.delayed_response.status_code, "by the callback")
          end
        end,
      },
    }
    assert.equal("by the callback", result.body)
  end)
end)
