---@meta kong.response.json

---What a table body says `null` and `[]` with. They are those of the module `cjson`, where it can
---be loaded and has them.
---@class kong.response.json
---@field null userdata a value that is written as `null`
---@field empty_array userdata a value that is written as `[]`
---@field array_mt metatable the table is an array of its raw length
---@field empty_array_mt metatable the table is `[]` when it is empty
local json = {}

return json
