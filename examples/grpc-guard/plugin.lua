-- Accepts only requests with a token. Clients of gRPC and gRPC-Web also understand the refusal.
-- They do not read a JSON body.
--
--     { plugin = require "examples.grpc-guard.plugin", config = {
--         tokens = { ["token-of-alice"] = "alice" },
--     } }

local GrpcGuard = { PRIORITY = 1005 }


local UNAUTHENTICATED = 16
local MESSAGE = "No valid token in the metadata x-token"


-- Returns "grpc", "grpc-web" or nil.
local function kind_of(content_type)
  content_type = type(content_type) == "string" and content_type:lower() or ""
  if content_type:find("^application/grpc%-web") then
    return "grpc-web"
  end
  return content_type:find("^application/grpc") and ngx.req.http_version() >= 2 and "grpc" or nil
end


function GrpcGuard:access(config)
  local headers = ngx.req.get_headers()
  local token = headers["x-token"]
  if token and config.tokens[token] then
    return
  end

  local message = config.message or MESSAGE
  local kind = kind_of(headers["content-type"])
  if kind == "grpc" then
    -- exit puts the text into grpc-message. Some clients show it only with the HTTP status 200.
    return kong.response.exit(200, message, { ["grpc-status"] = UNAUTHENTICATED })
  elseif kind == "grpc-web" then
    -- error also sends grpc-message over HTTP/1.1, which gRPC-Web allows.
    return kong.response.error(401, message)
  end
  return kong.response.exit(401, { message = message })
end


return GrpcGuard
