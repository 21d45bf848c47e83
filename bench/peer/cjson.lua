--- lua-cjson with the gateway's settings. Only OpenResty's lua-cjson supports more than 14 digits.
-- It is a new instance, because all users of the module share its settings.

local cjson = require("cjson.safe").new()

if not pcall(cjson.encode_number_precision, 16) then
  cjson.encode_number_precision(14)
end
cjson.encode_sparse_array(nil, nil, 2 ^ 15)

return cjson
