-- Replaces what an upstream says when it fails, stack traces above all, by a page in the client's
-- format. What it said is not passed on.
--
--     { plugin = require "examples.upstream-errors.plugin", config = {
--         messages = { [503] = "We are back at noon" },
--     } }
--
-- The look of the HTML page is a template: examples/error-page has one, and how to name it.

local UpstreamErrors = { PRIORITY = 50 }


-- What describes the body that is replaced, or says how long to keep it.
local ABOUT_THE_BODY = {
  "Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language",
  "Content-Range", "ETag", "Expires", "Last-Modified",
}


function UpstreamErrors:header_filter(config)
  -- Other plugins and the gateway have pages of their own.
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
