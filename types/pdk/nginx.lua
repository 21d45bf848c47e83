---@meta

---@class kong.nginx
local nginx = {}


---@return "http"|"stream" subsystem
function nginx.get_subsystem() end


---Numbers of connections and requests. They are 0 if nginx was built without stub_status.
---@return table<string, integer> statistics
function nginx.get_statistics() end


return nginx
