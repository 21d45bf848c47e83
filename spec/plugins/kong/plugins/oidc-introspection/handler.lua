-- Asks an identity provider whether a bearer token is active (RFC 7662), and tells the service who
-- the client is.

local cjson = require "cjson.safe"
local http = require "resty.http"

local kong = kong
local ngx = ngx
local type = type
local fmt = string.format
local md5 = ngx.md5
local encode_args = ngx.encode_args
local encode_base64 = ngx.encode_base64


local OidcIntrospection = {
  PRIORITY = 1000,
  VERSION = "1.2.0",
}


local function read_token()
  local authorization = kong.request.get_header("authorization")
  if type(authorization) ~= "string" then
    return nil
  end
  local m = ngx.re.match(authorization, [[^\s*bearer\s+(\S+)\s*$]], "ijo")
  return m and m[1]
end


local function introspect(conf, token)
  local client = http.new()
  client:set_timeout(conf.timeout)

  local res, err = client:request_uri(conf.introspection_endpoint, {
    method = "POST",
    body = encode_args { token = token },
    headers = {
      ["Content-Type"] = "application/x-www-form-urlencoded",
      ["Authorization"] = "Basic " .. encode_base64(conf.client_id .. ":" .. conf.client_secret),
      ["Accept"] = "application/json",
    },
    ssl_verify = conf.ssl_verify,
  })
  if not res then
    return nil, "failed to call the introspection endpoint: " .. err
  end
  if res.status ~= 200 then
    return nil, "the introspection endpoint answered " .. res.status
  end

  local claims = cjson.decode(res.body)
  if type(claims) ~= "table" then
    return nil, "the introspection endpoint sent no JSON"
  end

  -- The time for which the answer is valid.
  local ttl = conf.cache_ttl
  if type(claims.exp) == "number" and claims.exp - ngx.time() < ttl then
    ttl = claims.exp - ngx.time()
  end
  return claims, nil, ttl
end


local function unauthorized(conf, err)
  local challenge = fmt('Bearer realm="%s"', conf.realm)
  if err then
    challenge = challenge .. fmt(', error="%s"', err)
  end
  return kong.response.exit(401, { message = "Unauthorized" }, { ["WWW-Authenticate"] = challenge })
end


local function has_scope(claims, wanted)
  for scope in (claims.scope or ""):gmatch("%S+") do
    if scope == wanted then
      return true
    end
  end
  return false
end


function OidcIntrospection:access(conf)
  if not conf.run_on_preflight and kong.request.get_method() == "OPTIONS" then
    return
  end

  local token = read_token()
  if not token then
    return unauthorized(conf)
  end

  local claims, err = kong.cache:get("oidc:" .. md5(token), { ttl = conf.cache_ttl }, introspect,
                                     conf, token)
  if err then
    kong.log.err(err)
    return kong.response.exit(503, { message = "The identity provider is not available" })
  end
  if not claims.active then
    return unauthorized(conf, "invalid_token")
  end
  for _, scope in ipairs(conf.scopes) do
    if not has_scope(claims, scope) then
      return kong.response.exit(403, { message = "Missing scope " .. scope })
    end
  end

  for claim, header in pairs(conf.claim_headers) do
    if claims[claim] ~= nil then
      kong.service.request.set_header(header, tostring(claims[claim]))
    else
      kong.service.request.clear_header(header)
    end
  end
  if conf.hide_credentials then
    kong.service.request.clear_header("Authorization")
  end
  kong.ctx.shared.oidc_claims = claims
end


return OidcIntrospection
