---@meta kong.pdk.response

---Replaces the gateway's module of this name.
---@class kong.pdk.response
local pdk_response = {}


---Returns a new table of the thirteen functions. The environment variables
---`KONG_RESPONSE_MAX_BODY_SIZE` and `KONG_RESPONSE_WARNINGS` set two of its options.
---
---**Errors:**
---* `KONG_RESPONSE_MAX_BODY_SIZE must be a positive whole number, got "<value>"`
---* `KONG_RESPONSE_WARNINGS must be on or off, got "<value>"`
---* `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
---@param pdk? table the gateway's PDK; the module uses its `log`, `worker_events` and `configuration`
---@return kong.response
function pdk_response.new(pdk) end


return pdk_response
