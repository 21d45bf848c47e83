-- Removes a company's internal headers from a response, however many there are, and shows some of
-- them to clients under another name.
--
--     { plugin = require "examples.internal-headers.plugin", config = {
--         prefix = "X-Internal-",
--         shown = { ["X-Internal-Trace"] = "X-Trace-Id" },
--     } }

local InternalHeaders = { PRIORITY = 10 }


-- get_headers() without an argument stops after 100.
local MOST = 1000


function InternalHeaders:header_filter(config)
  -- get_header finds a header at any position.
  local shown = {}
  for name, public in pairs(config.shown or {}) do
    shown[public] = kong.response.get_header(name)
  end

  local headers, err = kong.response.get_headers(MOST)
  if err == "truncated" then
    -- The plugin cannot see the other headers, so the client gets a 500 instead.
    error("the response has more than " .. MOST .. " headers")
  end
  local prefix = config.prefix:lower()
  for name in pairs(headers) do
    if name:sub(1, #prefix) == prefix then
      kong.response.clear_header(name)
    end
  end

  kong.response.set_headers(shown)
end


return InternalHeaders
