--- The headers of the request to the upstream that a gateway sets itself, from variables.

local ip = require "kong.response.pdk.ip"


local find = string.find
local gmatch = string.gmatch
local ipairs = ipairs
local lower = string.lower
local match = string.match
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
  { "X-Real-IP", "remote_addr" },
  { "X-Kong-Request-Id", "kong_request_id" },
}

-- The headers that a gateway removes or sets itself.
local NOT_COPIED = { ["proxy"] = true, ["proxy-connection"] = true }
for _, header in ipairs(FROM_VARIABLES) do
  NOT_COPIED[lower(header[1])] = true
end


local _M = {
  --- The variables that only a gateway declares.
  VARIABLES = {},
}

for _, header in ipairs(FROM_VARIABLES) do
  if find(header[2], "^upstream_") then
    _M.VARIABLES[header[2]] = true
  end
end


--- Sets the variables, at the start of access. The values of a client count only if it is a trusted
-- proxy.
function _M.start(session)
  local request, var = session.request, session.ngx.var
  local is_trusted = ip.trust(session.configuration.trusted_ips)(request.client.ip)
  local function set(name, value)
    local given = is_trusted and var["http_x_forwarded_" .. name]
    request.variables["upstream_x_forwarded_" .. name] = given or value
  end
  set("proto", var.scheme)
  set("host", var.host)
  set("port", tostring(session.ngx.ctx.host_port))
  set("path", match(request.target, "^[^?]*"))
  set("prefix", nil)

  -- A gateway also adds itself.
  request.variables.upstream_via = var.http_via

  local before = var.http_x_forwarded_for
  request.variables.upstream_x_forwarded_for = (before and before .. ", " or "")
                                               .. request.client.ip
end


--- Changes a request to the upstream as a gateway does: it removes hop-by-hop headers, and sets the
-- headers from variables.
-- @tparam table session
-- @tparam table sent the request, with `headers`
function _M.apply(session, sent)
  local hop_by_hop = {}
  for _, header in ipairs(session.request.headers) do
    if lower(header[1]) == "connection" then
      for name in gmatch(lower(header[2]), "[^%s,]+") do
        hop_by_hop[name] = true
      end
    end
  end

  local headers = {}
  for _, header in ipairs(sent.headers) do
    local name = lower(header[1])
    if not hop_by_hop[name] and not NOT_COPIED[name] then
      headers[#headers + 1] = header
    end
  end
  for _, header in ipairs(FROM_VARIABLES) do
    local value = session.ngx.var[header[2]]
    if value and value ~= "" then
      headers[#headers + 1] = { header[1], value }
    end
  end
  sent.headers = headers
end


return _M
