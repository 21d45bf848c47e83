-- Lets only those pass who have a token, and refuses the others so that gRPC clients understand it,
-- too: they do not look at the HTTP status, nor at a body of JSON.
--
--     { plugin = require "examples.grpc-guard.plugin", config = {
--         tokens = { ["token-of-alice"] = "alice" },
--     } }

local GrpcGuard = { PRIORITY = 1005 }


local UNAUTHENTICATED = 16
local MESSAGE = "No valid token in the metadata x-token"


-- As gRPC wants it in grpc-message: printable ASCII stays, but for the percent sign.
local function percent_encode(message)
  return (message:gsub("[^ -$&-~]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end


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
    -- A response of headers only. With another HTTP status or Content-Type, clients make up an
    -- error of their own and show that.
    return kong.response.exit(200, "", {
      ["Content-Type"] = "application/grpc",
      ["grpc-status"] = UNAUTHENTICATED,
      ["grpc-message"] = percent_encode(config.message or MESSAGE),
    })
  end
  return kong.response.exit(401, { message = config.message or MESSAGE })
end


return GrpcGuard
