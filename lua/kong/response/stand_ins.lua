--- Substitutes for modules of a gateway that plugins require, for servers without a gateway.
--
-- `require` searches them last, so it prefers any other module with the same name.

local insert = table.insert
local require = require


local MODULES = {
  ["kong.constants"] = "kong.response.stand_ins.constants",
  ["kong.db.schema.typedefs"] = "kong.response.schema.typedefs",
  ["kong.meta"] = "kong.response.stand_ins.meta",
  ["kong.plugins.base_plugin"] = "kong.response.stand_ins.base_plugin",
}

local installed = false

local _M = { MODULES = MODULES }


--- Adds them to the modules that `require` finds.
function _M.install()
  if installed then
    return
  end
  installed = true
  insert(package.loaders, function(name)
    local module = MODULES[name]
    if module then
      return function()
        return require(module)
      end
    end
  end)
end


return _M
