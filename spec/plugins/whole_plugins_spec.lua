--- Twelve plugins as they are written, in the test kit. The cases are in `cases/`.

local whole_plugins = require "spec.support.whole_plugins"


for title, gateway in pairs { ["with a gateway"] = true, ["under the life cycle"] = false } do
  describe(title .. ", the plugin", function()
    whole_plugins.on_path()

    for _, scenario in ipairs(whole_plugins.scenarios()) do
      describe(scenario.of .. ": " .. scenario.name, function()
        local run

        setup(function()
          run = whole_plugins.worker(scenario, gateway)
        end)

        for _, step in ipairs(scenario.steps) do
          it(step.name, function()
            whole_plugins.check(step.expect, whole_plugins.in_memory(run, scenario, step))
          end)
        end
      end)
    end
  end)
end
