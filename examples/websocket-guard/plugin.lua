-- Refuses WebSockets from pages of other origins. Browsers send cookies with these requests, and do
-- not ask for permission first.
--
--     { plugin = require "examples.websocket-guard.plugin", config = {
--         origins = { "https://shop.example" },
--     } }

local WebsocketGuard = { PRIORITY = 1900 }


-- Upgrade is a list, and its names match in any case.
local function asks_for_websocket(upgrade)
  if type(upgrade) == "table" then
    upgrade = table.concat(upgrade, ",")
  end
  for name in (upgrade or ""):lower():gmatch("[^%s,]+") do
    if name == "websocket" then
      return true
    end
  end
  return false
end


function WebsocketGuard:access(config)
  local headers = ngx.req.get_headers()
  if not asks_for_websocket(headers["upgrade"]) then
    return
  end
  for _, origin in ipairs(config.origins) do
    if headers["origin"] == origin then
      return
    end
  end
  return kong.response.error(403, "WebSockets from this origin are not allowed")
end


return WebsocketGuard
