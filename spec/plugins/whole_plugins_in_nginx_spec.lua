--- Twelve plugins as they are written, under the life cycle: the cases are in `cases/`.

local served = require "spec.support.served"
local whole_plugins = require "spec.support.whole_plugins"


local NAMES = {
  "audit-log", "consumer-rate-limit", "cors", "header-router", "html-injector", "idempotency",
  "jwt-claims", "oidc-introspection", "request-firewall", "request-transformer", "response-cache",
  "xml-to-json",
}

local scenarios = {}
for _, name in ipairs(NAMES) do
  for _, scenario in ipairs(dofile("spec/plugins/cases/" .. name .. ".lua")) do
    scenarios[#scenarios + 1] = scenario
    scenario.of = name
  end
end


served.describe("in nginx, the plugin", function()
  return whole_plugins.start(scenarios)
end, function(server)
  for number, scenario in ipairs(scenarios) do
    describe(scenario.of .. ": " .. scenario.name, function()
      setup(function()
        whole_plugins.forget(server)
      end)

      for _, step in ipairs(scenario.steps) do
        it(step.name, function()
          whole_plugins.check(step.expect, whole_plugins.in_nginx(server, number, step))
        end)
      end
    end)
  end
end)
