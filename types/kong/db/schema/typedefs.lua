---@meta kong.db.schema.typedefs

---Attributes of a field. A call with a table adds attributes, or replaces them.
---@class kong.db.schema.typedef
---@overload fun(attributes: table): table

---Fields that many schemas share.
---@class kong.db.schema.typedefs
---@field [string] kong.db.schema.typedef
local typedefs = {}

return typedefs
