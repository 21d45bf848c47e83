--- lua-cjson with the gateway's settings, as far as it has them: only OpenResty's knows more than
-- 14 digits. In an instance of its own, since the module's settings are everybody's.

local cjson = require("cjson.safe").new()

if not pcall(cjson.encode_number_precision, 16) then
  cjson.encode_number_precision(14)
end
cjson.encode_sparse_array(nil, nil, 2 ^ 15)

return cjson
