-- Removes internal headers and fields from the upstream's responses.

local Tidy = { PRIORITY = 800 }


function Tidy:header_filter(conf)
  if kong.response.get_source() ~= "service" then
    return
  end

  for _, name in ipairs(conf.headers) do
    kong.response.clear_header(name)
  end

  -- The new body has another length.
  kong.response.clear_header("Content-Length")
  kong.ctx.plugin.tidies = true
end


function Tidy:body_filter(conf)
  if not kong.ctx.plugin.tidies then
    return
  end

  local body = kong.response.get_raw_body()
  if body then
    for _, field in ipairs(conf.fields) do
      body = body:gsub('"' .. field .. '":"[^"]*",?', "")
    end
    kong.response.set_raw_body(body)
  end
end


return Tidy
