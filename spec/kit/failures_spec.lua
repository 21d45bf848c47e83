local testing = require "kong.response.testing"
local noting_plugin = require "spec.support.noting_plugin"


local ALL = { "rewrite", "access", "header_filter", "body_filter", "log" }


describe("a runtime error", function()
  for _, phase in ipairs { "rewrite", "access", "response", "header_filter" } do
    it("becomes a 500 in " .. phase .. ", and later phases run", function()
      local trace = {}
      local result = testing.run {
        plugin = noting_plugin(trace, "a", { [phase] = function() error "boom" end }),
        request = { id = "4711" },
        upstream = { body = "secret" },
      }
      assert.equal(500, result.status)
      assert.same({ message = "An unexpected error occurred", request_id = "4711" }, result.json())
      assert.equal("error", result.source)
      assert.is_false(result.exited)
      assert.matches("failures_spec.lua:%d+: boom$", result.log.err[1])
      assert.equal("a:log", trace[#trace])
      assert.equal(phase == "response" or phase == "header_filter", result.upstream_called)
    end)
  end

  it("skips the later handlers of the phase in rewrite and access", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local trace = {}
      testing.run {
        plugins = {
          { plugin = { [phase] = function() error "boom" end } },
          { plugin = noting_plugin(trace, "b", {}) },
        },
      }
      for _, step in ipairs(trace) do
        assert.not_equal("b:" .. phase, step)
      end
    end
  end)

  it("causes the document that the client accepts", function()
    local result = testing.run {
      plugin = { access = function() error "boom" end },
      request = { headers = { Accept = "text/plain" } },
    }
    assert.equal("text/plain; charset=utf-8", result.headers["Content-Type"])
  end)

  it("removes the upstream's headers in header_filter", function()
    local result = testing.run {
      plugin = { header_filter = function() error "boom" end },
      upstream = { headers = { ["X-Secret"] = "1", ["Content-Encoding"] = "gzip" } },
    }
    assert.is_nil(result.headers["X-Secret"])
    assert.is_nil(result.headers["Content-Encoding"])
  end)

  it("breaks the response off in body_filter", function()
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

  it("is logged in log, and the other plugins' handlers do not run in a gateway", function()
    local ran = false
    local result = testing.run {
      strict = false,
      plugins = {
        { plugin = { log = function() error "boom" end } },
        { plugin = { log = function() ran = true end } },
      },
    }
    assert.is_false(ran)
    assert.equal(200, result.status)
    assert.equal("service", result.source)
    assert.matches("boom", result.log.err[1])
  end)

  it("can be of any type", function()
    local result = testing.run { plugin = { access = function() error({ code = 1 }) end } }
    assert.equal(500, result.status)
    assert.matches("^table", result.log.err[1])
  end)

  it("becomes a 500 if a delayed response causes it", function()
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

  it("fails the test if an assertion raised it", function()
    local ok, err = pcall(testing.run, {
      plugin = { access = function() assert.equal("a", "b") end },
    })
    assert.is_false(ok)
    assert.matches("Expected objects to be equal", tostring(err), 1, true)
  end)

  it("is raised by a yield in the filters", function()
    local result = testing.run { plugin = { header_filter = function() coroutine.yield() end } }
    assert.equal(500, result.status)
    assert.matches("attempt to yield across C-call boundary", result.log.err[1], 1, true)
  end)
end)


describe("mistakes of plugins", function()
  local cases = {
    ["an ngx.ctx that is not a table"] = {
      function() ngx.ctx = nil end, "ngx.ctx must be a table, got nil",
    },
    ["a status that is not a number"] = {
      function() ngx.status = "none" end, "failures_spec.lua:%d+: code must be a number",
    },
    ["an exit without a status"] = {
      function() ngx.exit() end, "bad argument #1 to 'exit' %(status expected, got nil%)",
    },
    ["an exit with a status that is too large"] = {
      function() ngx.exit(9999) end, "bad argument #1 to 'exit' %(status expected, got 9999%)",
    },
    ["a removed global kong"] = {
      function() rawset(_G, "kong", nil) kong.response.exit(403) end, "kong",
    },
    ["an error that cannot be shown"] = {
      function() error(setmetatable({}, { __tostring = function() error "x" end })) end,
      "error object is a table value",
    },
  }
  for name, case in pairs(cases) do
    it("cause runtime errors: " .. name, function()
      local result = testing.run { plugin = { access = case[1] } }
      assert.equal(500, result.status)
      assert.equal("error", result.source)
      assert.matches(case[2], result.log.err[1])
      assert.equal("log", result.phases[#result.phases])
    end)
  end

  it("break the response off if ctx.response_body is invalid", function()
    local result = testing.run {
      strict = false,
      plugin = { header_filter = function() ngx.ctx.response_body = print end },
      upstream = { body = "x" },
    }
    assert.is_true(result.truncated)
    assert.equal("error", result.source)
  end)

  it("do not stop the kit if they remove kong.ctx", function()
    assert.equal(200, testing.run({ plugin = {
      access = function() kong.ctx = nil end,
      log = function() end,
    } }).status)
  end)
end)
