--- The headers of the request to the upstream that a gateway sets itself, from variables.

local find_header = require("kong.response.testing.fields").find
local ip = require "kong.response.pdk.ip"
local without_query = require("kong.response.pdk.path").without_query


local gmatch = string.gmatch
local ipairs = ipairs
local lower = string.lower
local tostring = tostring


-- The headers, and their variables. Plugins can change the variables in access.
local FROM_VARIABLES = {
  { "Connection", "upstream_connection" },
  { "Upgrade", "upstream_upgrade" },
  { "TE", "upstream_te" },
  { "Via", "upstream_via" },
  { "X-Forwarded-For", "upstream_x_forwarded_for" },
  { "X-Forwarded-Proto", "upstream_x_forwarded_proto" },
  { "X-Forwarded-Host", "upstream_x_forwarded_host" },
  { "X-Forwarded-Port", "upstream_x_forwarded_port" },
  { "X-Forwarded-Path", "upstream_x_forwarded_path" },
  { "X-Forwarded-Prefix", "upstream_x_forwarded_prefix" },
}

-- The headers that a gateway removes or sets itself.
local NOT_COPIED = {
  ["proxy"] = true, ["proxy-connection"] = true, ["x-real-ip"] = true,
  ["x-kong-request-id"] = true,
}


local _M = {
  --- The variables that only a gateway declares.
  VARIABLES = {},
}

for _, header in ipairs(FROM_VARIABLES) do
  NOT_COPIED[lower(header[1])] = true
  _M.VARIABLES[header[2]] = true
end


--- Sets the variables, at the start of access. The values of a client count only if it is a trusted
-- proxy.
function _M.start(session)
  local request, ctx, var = session.request, session.ngx.ctx, session.ngx.var
  local variables, headers = request.variables, request.headers
  local trusted_ips = session.configuration.trusted_ips
  local is_trusted = trusted_ips and ip.trust(trusted_ips)(request.client.ip)

  variables.upstream_x_forwarded_proto = is_trusted and var.http_x_forwarded_proto or ctx.scheme
  variables.upstream_x_forwarded_host = is_trusted and var.http_x_forwarded_host or ctx.host
  variables.upstream_x_forwarded_port = is_trusted and var.http_x_forwarded_port
                                        or tostring(ctx.host_port)
  variables.upstream_x_forwarded_path = is_trusted and var.http_x_forwarded_path
                                        or without_query(ctx.request_uri)
  variables.upstream_x_forwarded_prefix = is_trusted and var.http_x_forwarded_prefix or nil

  local before = find_header(headers, "x-forwarded-for") and var.http_x_forwarded_for
  local address = request.client.ip
  variables.upstream_x_forwarded_for = before and before .. ", " .. address or address
  -- A gateway also adds itself.
  variables.upstream_via = find_header(headers, "via") and var.http_via
end


-- Returns the names of the headers that belong to the client's connection.
local function hop_by_hop(headers)
  local names = {}
  local connection = find_header(headers, "connection")
  if connection then
    for name in gmatch(lower(connection), "[^%s,]+") do
      names[name] = true
    end
  end
  return names
end


--- Changes a request to the upstream as a gateway does: it removes hop-by-hop headers, and sets the
-- headers from variables.
-- @tparam table session
-- @tparam table sent the request, with `headers`
function _M.apply(session, sent)
  local request = session.request
  local variables, removed = request.variables, hop_by_hop(request.headers)
  local headers, count = {}, 0
  for i = 1, #sent.headers do
    local header = sent.headers[i]
    local name = lower(header[1])
    if not removed[name] and not NOT_COPIED[name] then
      count = count + 1
      headers[count] = header
    end
  end

  local function add(name, value)
    if value and value ~= "" then
      count = count + 1
      headers[count] = { name, value }
    end
  end
  for i = 1, #FROM_VARIABLES do
    add(FROM_VARIABLES[i][1], variables[FROM_VARIABLES[i][2]])
  end
  add("X-Real-IP", variables.remote_addr or request.client.forwarded_ip)
  add("X-Kong-Request-Id", variables.kong_request_id or variables.request_id)
  sent.headers = headers
end


return _M
