--- Twelve plugins as they are written: what they do in nginx under the life cycle is what they do
-- in the test kit. The cases are in `cases/`.

local served = require "spec.support.served"
local whole_plugins = require "spec.support.whole_plugins"


local scenarios = whole_plugins.scenarios()


served.describe("in nginx, the plugin", function()
  return whole_plugins.start(scenarios)
end, function(server)
  whole_plugins.on_path()

  for number, scenario in ipairs(scenarios) do
    describe(scenario.of .. ": " .. scenario.name, function()
      local with_gateway, without

      setup(function()
        whole_plugins.forget(server)
        with_gateway = whole_plugins.worker(scenario)
        without = whole_plugins.worker(scenario, false)
      end)

      for _, step in ipairs(scenario.steps) do
        it(step.name, function()
          local real = whole_plugins.in_nginx(server, number, step)
          whole_plugins.check(step.expect, real)
          for _, run in ipairs { with_gateway, without } do
            local memory = whole_plugins.in_memory(run, scenario, step)
            whole_plugins.check(step.expect, memory)
            assert.same(whole_plugins.comparable(real), whole_plugins.comparable(memory))
          end
        end)
      end
    end)
  end
end)
