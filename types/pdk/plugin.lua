---@meta

---@class kong.plugin
local plugin = {}


---The id of the plugin whose handler runs.
---@return string? id
function plugin.get_id() end


return plugin
