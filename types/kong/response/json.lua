---@meta kong.response.json

---Reads and writes JSON. The sentinels say `null` and `[]`. They are those of the module `cjson`, where it can
---be loaded and has them.
---@class kong.response.json
---@field null userdata a value that is written as `null`
---@field empty_array userdata a value that is written as `[]`
---@field array_mt metatable the table is an array of its raw length
---@field empty_array_mt metatable the table is `[]` when it is empty
local json = {}

---Writes a value as JSON, with the bytes that `exit` sends for a table.
---@param value any
---@return string|nil text nil where the value has no JSON form
---@return string|nil reason
function json.encode(value) end

---Reads JSON. Arrays get `array_mt`, and `null` becomes the sentinel `null`.
---@param text string
---@return any value nil where the text is not JSON
---@return string|nil reason with line and column
function json.decode(text) end

return json
