-- Replaces a text in bodies up to a size. A larger body, or one of unknown length, is refused
-- before its head is sent, because it could not be checked.
--
--     { plugin = require "examples.large-body.plugin", config = {
--         replace = "db7.internal",
--         by = "a server",
--         max_size = 1024 * 1024,
--     } }

local LargeBody = { PRIORITY = 820 }


local MAX_SIZE = 1024 * 1024


function LargeBody:header_filter(config)
  local status = kong.response.get_status()
  if kong.response.get_source() ~= "service" or ngx.req.get_method() == "HEAD"
    or status == 204 or status == 304
  then
    return
  end

  local length = tonumber(kong.response.get_header("Content-Length"))
  if not length or length > (config.max_size or MAX_SIZE) then
    return kong.response.exit(502, { message = "The upstream's body is too large to be checked" })
  end
  kong.ctx.plugin.check = true
  -- The new body has another length.
  kong.response.clear_header("Content-Length")
end


function LargeBody:body_filter(config)
  local body = kong.ctx.plugin.check and kong.response.get_raw_body()
  if body then
    local text = config.replace:gsub("%p", "%%%0")
    kong.response.set_raw_body((body:gsub(text, (config.by:gsub("%%", "%%%%")))))
  end
end


return LargeBody
