--- JSON for the bodies of requests, and of answers from the upstream.

local json = require "kong.response.json"


local error = error


local _M = {
  --- The value of a text; nil and an error if it is no JSON.
  decode = json.decode,
}


--- The text of a value. Raises, without a position, what cannot be encoded.
function _M.encode(value)
  local text, reason = json.encode(value)
  return text or error(reason, 0)
end


return _M
