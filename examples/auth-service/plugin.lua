-- Asks another service whether the token of a request is valid, and remembers the answer.
-- Needs lua-resty-http, which gateways contain.
--
--     { plugin = require "examples.auth-service.plugin", config = {
--         url = "https://auth.example/verify",
--         ttl = 60,            -- seconds
--         anonymous = "guest", -- the consumer of requests without a token
--     } }

local constants = require "kong.constants"
local http = require "resty.http"
local json = require "kong.response.json"


local AuthService = { PRIORITY = 1000 }


local HEADERS = constants.HEADERS
-- The headers that tell the upstream who the client is.
local OF_USER = {
  HEADERS.CONSUMER_ID, HEADERS.CONSUMER_CUSTOM_ID, HEADERS.CONSUMER_USERNAME,
  HEADERS.CREDENTIAL_IDENTIFIER, HEADERS.ANONYMOUS, HEADERS.AUTHENTICATED_GROUPS,
}
local TTL = 60
local NEGATIVE_TTL = 10
local TIMEOUT = 1000 -- milliseconds


-- Returns the user of a token, nil if the token is not valid, or nil and an error. kong.cache
-- stores the first two, and does not store an error.
local function ask(config, token)
  local client = http.new()
  client:set_timeout(config.timeout or TIMEOUT)
  local answer, err = client:request_uri(config.url, {
    method = "POST",
    headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = ngx.encode_args { token = token },
  })
  if not answer then
    return nil, err
  elseif answer.status == 401 then
    return nil
  elseif answer.status ~= 200 then
    return nil, "status " .. answer.status
  end

  local user = json.decode(answer.body)
  if type(user) ~= "table" or type(user.name) ~= "string" then
    return nil, "the answer has no name"
  end
  return { name = user.name }
end


local function consumer_of(name)
  if not kong.db then
    -- The life cycle has its consumers in memory.
    return kong.client.load_consumer(name, true)
  end
  local key = kong.db.consumers:cache_key(name)
  return kong.cache:get(key, nil, kong.client.load_consumer, name, true)
end


-- Lets a request without a token pass as the anonymous consumer.
local function let_pass(name)
  local consumer, err = consumer_of(name)
  if not consumer then
    kong.log.err("no anonymous consumer ", name, ": ", err or "it does not exist")
    return kong.response.error(500)
  end
  kong.client.authenticate(consumer, nil)
  kong.service.request.set_header(HEADERS.CONSUMER_USERNAME, consumer.username)
  kong.service.request.set_header(HEADERS.ANONYMOUS, "true")
end


function AuthService:access(config)
  if config.anonymous and kong.client.get_credential() then
    return -- A plugin with a higher PRIORITY has already recognised the client.
  end

  -- Only this plugin may set these headers, not the client.
  for _, name in ipairs(OF_USER) do
    kong.service.request.clear_header(name)
  end

  local authorization = kong.request.get_header("Authorization") or ""
  local token = authorization:match("^[Bb]earer +(%S+) *$")
  if not token then
    if config.anonymous then
      return let_pass(config.anonymous)
    end
    return kong.response.exit(401, { message = "No token found in request" }, {
      ["WWW-Authenticate"] = "Bearer",
    })
  end

  -- The cache belongs to all plugins. The space ends the URL, because neither part has a space.
  local key = "auth-service " .. config.url .. " " .. token
  local user, err = kong.cache:get(key, {
    ttl = config.ttl or TTL, neg_ttl = config.negative_ttl or NEGATIVE_TTL,
  }, ask, config, token)
  if err then
    kong.log.err("the token cannot be checked: ", err)
    return kong.response.error(503, "Tokens cannot be checked at the moment")
  elseif not user then
    return kong.response.exit(401, { message = "The token is not valid" }, {
      ["WWW-Authenticate"] = 'Bearer error="invalid_token"',
    })
  end

  kong.client.authenticate(nil, { id = user.name })
  kong.service.request.set_header(HEADERS.CREDENTIAL_IDENTIFIER, user.name)
end


return AuthService
