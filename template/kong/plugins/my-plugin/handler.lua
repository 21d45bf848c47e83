local Plugin = { PRIORITY = 1000, VERSION = "0.1.0" }


function Plugin:access(config)
  if not kong.request.get_header(config.header) then
    return kong.response.exit(401, { message = "No API key found" })
  end
end


function Plugin:header_filter()
  kong.response.set_header("X-Plugin", "my-plugin")
end


return Plugin
