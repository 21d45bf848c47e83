---@meta

---@class kong.router
local router = {}


---**Phases:** access, response, header_filter, body_filter, log
---@return table? route
function router.get_route() end


---**Phases:** access, response, header_filter, body_filter, log
---@return table? service
function router.get_service() end


return router
