---@meta

---@class kong.table
local tables = {}


---@param narr integer room for so many items
---@param nrec integer room for so many other keys
---@return table new
function tables.new(narr, nrec) end


---@param t table
function tables.clear(t) end


---A table with the keys of both; those of `t2` win.
---@param t1? table
---@param t2? table
---@return table merged
function tables.merge(t1, t2) end


return tables
