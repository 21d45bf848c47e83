--- `gateway = false`: what plugins find under the life cycle.

local testing = require "kong.response.testing"


local function run(case)
  case.gateway = false
  return testing.run(case)
end


describe("without a gateway,", function()
  it("strict mode finds a handler that failed at the worker's start", function()
    for name, message in pairs {
      init_worker = 'worker initialization error: failed to execute the "init_worker" handler for',
      configure = "failed to execute plugin 'test:configure",
    } do
      local ok, err = pcall(run, {
        name = "test",
        plugin = { [name] = function() error("no beans") end, access = function() end },
      })
      assert.is_false(ok)
      assert.matches("strict mode found:\n  init_worker", tostring(err))
      assert.matches(message, tostring(err), 1, true)
      assert.matches("no beans", tostring(err), 1, true)
    end
  end)

  it("phases run in order after the worker's start", function()
    local seen = {}
    local plugin = {}
    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      plugin[phase] = function(self, config)
        assert.equal(plugin, self)
        assert.equal(1, config.n)
        seen[#seen + 1] = phase .. " " .. ngx.get_phase() .. " " .. ngx.ctx.KONG_PHASE
      end
    end
    function plugin.init_worker(...)
      seen[#seen + 1] = "init_worker " .. select("#", ...) .. " " .. ngx.get_phase()
    end
    function plugin.configure(_, configs)
      seen[#seen + 1] = "configure " .. configs[1].n
    end
    local result = run { plugin = plugin, config = { n = 1 }, upstream = { body = "x" } }
    assert.same({
      "init_worker 1 init_worker", "configure 1", "rewrite rewrite 16", "access access 32",
      "header_filter header_filter 512", "body_filter body_filter 1024",
      "body_filter body_filter 1024", "log log 8192",
    }, seen)
    assert.same({ "rewrite", "access", "header_filter", "body_filter", "log" }, result.phases)
    assert.equal("service", result.source)
    assert.equal("x", result.body)
  end)

  it("there is no route unless the test has one", function()
    local seen
    local plugin = { access = function()
      seen = tostring((kong.router.get_route() or {}).id)
    end }
    run { plugin = plugin }
    assert.equal("nil", seen)
    run { plugin = plugin, route = { id = "r" } }
    assert.equal("r", seen)
    testing.run { plugin = plugin }
    assert.not_equal("nil", seen)
  end)

  it("an exit ends rewrite and access for all plugins", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local ran = {}
      local result = run { plugins = {
        { plugin = { PRIORITY = 2, [phase] = function()
          kong.ctx.shared.who = "one"
          kong.response.exit(403, { no = kong.ctx.shared.who })
        end, log = function() ran[#ran + 1] = "log" end } },
        { plugin = { PRIORITY = 1, access = function() ran[#ran + 1] = "access" end,
                     header_filter = function() ran[#ran + 1] = "header_filter" end } },
      } }
      assert.equal(403, result.status)
      assert.same({ no = "one" }, result.json())
      assert.equal("exit", result.source)
      assert.is_false(result.upstream_called)
      assert.same({ "header_filter", "log" }, ran)
    end
  end)

  it("a handler continues after a yield", function()
    local result = run { plugin = { access = function()
      ngx.sleep(0.1)
      coroutine.yield()
      return kong.response.exit(200, "went on")
    end } }
    assert.equal("went on", result.body)
  end)

  it("a failure is a 500, and the log has the line of the life cycle", function()
    for _, phase in ipairs { "rewrite", "access", "header_filter" } do
      local result = run {
        name = "mine", request = { id = "4711" },
        plugin = { [phase] = function() error "boom" end },
        upstream = { headers = { ["X-Secret"] = "1" }, body = "x" },
      }
      assert.equal(500, result.status)
      assert.equal("An unexpected error occurred", result.json().message)
      assert.is_nil(result.headers["X-Secret"])
      assert.equal("error", result.source)
      assert.matches("without_gateway_spec%.lua:%d+: boom %(the " .. phase
        .. ' handler of plugin "mine" failed', result.log.err[1])
    end
  end)

  it("a failure in body_filter breaks the response off", function()
    local result = run {
      plugin = { body_filter = function() error "boom" end }, upstream = { body = "x" },
      strict = false,
    }
    assert.is_true(result.truncated)
    assert.matches("boom %(the body_filter handler", result.log.err[1])
  end)

  it("the response phase has the whole response", function()
    local result = run {
      plugin = { response = function()
        kong.response.set_header("X-Body", kong.service.response.get_raw_body())
        kong.response.set_header("X-Source", kong.response.get_source())
      end },
      upstream = { status = 201, headers = { ["X-Two"] = { "a", "b" } }, body = "coffee" },
    }
    assert.equal(201, result.status)
    assert.equal("coffee", result.body)
    assert.equal("coffee", result.headers["X-Body"])
    assert.equal("service", result.headers["X-Source"])
    assert.equal("6", result.headers["Content-Length"])
    assert.same({ "a", "b" }, result.headers["X-Two"])
  end)

  it("the response phase leaves the conditions of the request to the upstream", function()
    for name, value in pairs { ["If-Match"] = '"1"', ["If-None-Match"] = '"2"' } do
      local seen
      local result = run {
        request = { method = "PUT", headers = { [name] = value } },
        plugin = {
          response = function() end,
          log = function() seen = kong.request.get_header(name) end,
        },
        upstream = { headers = { ETag = '"2"' }, body = "changed" },
      }
      assert.equal(200, result.status)
      assert.equal(value, result.upstream.request.headers[name])
      assert.equal(value, seen)
    end
  end)

  it("an upstream that fails causes an error document", function()
    for _, plugin in ipairs { { access = function() end }, { response = error } } do
      local result = run { plugin = plugin, upstream = { failure = "timeout" } }
      assert.equal(504, result.status)
      assert.equal("The upstream server is timing out", result.json().message)
      assert.equal("error", result.source)
    end
  end)

  it("an assertion in a handler fails the test", function()
    for _, phase in ipairs { "access", "header_filter", "log" } do
      assert.error_matches(function()
        run { plugin = { [phase] = function() assert.equal(1, 2) end } }
      end, "Expected objects to be equal")
    end
  end)

  it("a handler that replaces ngx.ctx with another value fails the test", function()
    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      for _, value in ipairs { false, 5 } do
        local ok, err = pcall(run, { plugin = { [phase] = function() ngx.ctx = value or nil end } })
        assert.is_false(ok)
        assert.matches("ngx.ctx must be a table, got " .. (value and "number" or "nil")
          .. ", after the handler at spec/kit/without_gateway_spec.lua:%d+$", err)
      end
    end
  end)

  it("no state stays after a test", function()
    local seen = {}
    local function look()
      seen[#seen + 1] = { kong.ctx.plugin.x or "none", getmetatable(kong.ctx) or "none" }
      kong.ctx.plugin.x = 1
    end
    testing.run { plugin = { access = look } }
    run { plugin = { access = look } }
    testing.run { plugin = { access = look } }
    assert.is_nil(rawget(_G, "kong"))
    assert.equal("none", seen[3][1])
    assert.equal(seen[1][2], seen[3][2])
  end)

  it("a plugin is refused if the life cycle refuses it", function()
    assert.error_matches(function()
      run { plugin = { access = setmetatable({}, { __call = function() end }) } }
    end, "plugins%[1%]: access must be a function, got table")
  end)
end)
