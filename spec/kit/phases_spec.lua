local testing = require "kong.response.testing"
local noting_plugin = require "spec.support.noting_plugin"


local ALL = { "rewrite", "access", "header_filter", "body_filter", "log" }


describe("the phases of a proxied request", function()
  it("run in order, with KONG_PHASE and nginx's own phase", function()
    local seen = {}
    local plugin = {}
    for _, phase in ipairs(ALL) do
      plugin[phase] = function()
        seen[#seen + 1] = phase .. " " .. ngx.get_phase() .. " " .. ngx.ctx.KONG_PHASE
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

  it("run with the whole response if there is a response handler", function()
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

  it("do not have the upstream's body without a response handler", function()
    local ok, err
    testing.run {
      plugin = {
        header_filter = function() ok, err = pcall(kong.service.response.get_raw_body) end,
      },
    }
    assert.is_false(ok)
    assert.matches("service body is only available with buffered proxying", err, 1, true)
  end)

  it("pass the plugin and its configuration to handlers", function()
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

  it("are checked by the functions of kong.response", function()
    local result = testing.run {
      strict = false,
      plugin = { log = function() kong.response.set_header("a", "b") end },
    }
    assert.matches("function cannot be called in log phase (only in: rewrite, access, balancer, "
      .. "response, header_filter, error, admin_api)", result.log.err[1], 1, true)
  end)
end)


describe("several plugins", function()
  it("run by priority, and in the given order for one priority", function()
    local trace = {}
    testing.run {
      plugins = {
        { plugin = noting_plugin(trace, "low", { PRIORITY = -1 }) },
        { plugin = noting_plugin(trace, "none", {}) },
        { plugin = noting_plugin(trace, "high", { PRIORITY = 1000 }) },
        { plugin = noting_plugin(trace, "zero", { PRIORITY = 0 }) },
      },
    }
    assert.same({ "high:rewrite", "none:rewrite", "zero:rewrite", "low:rewrite", "high:access" },
      { unpack(trace, 1, 5) })
    assert.equal("low:log", trace[#trace])
  end)

  it("do not run in the rest of a phase after an exit, but in later phases", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local trace = {}
      local result = testing.run {
        plugins = {
          { plugin = noting_plugin(trace, "b", { PRIORITY = 1 }) },
          { plugin = noting_plugin(trace, "a", {
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


describe("handlers", function()
  it("continue after a yield in rewrite, and wait forever in access", function()
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

  it("can be spies", function()
    local plugin = { access = function() return kong.response.exit(403) end }
    local access = spy.on(plugin, "access")
    assert.equal(403, testing.run({ plugin = plugin }).status)
    assert.spy(access).was.called(1)
  end)

  it("can print the response", function()
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
