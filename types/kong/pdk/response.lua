---@meta kong.pdk.response

---Stands in for the gateway's module of this name.
---@class kong.pdk.response
local pdk_response = {}


---Makes an independent table of the thirteen functions.
---
---**Errors:**
---* `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
---@param pdk? table the gateway's PDK; of it `log`, `worker_events` and `configuration` are used
---@return kong.response
function pdk_response.new(pdk) end


return pdk_response
