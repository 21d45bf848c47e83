-- Accepts only requests with a token. gRPC clients also understand the refusal. They read neither
-- the HTTP status nor a JSON body.
--
--     { plugin = require "examples.grpc-guard.plugin", config = {
--         tokens = { ["token-of-alice"] = "alice" },
--     } }

local GrpcGuard = { PRIORITY = 1005 }


local UNAUTHENTICATED = 16
local MESSAGE = "No valid token in the metadata x-token"


local function is_grpc(content_type)
  return type(content_type) == "string" and content_type:lower():find("^application/grpc") ~= nil
end


function GrpcGuard:access(config)
  local headers = ngx.req.get_headers()
  local token = headers["x-token"]
  if token and config.tokens[token] then
    return
  end

  if is_grpc(headers["content-type"]) then
    -- exit puts the text into grpc-message. Some clients show it only with the HTTP status 200.
    return kong.response.exit(200, config.message or MESSAGE, { ["grpc-status"] = UNAUTHENTICATED })
  end
  return kong.response.exit(401, { message = config.message or MESSAGE })
end


return GrpcGuard
