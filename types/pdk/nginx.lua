---@meta

---@class kong.nginx
local nginx = {}


---Returns nginx's subsystem.
---@return "http"|"stream" subsystem
function nginx.get_subsystem() end


---Returns the numbers of connections and requests. They are 0 if nginx was built without its module stub_status.
---@return table<string, integer> statistics
function nginx.get_statistics() end


return nginx
