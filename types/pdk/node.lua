---@meta

---The server that plugins run in.
---@class kong.node
local node = {}


---Returns the id of the node: a UUID, which is the same in all workers.
---@return string id
function node.get_id() end


---Returns the name of the host.
---@return string hostname
function node.get_hostname() end


---Returns the memory of nginx's dictionaries and of this worker.
---
---**Errors:**
---* `invalid unit '<unit>' (expected 'k/K', 'm/M', or 'g/G')`
---* `scale must be equal or greater than 0`
---@param unit? "b"|"k"|"m"|"g" `b`, the default, returns numbers of bytes; the others return texts such as `16.00 KiB`
---@param scale? integer the number of decimals in these texts; 2 by default
---@return table stats
function node.get_memory_stats(unit, scale) end


return node
