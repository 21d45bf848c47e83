-- Accepts only requests with a known key, and adds the owner of the key to the response.
--
--     { plugin = require "examples.key-check.plugin", config = {
--         header = "apikey",
--         keys = { ["key-of-alice"] = { name = "alice" },
--                  ["key-of-bob"] = { name = "bob", disabled = true } },
--     } }

local KeyCheck = { PRIORITY = 1000 }


function KeyCheck:access(config)
  local key = ngx.req.get_headers()[config.header]
  if type(key) == "table" then
    return kong.response.exit(400, { message = "Several API keys in one request" })
  end
  if not key then
    return kong.response.exit(401, { message = "No API key found in request" }, {
      ["WWW-Authenticate"] = 'Key realm="coffee"',
      ["Cache-Control"] = { "no-store", "private" },
    })
  end

  local owner = config.keys[key]
  if not owner then
    kong.response.set_header("Cache-Control", "no-store")
    return kong.response.error(403, 'The key "' .. key .. '" is not known here')
  end
  if owner.disabled then
    return kong.response.exit(403, { message = "This key is no longer in use" })
  end

  kong.ctx.plugin.owner = owner.name
end


function KeyCheck:header_filter(config)
  -- nil if this plugin, or an earlier one, has answered.
  local owner = kong.ctx.plugin.owner
  if owner then
    kong.response.set_header("X-Consumer", owner)
    kong.response.add_header("Vary", config.header)
  end
end


return KeyCheck
