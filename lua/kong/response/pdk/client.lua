--- `kong.client`: the sender of the request.

local entities = require "kong.response.pdk.entities"
local phases = require "kong.response.pdk.phases"


local error = error
local find = string.find
local gsub = string.gsub
local lower = string.lower
local tonumber = tonumber
local type = type

local ACCESS = phases.ACCESS
local INIT_WORKER = phases.INIT_WORKER
local ROUTED = phases.ROUTED

-- The pattern of a UUID.
local UUID = "^" .. gsub("xxxxxxxx%-xxxx%-xxxx%-xxxx%-xxxxxxxxxxxx", "x", "%%x") .. "$"


--- Makes `kong.client`.
-- @tparam table pdk `ngx`, `check`, `check_except`, `is_trusted_client`, `description`
-- @treturn table
return function(pdk)
  local ngx = pdk.ngx
  local check, check_except = pdk.check, pdk.check_except

  local client = { tls = require "kong.response.pdk.tls" (pdk) }


  local function find_consumer(field, value)
    local consumers = pdk.description.consumers or {}
    for i = 1, #consumers do
      if consumers[i][field] == value then
        return entities.copy(consumers[i])
      end
    end
  end


  function client.get_ip()
    check_except(INIT_WORKER)
    return ngx.var.realip_remote_addr or ngx.var.remote_addr
  end


  function client.get_forwarded_ip()
    check_except(INIT_WORKER)
    return ngx.var.remote_addr
  end


  function client.get_port()
    check_except(INIT_WORKER)
    return tonumber(ngx.var.realip_remote_port or ngx.var.remote_port)
  end


  function client.get_forwarded_port()
    check_except(INIT_WORKER)
    return tonumber(ngx.var.remote_port)
  end


  function client.get_credential()
    check(ROUTED)
    return ngx.ctx.authenticated_credential
  end


  function client.get_consumer()
    check(ROUTED)
    return ngx.ctx.authenticated_consumer
  end


  function client.authenticate(consumer, credential)
    check(ACCESS)
    if consumer ~= nil and type(consumer) ~= "table" then
      error("consumer must be a table or nil", 2)
    elseif credential ~= nil and type(credential) ~= "table" then
      error("credential must be a table or nil", 2)
    elseif credential == nil and consumer == nil then
      error("either credential or consumer must be provided", 2)
    end
    local ctx = ngx.ctx
    ctx.authenticated_consumer = consumer
    ctx.authenticated_credential = credential
  end


  function client.load_consumer(consumer_id, search_by_username)
    check(ROUTED)
    if type(consumer_id) ~= "string" then
      error("consumer_id must be a string", 2)
    end
    if find(consumer_id, UUID) then
      local consumer = find_consumer("id", lower(consumer_id)) or find_consumer("id", consumer_id)
      if consumer then
        return consumer
      end
    elseif not search_by_username then
      error("cannot load a consumer with an id that is not a uuid", 2)
    end
    if search_by_username then
      return find_consumer("username", consumer_id)
    end
  end


  function client.get_protocol(allow_terminated)
    check(ROUTED)
    local route = ngx.ctx.route
    if not route then
      return nil, "No active route found"
    end

    local protocols = route.protocols
    if protocols and #protocols == 1 then
      return protocols[1]
    end
    if ngx.var.scheme == "https" then
      return "https"
    end

    local forwarded = allow_terminated and pdk.is_trusted_client()
                      and ngx.var.http_x_forwarded_proto
    if forwarded then
      -- Before nginx 1.23, the variable has only the first of several headers.
      local listed = ngx.req.get_headers(0)["x-forwarded-proto"]
      if type(listed) == "table" or find(forwarded, ",", 1, true) then
        return nil, "Only one X-Forwarded-Proto header allowed"
      elseif lower(forwarded) == "https" then
        return "https"
      end
    end
    return "http"
  end


  return client
end
