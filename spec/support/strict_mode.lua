--- Returns the mistakes that the test kit's strict mode finds in a plugin.

local assert = require "luassert"
local testing = require "kong.response.testing"


local _M = {}


--- Returns the mistakes in a plugin or a list of plugins, with their places. It checks that the
-- same test passes without strict mode.
function _M.places(plugin, case)
  local one, list = plugin, nil
  if plugin[1] then
    one, list = nil, plugin
  end
  local result = testing.with { plugin = one, plugins = list, strict = false }(case)
  local ok, err = pcall(testing.with { plugin = one, plugins = list }, case)
  if ok then
    return {}, result
  end
  local found = {}
  local lines, shown = err:match("^strict mode found:\n(.-)\n\n(.*)$")
  for line in lines:gmatch("  ([^\n]+)") do
    found[#found + 1] = line
  end
  assert.equal(result:describe(), shown)
  return found, result
end


--- Returns the mistakes without their places. Only the mistake about code after an exit keeps its
-- place.
function _M.mistakes(plugin, case)
  local found, result = _M.places(plugin, case)
  for i, text in ipairs(found) do
    if not text:find("^code ran after") then
      found[i] = text:gsub(", at spec/kit/[%w_]+%.lua:%d+$", "")
        :gsub(", in the handler at spec/kit/[%w_]+%.lua:%d+$", "")
    end
  end
  return found, result
end


--- Returns the line of the caller.
function _M.line_here()
  return debug.getinfo(2, "l").currentline
end


return _M
