--- The sentinels of JSON: what a table body says `null` and `[]` with.
-- They are those of the host's cjson where it has them, so that a plugin's own `cjson.empty_array`
-- means the same here; else they are ours.

local core = require "kong.response.core"


local loaded, cjson = pcall(require, "cjson")
if not loaded or type(cjson) ~= "table" then
  cjson = {}
end


return {
  null = cjson.null or core.null,
  empty_array = cjson.empty_array or core.empty_array,
  array_mt = cjson.array_mt or {},
  empty_array_mt = cjson.empty_array_mt or {},
}
