---@meta

---The server that plugins run in.
---@class kong.node
local node = {}


---A UUID, the same in all workers.
---@return string id
function node.get_id() end


---@return string hostname
function node.get_hostname() end


---The memory of nginx's dictionaries and of this worker.
---
---**Errors:**
---* `invalid unit '<unit>' (expected 'k/K', 'm/M', or 'g/G')`
---* `scale must be equal or greater than 0`
---@param unit? "b"|"k"|"m"|"g" numbers of bytes by default, texts such as `16.0 KiB` else
---@param scale? integer the number of decimals; 2 by default
---@return table stats
function node.get_memory_stats(unit, scale) end


return node
