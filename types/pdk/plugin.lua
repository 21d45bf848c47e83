---@meta

---@class kong.plugin
local plugin = {}


---Returns the id of the plugin whose handler runs.
---@return string? id
function plugin.get_id() end


return plugin
