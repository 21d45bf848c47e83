-- Replaces errors of an upstream, for example stack traces, with a page in the client's format. The
-- client does not see the upstream's error.
--
--     { plugin = require "examples.upstream-errors.plugin", config = {
--         messages = { [503] = "We are back at noon" },
--     } }
--
-- examples/error-page has a template for the HTML page, and shows how to set it.

local UpstreamErrors = { PRIORITY = 50 }


-- Headers that describe the old body, or how long to cache it.
local ABOUT_THE_BODY = {
  "Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language",
  "Content-Range", "ETag", "Expires", "Last-Modified",
}


function UpstreamErrors:header_filter(config)
  -- Keep the pages of other plugins and of the gateway.
  if kong.response.get_source() ~= "service" then
    return
  end
  local status = kong.response.get_status()
  if status < 500 then
    return
  end

  ngx.log(ngx.WARN, "the upstream has answered ", status)
  for _, name in ipairs(ABOUT_THE_BODY) do
    kong.response.clear_header(name)
  end
  return kong.response.error(status, config.messages and config.messages[status])
end


return UpstreamErrors
