--- JSON for the bodies of requests and of the upstream's answers.

local json = require "kong.response.json"


local error = error


local _M = {
  --- Reads JSON. Returns nil and an error if the text is not JSON.
  decode = json.decode,
}


--- Writes a value as JSON.
-- @raise the reason why the value has no JSON form, without a position
function _M.encode(value)
  local text, reason = json.encode(value)
  return text or error(reason, 0)
end


return _M
