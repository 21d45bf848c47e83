---@meta

---@class kong.table
local tables = {}


---Returns a new table with preallocated slots.
---
---**Errors:**
---* `bad argument #<n> to 'new' (number expected, got <type>)`
---@param narr integer the number of slots for items
---@param nrec integer the number of slots for other keys
---@return table new
function tables.new(narr, nrec) end


---Removes all fields of a table.
---@param t table
function tables.clear(t) end


---Returns a new table with the fields of both tables. A field of `t2` replaces that of `t1`.
---@param t1? table
---@param t2? table
---@return table merged
function tables.merge(t1, t2) end


return tables
