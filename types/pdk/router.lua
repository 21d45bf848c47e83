---@meta

---@class kong.router
local router = {}


---Returns the route of the request.
---
---**Phases:** access, response, header_filter, body_filter, log
---@return table? route
function router.get_route() end


---Returns the service of the request.
---
---**Phases:** access, response, header_filter, body_filter, log
---@return table? service
function router.get_service() end


return router
