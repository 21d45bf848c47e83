-- Answers with a response that came from elsewhere, for instance from lua-resty-http or a cache.
-- Headers that belong to that connection are left out.
--
--     { plugin = require "examples.hop-by-hop.plugin", config = {
--         response = { status = 503, headers = { ["Retry-After"] = "60" }, body = "Back at noon" },
--     } }

local HopByHop = { PRIORITY = 650 }


-- RFC 9110, 7.6.1. exit sets Content-Length itself.
local DROPPED = {
  ["connection"] = true,
  ["content-length"] = true,
  ["keep-alive"] = true,
  ["proxy-authenticate"] = true,
  ["proxy-connection"] = true,
  ["te"] = true,
  ["trailer"] = true,
  ["transfer-encoding"] = true,
  ["upgrade"] = true,
}


local function end_to_end(headers)
  -- Connection names more headers that belong to the connection.
  local named = {}
  for name, value in pairs(headers) do
    if name:lower() == "connection" then
      value = type(value) == "table" and table.concat(value, ",") or value
      for token in value:lower():gmatch("[^%s,]+") do
        named[token] = true
      end
    end
  end

  local kept = {}
  for name, value in pairs(headers) do
    if not DROPPED[name:lower()] and not named[name:lower()] then
      kept[name] = value
    end
  end
  return kept
end


function HopByHop:access(config)
  local response = config.response
  return kong.response.exit(response.status, response.body, end_to_end(response.headers))
end


return HopByHop
