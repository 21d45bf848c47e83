local testing = require "kong.response.testing"


local raw_wrap = coroutine.wrap


local ALL = { "rewrite", "access", "header_filter", "body_filter", "log" }

local BITS = {
  rewrite = 0x10, access = 0x20, response = 0x80, header_filter = 0x200, body_filter = 0x400,
  log = 0x2000,
}


-- A plugin that notes the phases it runs in, with code for some of them.
local function noting(trace, name, handlers)
  local plugin = { PRIORITY = handlers.PRIORITY }
  for phase in pairs(BITS) do
    -- No plugin has both a response handler and filters.
    local is_allowed
    if handlers.response then
      is_allowed = phase ~= "header_filter" and phase ~= "body_filter"
    else
      is_allowed = phase ~= "response"
    end
    if is_allowed then
      plugin[phase] = function(...)
        trace[#trace + 1] = name .. ":" .. phase
        if handlers[phase] then
          return handlers[phase](...)
        end
      end
    end
  end
  return plugin
end


describe("the phases of a proxied request", function()
  it("run in order, with KONG_PHASE and nginx's own phase", function()
    local seen = {}
    local plugin = {}
    for phase in pairs(BITS) do
      if phase ~= "response" then
        plugin[phase] = function()
          seen[#seen + 1] = phase .. " " .. ngx.get_phase() .. " " .. ngx.ctx.KONG_PHASE
        end
      end
    end
    local result = testing.run { plugin = plugin, upstream = { body = "x" } }
    assert.same({
      "rewrite rewrite 16", "access access 32", "header_filter header_filter 512",
      "body_filter body_filter 1024", "body_filter body_filter 1024", "log log 8192",
    }, seen)
    assert.same(ALL, result.phases)
    assert.is_true(result.upstream_called)
    assert.is_false(result.exited)
    assert.equal("service", result.source)
  end)

  it("with a response handler, run with the whole answer at hand", function()
    local seen = {}
    local filter = { body_filter = function() seen[#seen + 1] = ngx.arg[1] end }
    local result = testing.run {
      plugins = { { plugin = filter }, { plugin = {
        response = function()
          seen[#seen + 1] = ngx.get_phase() .. " " .. ngx.ctx.KONG_PHASE
          seen[#seen + 1] = kong.service.response.get_raw_body()
          seen[#seen + 1] = kong.service.response.get_status()
          seen[#seen + 1] = kong.service.response.get_header("x-a")
          seen[#seen + 1] = kong.response.get_status()
          seen[#seen + 1] = kong.response.get_header("x-a")
          seen[#seen + 1] = kong.response.get_source()
          kong.response.set_header("X-B", "2")
          kong.response.set_status(202)
        end,
      } } },
      upstream = { status = 201, headers = { ["X-A"] = "1" }, body = { "one ", "two" } },
    }
    assert.same({ "access 128", "one two", 201, "1", 201, "1", "service", "one two", "" }, seen)
    assert.same({ "rewrite", "access", "response", "header_filter", "body_filter", "log" },
      result.phases)
    assert.equal(202, result.status)
    assert.equal("2", result.headers["X-B"])
    assert.equal("one two", result.body)
  end)

  it("without one, do not have the body of the service", function()
    local ok, err
    testing.run {
      plugin = {
        header_filter = function() ok, err = pcall(kong.service.response.get_raw_body) end,
      },
    }
    assert.is_false(ok)
    assert.matches("service body is only available with buffered proxying", err, 1, true)
  end)

  it("give handlers their plugin and its configuration", function()
    local config, got = { a = 1 }, {}
    local plugin = { access = function(...) got = { n = select("#", ...), ... } end }
    testing.run { plugin = plugin, config = config }
    assert.same({ n = 2, plugin, config }, got)
    assert.equal(plugin, got[1])
    assert.equal(config, got[2])
  end)

  it("share ngx.ctx and kong.ctx.shared; each plugin has its kong.ctx.plugin", function()
    local seen = {}
    local function plugin(name)
      return {
        access = function()
          kong.ctx.plugin.name = name
          kong.ctx.shared[name], ngx.ctx[name] = true, true
        end,
        log = function()
          seen[#seen + 1] = kong.ctx.plugin.name
          seen[#seen + 1] = kong.ctx.shared.a and kong.ctx.shared.b and ngx.ctx.a and ngx.ctx.b
        end,
      }
    end
    testing.run { plugins = { { plugin = plugin "a" }, { plugin = plugin "b" } } }
    assert.same({ "a", true, "b", true }, seen)
  end)

  it("check where a function may be called", function()
    local result = testing.run {
      strict = false,
      plugin = { log = function() kong.response.set_header("a", "b") end },
    }
    assert.matches("function cannot be called in log phase (only in: rewrite, access, balancer, "
      .. "response, header_filter, error, admin_api)", result.log.err[1], 1, true)
  end)
end)


describe("several plugins", function()
  it("run by priority, those of one priority as they were given", function()
    local trace = {}
    testing.run {
      plugins = {
        { plugin = noting(trace, "low", { PRIORITY = -1 }) },
        { plugin = noting(trace, "none", {}) },
        { plugin = noting(trace, "high", { PRIORITY = 1000 }) },
        { plugin = noting(trace, "zero", { PRIORITY = 0 }) },
      },
    }
    assert.same({ "high:rewrite", "none:rewrite", "zero:rewrite", "low:rewrite", "high:access" },
      { unpack(trace, 1, 5) })
    assert.equal("low:log", trace[#trace])
  end)

  it("are not run in the phase in which one has answered, but in all later ones", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local trace = {}
      local result = testing.run {
        plugins = {
          { plugin = noting(trace, "b", { PRIORITY = 1 }) },
          { plugin = noting(trace, "a", {
            PRIORITY = 2,
            [phase] = function() kong.response.exit(403, "no") end,
          }) },
        },
      }
      local before = phase == "access" and { "a:rewrite", "b:rewrite", "a:access" }
                     or { "a:rewrite" }
      for _, step in ipairs {
        "a:header_filter", "b:header_filter", "a:body_filter", "b:body_filter", "a:body_filter",
        "b:body_filter", "a:log", "b:log",
      } do
        before[#before + 1] = step
      end
      assert.same(before, trace)
      assert.equal(403, result.status)
      assert.equal("no", result.body)
      assert.is_false(result.upstream_called)
      assert.equal("exit", result.source)
    end
  end)
end)


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

      it("cannot be caught in " .. phase .. ": " .. name, function()
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

  it("stops the handler from a coroutine of its own in rewrite", function()
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

  it("answers from a coroutine whose functions a module took before the test", function()
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

  it("leaves coroutines of plugins alone otherwise", function()
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

  it("without a body in header_filter sends none", function()
    local result = testing.run {
      plugin = { header_filter = function() return kong.response.exit(403) end },
      upstream = { body = "secret" },
    }
    assert.equal("", result.body)
    assert.equal("0", result.headers["Content-Length"])
  end)

  it("in header_filter lets the other plugins run on", function()
    local trace = {}
    testing.run {
      plugins = {
        { plugin = noting(trace, "a", { header_filter = function() kong.response.exit(403) end }) },
        { plugin = noting(trace, "b", {}) },
      },
    }
    assert.same({ "a:header_filter", "b:header_filter" }, { unpack(trace, 5, 6) })
  end)

  it("is refused where nginx refuses it", function()
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

  it("without a body gives nginx's own page for an error", function()
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

  it("without a body sends an empty answer for 200, 204 and a status without a page", function()
    for status, length in pairs { [200] = "0", [204] = false, [418] = "0" } do
      local result = testing.run {
        plugin = { access = function() return kong.response.exit(status) end },
      }
      assert.equal(status, result.status)
      assert.equal("", result.body)
      assert.equal(length, result.headers["Content-Length"] or false)
    end
  end)

  it("with nothing for an error sends an empty answer", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.exit(404, "") end },
    }
    assert.equal("", result.body)
    assert.equal("0", result.headers["Content-Length"])
  end)

  it("of nginx in header_filter puts its own page in the place of the response", function()
    local result = testing.run {
      plugin = { header_filter = function() ngx.exit(403) end },
      upstream = { headers = { ["X-Upstream"] = "yes" }, body = "secret" },
    }
    assert.equal(403, result.status)
    assert.is_nil(result.headers["X-Upstream"])
    assert.matches("403 Forbidden", result.body, 1, true)
  end)

  it("444 closes the connection", function()
    local result = testing.run {
      plugin = { access = function() return kong.response.exit(444) end },
    }
    assert.is_true(result.closed)
    assert.equal("", tostring(result))
    assert.same({ "rewrite", "access", "log" }, result.phases)
  end)

  it("with what the client has already becomes nginx's 304", function()
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

  it("with a status below 200 is answered with 500", function()
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

  it("of nginx with a status below 200 gets no answer", function()
    local result = testing.run {
      plugin = { access = function() return ngx.exit(103) end },
    }
    assert.is_true(result.closed)
    assert.equal(103, result.status)
    assert.equal("", tostring(result))
    assert.matches("(the client gets no response)", result:describe(), 1, true)
  end)

  it("of nginx with 0 goes on with the next phase", function()
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
  it("is stored in access, and sent behind all handlers", function()
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

  it("that a plugin has stored by itself is sent", function()
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

  it("a plugin can send its own by the callback", function()
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


describe("a runtime error", function()
  for _, phase in ipairs { "rewrite", "access", "response", "header_filter" } do
    it("in " .. phase .. " becomes a 500, and later phases run", function()
      local trace = {}
      local result = testing.run {
        plugin = noting(trace, "a", { [phase] = function() error "boom" end }),
        request = { id = "4711" },
        upstream = { body = "secret" },
      }
      assert.equal(500, result.status)
      assert.same({ message = "An unexpected error occurred", request_id = "4711" }, result.json())
      assert.equal("error", result.source)
      assert.is_false(result.exited)
      assert.matches("phases_spec.lua:%d+: boom$", result.log.err[1])
      assert.equal("a:log", trace[#trace])
      assert.equal(phase == "response" or phase == "header_filter", result.upstream_called)
    end)
  end

  it("in rewrite and access leaves out the handlers behind it", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local trace = {}
      testing.run {
        plugins = {
          { plugin = { [phase] = function() error "boom" end } },
          { plugin = noting(trace, "b", {}) },
        },
      }
      for _, step in ipairs(trace) do
        assert.not_equal("b:" .. phase, step)
      end
    end
  end)

  it("has the document that the client asks for", function()
    local result = testing.run {
      plugin = { access = function() error "boom" end },
      request = { headers = { Accept = "text/plain" } },
    }
    assert.equal("text/plain; charset=utf-8", result.headers["Content-Type"])
  end)

  it("leaves no header of the upstream when it is in header_filter", function()
    local result = testing.run {
      plugin = { header_filter = function() error "boom" end },
      upstream = { headers = { ["X-Secret"] = "1", ["Content-Encoding"] = "gzip" } },
    }
    assert.is_nil(result.headers["X-Secret"])
    assert.is_nil(result.headers["Content-Encoding"])
  end)

  it("in body_filter breaks the response off", function()
    local result = testing.run {
      strict = false,
      plugin = {
        body_filter = function()
          if ngx.arg[1] == "two" then
            error "boom"
          end
        end,
      },
      upstream = { body = { "one", "two", "three" } },
    }
    assert.equal(200, result.status)
    assert.equal("one", result.body)
    assert.is_true(result.truncated)
    assert.equal("error", result.source)
    assert.same(ALL, result.phases)
  end)

  it("in log is logged, and the other plugins' handlers run", function()
    local ran = false
    local result = testing.run {
      strict = false,
      plugins = {
        { plugin = { log = function() error "boom" end } },
        { plugin = { log = function() ran = true end } },
      },
    }
    assert.is_true(ran)
    assert.equal(200, result.status)
    assert.equal("service", result.source)
    assert.matches("boom", result.log.err[1])
  end)

  it("may be of any type", function()
    local result = testing.run { plugin = { access = function() error({ code = 1 }) end } }
    assert.equal(500, result.status)
    assert.matches("^table", result.log.err[1])
  end)

  it("of the sending of a delayed response becomes a 500", function()
    local result = testing.run {
      plugin = {
        access = function()
          ngx.ctx.delayed_response = {}
          ngx.ctx.delayed_response_callback = function() error "boom" end
        end,
      },
    }
    assert.equal(500, result.status)
    assert.equal("error", result.source)
  end)

  it("of an assertion fails the test", function()
    local ok, err = pcall(testing.run, {
      plugin = { access = function() assert.equal("a", "b") end },
    })
    assert.is_false(ok)
    assert.matches("Expected objects to be equal", tostring(err), 1, true)
  end)

  it("is what a yield outside of a coroutine is in the filters", function()
    local result = testing.run { plugin = { header_filter = function() coroutine.yield() end } }
    assert.equal(500, result.status)
    assert.matches("attempt to yield across C-call boundary", result.log.err[1], 1, true)
  end)
end)


describe("handlers", function()
  it("that yield go on in rewrite, and wait for ever in access", function()
    local ran = {}
    testing.run {
      plugin = {
        rewrite = function()
          coroutine.yield()
          ran.rewrite = true
        end,
        access = function()
          coroutine.yield()
          ran.access = true
        end,
      },
    }
    assert.same({ rewrite = true }, ran)
  end)

  it("may be spies", function()
    local plugin = { access = function() return kong.response.exit(403) end }
    local access = spy.on(plugin, "access")
    assert.equal(403, testing.run({ plugin = plugin }).status)
    assert.spy(access).was.called(1)
  end)

  it("that print answer the request", function()
    local result = testing.run {
      plugin = {
        access = function()
          ngx.header["Content-Type"] = "text/plain"
          ngx.print("a", { "b", 1 }, true, nil)
        end,
      },
      upstream = { body = "x" },
    }
    assert.equal("ab1truenil", result.body)
    assert.is_false(result.upstream_called)
  end)
end)


describe("odd things that plugins do", function()
  local cases = {
    ["an ngx.ctx that is no table"] = {
      function() ngx.ctx = nil end, "ngx.ctx must be a table, got nil",
    },
    ["a status that is none"] = {
      function() ngx.status = "none" end, "phases_spec.lua:%d+: code must be a number",
    },
    ["an exit with no status"] = {
      function() ngx.exit() end, "bad argument #1 to 'exit' %(status expected, got nil%)",
    },
    ["an exit with one that is too great"] = {
      function() ngx.exit(9999) end, "bad argument #1 to 'exit' %(status expected, got 9999%)",
    },
    ["no kong"] = { function() rawset(_G, "kong", nil) kong.response.exit(403) end, "kong" },
    ["an error that cannot be shown"] = {
      function() error(setmetatable({}, { __tostring = function() error "x" end })) end,
      "error object is a table value",
    },
  }
  for name, case in pairs(cases) do
    it("are runtime errors: " .. name, function()
      local result = testing.run { plugin = { access = case[1] } }
      assert.equal(500, result.status)
      assert.equal("error", result.source)
      assert.matches(case[2], result.log.err[1])
      assert.equal("log", result.phases[#result.phases])
    end)
  end

  it("break a body off: a replaced body that is none", function()
    local result = testing.run {
      strict = false,
      plugin = { header_filter = function() ngx.ctx.response_body = print end },
      upstream = { body = "x" },
    }
    assert.is_true(result.truncated)
    assert.equal("error", result.source)
  end)

  it("do not stop the kit: no kong.ctx", function()
    assert.equal(200, testing.run({ plugin = {
      access = function() kong.ctx = nil end,
      log = function() end,
    } }).status)
  end)
end)
