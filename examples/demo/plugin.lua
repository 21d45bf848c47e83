-- A plugin in the form that gateways use: a table with a method for each phase. It requires a key,
-- answers errors in the client's format, removes headers of the upstream, and changes its body.
--

local Plugin = {}


local KEYS = { ["key-of-alice"] = "alice" }


function Plugin:access(conf)
  local key = ngx.req.get_headers()["apikey"]
  if not key then
    return kong.response.exit(401, { message = "No API key found in request" }, {
      ["WWW-Authenticate"] = "Key",
      ["Cache-Control"] = { "no-store", "private" },
    })
  end

  local consumer = KEYS[key]
  if not consumer then
    return kong.response.error(403, 'The key "' .. key .. '" is not known here')
  end

  ngx.ctx.consumer = consumer
end


function Plugin:header_filter(conf)
  local consumer = ngx.ctx.consumer
  if not consumer then
    return
  end

  for _, name in ipairs(conf.hidden_headers) do
    kong.response.clear_header(name)
  end
  kong.response.set_headers({
    ["X-Consumer"] = consumer,
    ["X-Upstream-Status"] = kong.response.get_status(),
  })
  kong.response.add_header("Vary", "apikey")

  -- The new body has another length.
  kong.response.clear_header("Content-Length")
end


function Plugin:body_filter(conf)
  if not ngx.ctx.consumer then
    return
  end

  local body = kong.response.get_raw_body()
  if body then
    kong.response.set_raw_body((body:gsub('"internal":"[^"]*",?', "")))
  end
end


return Plugin
