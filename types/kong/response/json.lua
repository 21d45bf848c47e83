---@meta kong.response.json

---Reads and writes JSON. The fields are sentinels for `null` and `[]`. If the module `cjson` has them, they are the
---same values.
---@class kong.response.json
---@field null userdata `encode` writes it as `null`
---@field empty_array userdata `encode` writes it as `[]`
---@field array_mt metatable a table with it is an array of its raw length
---@field empty_array_mt metatable a table with it is `[]` when it is empty
local json = {}

---Returns a value as JSON. The bytes are those that `exit` sends for a table.
---@param value any
---@return string|nil text nil if the value has no JSON form
---@return string|nil reason
function json.encode(value) end

---Reads JSON. Arrays get the metatable `array_mt`, and `null` becomes the sentinel `null`.
---@param text string
---@return any value nil if the text is not JSON
---@return string|nil reason with line and column
function json.decode(text) end

return json
