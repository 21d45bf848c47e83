--- `kong.log.serialize` and `kong.log.set_serialize_value`: a request and its response as one
-- table.

local copies = require "kong.response.pdk.log.copies"
local json = require "kong.response.json"
local phases = require "kong.response.pdk.phases"


local error = error
local find = string.find
local setmetatable = setmetatable
local sub = string.sub
local tonumber = tonumber
local type = type

local LOG = phases.LOG
local SERIALIZE_VALUE = phases.SERIALIZE_VALUE

local MODES = { set = true, add = true, replace = true }
local SECRETS = { "authorization", "proxy-authorization" }


local function client_headers(request)
  local headers = request.get_headers()
  for i = 1, #SECRETS do
    if headers[SECRETS[i]] ~= nil then
      headers[SECRETS[i]] = "REDACTED"
    end
  end
  return headers
end


local function tls_of(var, ctx)
  local version = var.ssl_protocol
  if not version or version == "" then
    return nil
  end
  return {
    version = version,
    cipher = var.ssl_cipher,
    client_verify = ctx.CLIENT_VERIFY_OVERRIDE or var.ssl_client_verify,
  }
end


local function upstream_uri_of(var, ctx)
  local uri = var.upstream_uri or ""
  if find(uri, "?", 1, true) then
    return uri
  end
  local target = ctx.request_uri or var.request_uri or ""
  if sub(target, -1) == "?" then
    return uri .. "?"
  elseif var.is_args == "?" then
    return uri .. "?" .. (var.args or "")
  end
  return uri
end


local function source_of(ctx)
  if ctx.KONG_UNEXPECTED or ctx.KONG_EXITED or not ctx.KONG_PROXIED then
    return "kong"
  end
  return "upstream"
end


local function serialize_request(pdk, ngx, kong)
  local ctx, var = ngx.ctx, ngx.var
  local target = ctx.request_uri or var.request_uri or ""
  local port = ctx.host_port or pdk.host_port()
  local credential = ctx.authenticated_credential
  local tries = ctx.balancer_data and ctx.balancer_data.tries

  return {
    request = {
      id = var.kong_request_id or var.request_id or "",
      uri = target,
      url = var.scheme .. "://" .. var.host .. (port and ":" .. port or "") .. target,
      querystring = kong.request.get_query(),
      method = kong.request.get_method(),
      headers = client_headers(kong.request),
      size = tonumber(var.request_length),
      tls = tls_of(var, ctx),
    },
    upstream_uri = upstream_uri_of(var, ctx),
    upstream_status = var.upstream_status or ctx.buffered_status or "",
    response = {
      status = ngx.status,
      headers = ngx.resp.get_headers(),
      size = tonumber(var.bytes_sent),
    },
    latencies = {
      kong = ctx.KONG_PROXY_LATENCY or ctx.KONG_RESPONSE_LATENCY or 0,
      proxy = ctx.KONG_WAITING_TIME or -1,
      request = (tonumber(var.request_time) or 0) * 1000,
      receive = ctx.KONG_RECEIVE_TIME or 0,
    },
    tries = tries and setmetatable(copies.deep(tries), json.array_mt),
    authenticated_entity = credential
      and { id = credential.id, consumer_id = credential.consumer_id } or nil,
    route = copies.deep(ctx.route),
    service = copies.deep(ctx.service),
    consumer = copies.deep(ctx.authenticated_consumer),
    client_ip = var.remote_addr,
    started_at = kong.request.get_start_time(),
    source = source_of(ctx),
    workspace = ctx.workspace,
    workspace_name = "default",
  }
end


--- Makes the two functions.
-- @tparam table pdk `ngx`, `check`, `host_port`, `kong`
-- @treturn function `serialize(options?)`
-- @treturn function `set_serialize_value(key, value, options?)`
return function(pdk)
  local check = pdk.check

  local function set_serialize_value(key, value, options)
    check(SERIALIZE_VALUE)
    if type(key) ~= "string" then
      error("key must be a string", 2)
    end
    local mode = options and options.mode or "set"
    if not MODES[mode] then
      error("mode must be 'set', 'add' or 'replace'", 2)
    end
    local ctx = (options and options.ngx or pdk.ngx).ctx
    local values = ctx.serialize_values
    if not values then
      values = {}
      ctx.serialize_values = values
    end
    values[#values + 1] = { key = key, value = value, mode = mode }
  end

  local function serialize(options)
    check(LOG)
    local ngx = options and options.ngx or pdk.ngx
    local kong = options and options.kong or pdk.kong
    local document = serialize_request(pdk, ngx, kong)
    local values = ngx.ctx.serialize_values or {}
    for i = 1, #values do
      local mistake = copies.mistake(values[i].value)
                      or copies.set(document, values[i].key, values[i].value, values[i].mode)
      if mistake then
        error(mistake, 2)
      end
    end
    return document
  end

  return serialize, set_serialize_value
end
