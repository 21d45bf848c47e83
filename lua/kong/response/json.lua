--- JSON for plugins: `encode`, `decode`, and the sentinels for `null` and `[]`.
-- If the host has cjson, its sentinels are used, so that `cjson.empty_array` works here as well.
-- Otherwise the library has its own.

local core = require "kong.response.core"


local loaded, cjson = pcall(require, "cjson")
if not loaded or type(cjson) ~= "table" then
  cjson = {}
end

local has_nkeys, nkeys = pcall(require, "table.nkeys")


local _M = {
  null = cjson.null or core.null,
  empty_array = cjson.empty_array or core.empty_array,
  array_mt = cjson.array_mt or {},
  empty_array_mt = cjson.empty_array_mt or {},
}


local functions = core.json {
  empty_array = _M.empty_array,
  array_mt = _M.array_mt,
  empty_array_mt = _M.empty_array_mt,
  nkeys = has_nkeys and nkeys or nil,
}

--- Writes a value as JSON, with the bytes that `exit` sends for a table.
-- @function encode
-- @param value a table, string, number, boolean, nil or sentinel
-- @treturn string|nil
-- @treturn string|nil the reason why the value has no JSON form
_M.encode = functions.encode

--- Reads JSON. Arrays get `array_mt`, and `null` is the sentinel `null`.
-- @function decode
-- @tparam string text
-- @return the value, or nil if the text is not JSON
-- @treturn string|nil the reason, with line and column
_M.decode = functions.decode


return _M
