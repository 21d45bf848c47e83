-- Serves a document with an ETag. nginx compares the ETag with the request's If-None-Match, and
-- answers 304 instead of 200 if the client has this version already.
--
--     { plugin = require "examples.not-modified.plugin", config = {
--         version = "7",
--         document = { price = 2.5 },
--     } }

local NotModified = { PRIORITY = 700 }


function NotModified:access(config)
  local method = kong.request.get_method()
  if method ~= "GET" and method ~= "HEAD" then
    -- nginx would answer 304 to these as well, which HTTP does not allow.
    return kong.response.exit(405, { message = "Method not allowed" }, { Allow = "GET, HEAD" })
  end
  return kong.response.exit(200, config.document, {
    ["ETag"] = '"' .. config.version .. '"',
    -- A client may keep the document, and asks each time whether it is still current.
    ["Cache-Control"] = "no-cache",
  })
end


return NotModified
