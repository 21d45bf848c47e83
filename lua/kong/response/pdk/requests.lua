--- The data that a gateway keeps for each request. A server calls these functions in the phases of
-- a request.
--
-- They set the fields of `ngx.ctx` that plugins read. They also set the variables
-- `$upstream_scheme`, `$upstream_host` and `$upstream_uri`, if the configuration declares them.

local balancers = require "kong.response.pdk.balancer"
local entities = require "kong.response.pdk.entities"
local paths = require "kong.response.pdk.path"


local fmt = string.format
local sub = string.sub


-- The default ports, which the header Host does not contain.
local DEFAULT_PORTS = { http = 80, https = 443, grpc = 80, grpcs = 443 }

local _M = {}


--- Returns the value of the header Host for a server.
local function host_of(host, port, scheme)
  if not host or not port or port == DEFAULT_PORTS[scheme] then
    return host
  end
  return fmt("%s:%d", host, port)
end


--- Makes the functions.
-- @tparam table pdk `ngx`, `kong`, `describe_request`, `description_of`, `log`, `host_port`,
--   `set_variable`
-- @treturn table
function _M.new(pdk)
  local ngx = pdk.ngx
  local set_variable = pdk.set_variable
  local logs = {}

  local balance, first_target = balancers(pdk)
  local requests = { balance = balance }


  local function now()
    ngx.update_time()
    return ngx.now() * 1000
  end


  --- Returns the log of a plugin.
  local function log_of(name)
    local log = logs[name]
    if not log then
      log = name ~= "" and pdk.log.new(name) or pdk.log
      logs[name] = log
    end
    return log
  end


  --- Call it before a plugin's handler.
  -- @tparam table ctx
  -- @tparam table plugin the key of its `kong.ctx.plugin`
  -- @tparam string name the name in the log
  -- @tparam ?string id the result of `kong.plugin.get_id`
  -- @treturn ?table the plugin whose handler this one interrupts, because filters run inside the
  --   phase that prints
  -- @treturn ?table the log of that plugin
  function requests.enter_plugin(ctx, plugin, name, id)
    local namespaces = ctx.KONG_NAMESPACES
    if not namespaces then
      namespaces = {}
      ctx.KONG_NAMESPACES = namespaces
    end
    local outer, outer_log = namespaces.plugin, ctx.KONG_LOG
    namespaces.plugin, ctx.KONG_LOG = plugin, log_of(name)
    ctx.plugin_id = id
    return outer, outer_log
  end


  --- Call it after a plugin's handler, with the results of `enter_plugin`.
  function requests.leave_plugin(ctx, outer, outer_log)
    ctx.KONG_NAMESPACES.plugin, ctx.KONG_LOG = outer, outer_log
  end


  --- Call it at the start of rewrite.
  -- @tparam table ctx
  -- @tparam ?table description a description for this request, instead of that of `kong`
  function requests.rewrite(ctx, description)
    pdk.describe_request(ctx, description)
    ctx.KONG_PROCESSING_START = ngx.req.start_time() * 1000
    ctx.host_port = pdk.host_port()
    ctx.workspace = pdk.kong.default_workspace
  end


  --- Call it at the start of access, with the arguments of `rewrite`. From here on, the route is
  -- known.
  function requests.access(ctx, description)
    if not ctx.KONG_PROCESSING_START then
      requests.rewrite(ctx, description)
    end
    local var = ngx.var
    description = pdk.description_of(ctx)
    local of_request = entities.of(description)
    local service = of_request.service
    ctx.KONG_ACCESS_START = now()
    ctx.scheme, ctx.host, ctx.request_uri = var.scheme, var.host, var.request_uri
    ctx.route, ctx.service = of_request.route, service
    ctx.authenticated_consumer = of_request.consumer
    ctx.authenticated_credential = description.credential
    -- A plugin may have called `kong.service.set_target` in rewrite.
    local earlier = ctx.balancer_data
    local target = earlier or service or {}
    ctx.balancer_data = {
      scheme = service and service.protocol or "http",
      host = target.host,
      address = earlier and earlier.address,
      port = target.port,
      try_count = 0,
      retries = service and service.retries or 5,
      connect_timeout = service and service.connect_timeout or 60000,
      send_timeout = service and service.write_timeout or 60000,
      read_timeout = service and service.read_timeout or 60000,
      tries = {},
    }
    set_variable("upstream_scheme", ctx.balancer_data.scheme)
    set_variable("upstream_uri", paths.without_query(ctx.request_uri or "/"))
    if description.route and description.route.preserve_host then
      set_variable("upstream_host", var.http_host)
    end
  end


  --- Call it after access, before nginx asks the upstream.
  function requests.proxy(ctx)
    local var = ngx.var
    ctx.KONG_ACCESS_ENDED_AT = now()
    ctx.KONG_ACCESS_TIME = ctx.KONG_ACCESS_ENDED_AT - ctx.KONG_ACCESS_START
    ctx.KONG_PROXY_LATENCY = ctx.KONG_ACCESS_ENDED_AT - ctx.KONG_PROCESSING_START

    local uri = var.upstream_uri
    if uri and uri ~= "" then
      local args = var.args
      if args and args ~= "" then
        set_variable("upstream_uri", uri .. "?" .. args)
      elseif sub(ctx.request_uri or "", -1) == "?" then
        set_variable("upstream_uri", uri .. "?")
      end
    end
    if var.upstream_host == "" then
      local data, service = ctx.balancer_data, ctx.service or {}
      local host, port = first_target(data)
      if not host then
        host, port = service.host, service.port
      end
      set_variable("upstream_host", host_of(host, port, var.upstream_scheme or data.scheme)
                                    or ctx.host)
    end
  end


  --- Call it at the start of header_filter, after `ctx.KONG_PROXIED` is set.
  function requests.header_filter(ctx)
    ctx.KONG_HEADER_FILTER_START = now()
    if ctx.KONG_PROXIED and ctx.KONG_ACCESS_ENDED_AT then
      ctx.KONG_WAITING_TIME = ctx.KONG_HEADER_FILTER_START - ctx.KONG_ACCESS_ENDED_AT
    elseif ctx.KONG_PROCESSING_START then
      ctx.KONG_RESPONSE_LATENCY = ctx.KONG_HEADER_FILTER_START - ctx.KONG_PROCESSING_START
    end
  end


  --- Call it at the end of the body.
  function requests.body_end(ctx)
    ctx.KONG_BODY_FILTER_ENDED_AT = now()
    if ctx.KONG_PROXIED and ctx.KONG_HEADER_FILTER_START then
      ctx.KONG_RECEIVE_TIME = ctx.KONG_BODY_FILTER_ENDED_AT - ctx.KONG_HEADER_FILTER_START
    end
  end


  return requests
end


return _M
