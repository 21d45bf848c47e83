-- Lets pages of other origins read the responses, and answers the preflight requests of browsers.
--
--     { plugin = require "examples.cors.plugin", config = {
--         origins = { "https://shop.example" },          -- or { "*" }
--         methods = { "GET", "POST", "DELETE" },
--         headers = { "Content-Type", "apikey" },        -- that a page may send
--         exposed_headers = { "X-Consumer" },            -- that a page may read
--         credentials = true,                            -- cookies; not with "*"
--         max_age = 600,                                 -- seconds that a browser remembers
--     } }

local Cors = { PRIORITY = 2000 }


local SET_HERE = {
  "Access-Control-Allow-Origin",
  "Access-Control-Allow-Credentials",
  "Access-Control-Expose-Headers",
}


local function list(items)
  return items and #items > 0 and table.concat(items, ", ") or nil
end


local function contains(items, wanted)
  for _, item in ipairs(items) do
    if item == wanted then
      return true
    end
  end
  return false
end


function Cors:access(config)
  local headers = ngx.req.get_headers()
  if ngx.req.get_method() ~= "OPTIONS" or not headers["origin"]
    or not headers["access-control-request-method"]
  then
    return
  end
  -- The header filter adds the origin, as for every response.
  return kong.response.exit(204, nil, {
    ["Access-Control-Allow-Methods"] = list(config.methods) or "GET, HEAD, POST",
    ["Access-Control-Allow-Headers"] = list(config.headers),
    ["Access-Control-Max-Age"] = config.max_age,
  })
end


function Cors:header_filter(config)
  -- Browsers refuse a response with two origins.
  for _, name in ipairs(SET_HERE) do
    kong.response.clear_header(name)
  end

  local any = contains(config.origins, "*")
  if not any then
    -- Also without an Origin: a cache must not use this response for another origin.
    kong.response.add_header("Vary", "Origin")
  end

  local origin = ngx.req.get_headers()["origin"]
  if type(origin) ~= "string" or not (any or contains(config.origins, origin)) then
    return
  end
  kong.response.set_headers({
    ["Access-Control-Allow-Origin"] = any and "*" or origin,
    -- Not with "*": otherwise every page could act with the user's cookies.
    ["Access-Control-Allow-Credentials"] = config.credentials and not any and "true" or nil,
    ["Access-Control-Expose-Headers"] = list(config.exposed_headers),
  })
end


return Cors
