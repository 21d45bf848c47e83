--- The parts of the plugin interface other than `kong.response`, for servers without a gateway.
--
--     local pdk = require "kong.response.pdk"
--     local kong, requests = pdk.new({ route = { id = "..." } }, ngx)
--
-- It uses only the `ngx` that it gets, so it also works with the test kit's. A gateway never loads
-- it.

local check = require "kong.response.pdk.check"
local ip = require "kong.response.pdk.ip"
local requests = require "kong.response.pdk.requests"
local versions = require "kong.response.pdk.version"


local byte = string.byte
local error = error
local find = string.find
local fmt = string.format
local gsub = string.gsub
local pairs = pairs
local pcall = pcall
local rawget = rawget
local require = require
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring
local type = type


-- The module that makes each part of `kong`.
local PARTS = {
  cache = "kong.response.pdk.cache",
  client = "kong.response.pdk.client",
  configuration = "kong.response.pdk.configuration",
  ctx = "kong.response.pdk.ctx",
  nginx = "kong.response.pdk.nginx",
  node = "kong.response.pdk.node",
  plugin = "kong.response.pdk.plugin",
  request = "kong.response.pdk.request",
  router = "kong.response.pdk.router",
  service = "kong.response.pdk.service",
  table = "kong.response.pdk.table",
  vault = "kong.response.pdk.vault",
}

local FIELDS = {
  balancer = "boolean",
  buffering = "boolean string function",
  cache_size = "number",
  configuration = "table",
  consumer = "table",
  consumers = "table",
  credential = "table",
  node = "table",
  resolves = "boolean",
  route = "table",
  service = "table",
  upstreams = "table",
  version = "string",
}


-- The level of the code that passes a description to a function which calls `describe`.
local CALLER = 4

-- It raises an error if nginx's configuration does not declare the variable.
local function assign(var, name, value)
  var[name] = value
end


-- The id of the workspace `default` in gateways without a database.
local DEFAULT_WORKSPACE = "0dc6f45b-8f8d-40d2-a504-473544ee190b"

-- The key of a request's own description in its context.
local OF_REQUEST = {}


local function check_description(description)
  if type(description) ~= "table" then
    error(fmt("the description of kong must be a table, got %s", type(description)), CALLER)
  end
  for name, value in pairs(description) do
    local expected = FIELDS[name]
    if not expected then
      error(fmt("the description of kong has an unknown field %q", tostring(name)), CALLER)
    elseif not find(" " .. expected .. " ", " " .. type(value) .. " ", 1, true) then
      error(fmt("the description of kong: %s must be a %s, got %s", name,
                gsub(expected, " ", " or "), type(value)), CALLER)
    end
  end
end


local _M = {
  --- The fields of a description, and the type of each.
  FIELDS = FIELDS,
}


--- Makes the parts of the global `kong`, without `kong.response`.
-- @tparam ?table description the values that a gateway reads from its configuration:
--   `route`, `service`, `consumer`, `credential`: those of each request, from access on;
--   `consumers`: the list for `kong.client.load_consumer`;
--   `upstreams`: lists of `"address:port"` by name, for `kong.service.set_upstream`;
--   `configuration`: the values of `kong.configuration`; `trusted_ips` lists the proxies whose
--   X-Forwarded headers count;
--   `node`: `{ id =, hostname = }`;
--   `version`: the value of `kong.version`;
--   `resolves`: whether the balancer accepts host names;
--   `balancer`: whether the upstream's `balancer_by_lua*` calls the balancer;
--   `buffering`: the internal location that asks the upstream for buffered answers;
--   `cache_size`: the maximum number of entries in `kong.cache`
-- @tparam table ngx
-- @tparam[opt] function find_ctx returns the context of the request for `kong.ctx`; by default
--   `ngx.ctx`
-- @tparam[opt] function write_log `write_log(level, message)` gets the messages of `kong.log`. By
--   default, nginx's error log gets them, with the plugin and its line.
-- @treturn table kong
-- @treturn table the functions that a server calls in the phases of a request, and
--   `describe(description)`, which replaces the description
-- @raise `the description of kong must be a table, got <type>`,
--   `the description of kong has an unknown field "<name>"`,
--   `the description of kong: <field> must be a <type>, got <type>`
function _M.new(description, ngx, find_ctx, write_log)
  local kong = { default_workspace = DEFAULT_WORKSPACE }
  local pdk = { ngx = ngx, kong = kong, write_log = write_log }
  pdk.check, pdk.check_except = check.phase(ngx)
  pdk.find_ctx = find_ctx or function()
    return ngx.ctx
  end

  local is_trusted

  local function describe(new)
    new = new or {}
    check_description(new)
    pdk.description = new
    pdk.configuration = new.configuration or {}
    is_trusted = ip.trust(pdk.configuration.trusted_ips)
    kong.version, kong.version_num = versions.of(new.version)
  end

  describe(description)

  --- Gives a request a description of its own.
  function pdk.describe_request(ctx, own)
    ctx[OF_REQUEST] = own
  end

  --- The description of a request.
  function pdk.description_of(ctx)
    return rawget(ctx, OF_REQUEST) or pdk.description
  end

  --- Whether the client of the connection is a trusted proxy.
  function pdk.is_trusted_client()
    local var = ngx.var
    return is_trusted(var.realip_remote_addr or var.remote_addr)
  end

  -- The names of undeclared variables. The configuration cannot declare them later.
  local undeclared = {}

  --- Sets a variable of nginx. Returns false if the configuration does not declare it.
  function pdk.set_variable(name, value)
    if undeclared[name] then
      return false
    end
    local ok, err = pcall(assign, ngx.var, name, value)
    if not ok and find(err, "not found for writing", 1, true) then
      undeclared[name] = true
    end
    return ok
  end

  --- Sets the header Host for the upstream. nginx sends a variable unchanged, and a line end in it
  -- would begin another header, so this function escapes control characters.
  function pdk.set_host(host)
    pdk.set_variable("upstream_host", (gsub(host, "[%z\1-\8\10-\31\127]", function(c)
      return fmt("%%%02X", byte(c))
    end)))
  end

  --- The port that clients use: the server's port, or the port for it in `host_ports` of the
  -- configuration.
  function pdk.host_port()
    local port = tonumber(ngx.var.server_port)
    local ports = pdk.configuration.host_ports
    return ports and ports[port] or port
  end

  kong.ip = {
    is_trusted = function(address)
      return is_trusted(address)
    end,
  }
  for name, module in pairs(PARTS) do
    kong[name] = require(module)(pdk)
  end

  -- The log of code outside of handlers. While a handler runs, `ngx.ctx.KONG_LOG` is its log.
  pdk.log = require "kong.response.pdk.log" (pdk)

  local function log_of_request()
    return ngx.ctx.KONG_LOG
  end

  setmetatable(kong, {
    __index = function(_, name)
      if name == "log" then
        local ok, log = pcall(log_of_request)
        return ok and log or pdk.log
      end
    end,
  })

  local functions = requests.new(pdk)
  functions.describe = describe
  return kong, functions
end


return _M
