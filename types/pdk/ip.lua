---@meta

---@class kong.ip
local ip = {}


---Returns whether an address is in `trusted_ips` of the configuration.
---@param address string
---@return boolean is_trusted
function ip.is_trusted(address) end


return ip
