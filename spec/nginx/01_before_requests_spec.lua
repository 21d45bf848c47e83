-- In nginx only: init and init_worker, where there is no request. The tests of plugins have one.

local module = require "spec.support.module"
local plugins = require "spec.support.plugins"


local ALL_CALLS, all, NO_REQUEST = module.ALL_CALLS, module.all, module.NO_REQUEST

local FAILS = [[
  local function fails(f, ...)
    local ok, err = pcall(f, ...)
    return not ok and err
  end
]]

-- the module is loaded before the gateway's global exists, as a gateway does
local INIT = FAILS .. [[
  local response = require "kong.response"
  local function calls()
]] .. ALL_CALLS .. [[
    return results
  end
  _G.every_call = calls
  _G.init_results = { calls() }
  _G.kong = { ctx = {} }
  _G.init_results[2] = calls()
  _G.source_in_init = response.get_source { KONG_EXITED = true }
]]


plugins.each_binding(function(run)
  describe("where there is no request", function()
    it("every function is disabled in init", function()
      local r = run { access = "return init_results" }
      assert.same({ { all(NO_REQUEST), all(NO_REQUEST) } }, r.seen.access)
    end)

    it("a source that is asked of a given table is known in init too", function()
      assert.same({ "exit" }, run({ access = "return source_in_init" }).seen.access)
    end)

    it("every function but get_source is disabled in init_worker", function()
      local r = run { access = "return worker_results" }
      local results = r.seen.access[1]
      results.get_source = nil
      local expected = all(NO_REQUEST)
      expected.get_source = nil
      assert.same(expected, results)
    end)
  end)
end, {
  kong = false, init = INIT,
  http = "init_worker_by_lua_block { _G.worker_results = every_call() }",
})


plugins.each_binding(function(run)
  describe("without a gateway", function()
    it("init has no request", function()
      assert.same({ all(NO_REQUEST) }, run({ access = "return init_results" }).seen.access)
    end)
  end)
end, { kong = false, init = FAILS .. [[
  local response = require "kong.response"
  local function calls()
]] .. ALL_CALLS .. [[
    return results
  end
  _G.init_results = calls()
]] })
