--- Makes a plugin that notes the phases in which it runs.
--
--     local trace = {}
--     testing.run { plugin = noting_plugin(trace, "a", { access = function() … end }) }
--     assert.equal("a:rewrite", trace[1])

local PHASES = { "rewrite", "access", "response", "header_filter", "body_filter", "log" }


-- @tparam table trace gets "name:phase" for each phase that runs
-- @tparam string name
-- @tparam table handlers `PRIORITY`, and functions for some phases
return function(trace, name, handlers)
  local plugin = { PRIORITY = handlers.PRIORITY }
  for _, phase in ipairs(PHASES) do
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
