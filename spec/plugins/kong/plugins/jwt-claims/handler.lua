-- Copies claims of a JWT, which another plugin has verified, to headers for the service.

local cjson = require "cjson.safe"

local kong = kong
local ngx = ngx
local ipairs = ipairs
local tostring = tostring
local type = type
local gsub = string.gsub
local rep = string.rep


local JwtClaims = {
  PRIORITY = 900,
  VERSION = "0.3.1",
}


local function decode_base64url(text)
  local remainder = #text % 4
  if remainder > 0 then
    text = text .. rep("=", 4 - remainder)
  end
  return ngx.decode_base64((gsub(gsub(text, "-", "+"), "_", "/")))
end


local function read_claims(token)
  local header, payload, signature = token:match("^([^.]+)%.([^.]+)%.([^.]*)$")
  if not header or not signature then
    return nil, "a JWT has three parts"
  end
  local json = decode_base64url(payload)
  if not json then
    return nil, "the payload is not base64url"
  end
  local claims = cjson.decode(json)
  if type(claims) ~= "table" then
    return nil, "the payload is not JSON"
  end
  return claims
end


local function find_token(conf)
  for _, name in ipairs(conf.uri_param_names) do
    local token = kong.request.get_query_arg(name)
    if type(token) == "string" then
      return token
    end
  end
  for _, name in ipairs(conf.cookie_names) do
    local token = ngx.var["cookie_" .. name]
    if token and token ~= "" then
      return token
    end
  end
  local authorization = kong.request.get_header("authorization")
  if authorization then
    local iterator, err = ngx.re.gmatch(authorization, "\\s*[Bb]earer\\s+(.+)")
    if not iterator then
      kong.log.err(err)
      return nil
    end
    local m = iterator()
    return m and m[1]
  end
end


local function refuse(message)
  return kong.response.error(401, message, { ["WWW-Authenticate"] = "Bearer" })
end


function JwtClaims:access(conf)
  local token = find_token(conf)
  if not token then
    if conf.continue_on_error then
      return
    end
    return refuse("No token found in the request")
  end

  local claims, err = read_claims(token)
  if not claims then
    kong.log.info("bad token: ", err)
    if conf.continue_on_error then
      return
    end
    return refuse("Bad token; " .. err)
  end
  if conf.check_expiry and type(claims.exp) == "number" and claims.exp <= ngx.time() then
    return refuse("Token has expired")
  end

  for _, name in ipairs(conf.claims) do
    local value = claims[name]
    local header = conf.prefix .. gsub(name, "_", "-")
    if type(value) == "table" then
      kong.service.request.set_header(header, cjson.encode(value))
    elseif value ~= nil and value ~= cjson.null then
      kong.service.request.set_header(header, tostring(value))
    else
      kong.service.request.clear_header(header)
    end
  end
  if type(claims.sub) == "string" then
    kong.client.authenticate({ id = claims.sub, username = claims.preferred_username },
                             { id = claims.jti or claims.sub })
  end
end


function JwtClaims:header_filter(conf)
  local consumer = kong.client.get_consumer()
  if conf.expose_consumer and consumer then
    kong.response.set_header("X-Consumer", consumer.username or consumer.id)
  end
end


return JwtClaims
