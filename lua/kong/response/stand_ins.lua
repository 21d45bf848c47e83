--- Modules of a gateway that plugins require at their top, for servers without a gateway.
--
-- `require` finds them only after everything else: a module of the same name wins.

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


--- Lets `require` find them.
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
