-- Accepts only requests with a key, and tells later plugins the name of the consumer.

local Keys = { PRIORITY = 1000 }


function Keys:access(conf)
  local key = ngx.req.get_headers()["apikey"]
  if not key then
    return kong.response.exit(401, { message = "No API key found in request" }, {
      ["WWW-Authenticate"] = "Key",
    })
  end

  local consumer = conf.consumers[key]
  if not consumer then
    -- Without a body, so the client gets the page of error_page.
    return kong.response.exit(403)
  end

  kong.ctx.shared.consumer = consumer
end


function Keys:header_filter(conf)
  local consumer = kong.ctx.shared.consumer
  if consumer then
    kong.response.set_header("X-Consumer", consumer)
  end
end


return Keys
