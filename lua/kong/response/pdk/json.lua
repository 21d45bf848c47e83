--- JSON for the bodies of requests, and of answers from the upstream.
--
-- The array metatable of `kong.response.json` marks decoded arrays, and null is its sentinel.

local core = require "kong.response.core"
local json = require "kong.response.json"


local error = error
local pcall = pcall
local type = type


local function find_encoder()
  if json.encode then
    return json.encode
  end
  local found, cjson = pcall(require, "cjson")
  if not found or type(cjson) ~= "table" then
    return function()
      error("no module to write JSON with: install lua-cjson", 0)
    end
  end
  -- Settings of its own: others change those of the shared one.
  cjson = cjson.new()
  if not pcall(cjson.encode_number_precision, 16) then
    cjson.encode_number_precision(14)
  end
  cjson.encode_sparse_array(true)
  return cjson.encode
end


local _M = {}


--- The value of a text; nil and an error if it is no JSON.
function _M.decode(text)
  if json.decode then
    return json.decode(text)
  end
  return core.json_decode(text, json.array_mt)
end


--- The text of a value. Raises, without a position, what cannot be encoded.
_M.encode = find_encoder()


return _M
