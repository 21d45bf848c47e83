--- The phases of a gateway: the bit of each phase, and the sets of phases in which functions work.
--
-- `ngx.ctx.KONG_PHASE` is the bit of the current phase.

local band = require("bit").band
local bor = require("bit").bor
local core = require "kong.response.core"


local concat = table.concat
local ipairs = ipairs
local pairs = pairs


-- Sorted by their bits, because error messages list phases in this order.
local PHASES = {}
for name, bit in pairs(core.phases) do
  PHASES[#PHASES + 1] = { bit, name }
end
table.sort(PHASES, function(a, b)
  return a[1] < b[1]
end)

local BITS, NAMES = {}, {}
for _, phase in ipairs(PHASES) do
  BITS[phase[2]], NAMES[phase[1]] = phase[1], phase[2]
end


local function set(...)
  local bits = 0
  for _, name in ipairs { ... } do
    bits = bor(bits, BITS[name])
  end
  return bits
end


local _M = {
  --- The bit of each phase, by name.
  BITS = BITS,

  --- Phases that serve a request.
  REQUEST = set("rewrite", "access", "balancer", "response", "cluster_listener", "header_filter",
                "body_filter", "log", "error", "admin_api"),
  --- Phases in which the client's body can be read.
  BEFORE_PROXY = set("rewrite", "access", "response", "error", "admin_api"),
  --- Phases in which the request to the upstream can change.
  REWRITE_ACCESS = set("rewrite", "access"),
  REWRITE_ACCESS_BALANCER = set("rewrite", "access", "balancer"),
  --- Phases in which the connection to the upstream can change.
  CONNECT = set("rewrite", "access", "balancer", "preread"),
  ACCESS = set("access"),
  --- Phases in which the route and the consumer are known.
  ROUTED = set("access", "response", "header_filter", "body_filter", "log"),
  --- Phases after the upstream's answer.
  UPSTREAM_RESPONSE = set("response", "header_filter", "body_filter", "log"),
  --- Phases that may add to what `kong.log.serialize` returns.
  SERIALIZE_VALUE = set("rewrite", "access", "header_filter", "response", "body_filter", "log"),
  LOG = set("log"),
  --- Phases in which the result of the client's certificate can be replaced.
  CLIENT_VERIFY = set("rewrite", "access", "balancer", "response"),
  CLIENT_CERTIFICATE = set("rewrite", "access", "balancer", "response", "log"),
  INIT_WORKER = set("init_worker"),
  CERTIFICATE = set("certificate"),
  --- Phases that could change TLS to the upstream.
  UPSTREAM_TLS = set("balancer", "preread"),
}


--- Returns the names of a set of phases, in the order of their bits.
function _M.names(bits)
  local names = {}
  for _, phase in ipairs(PHASES) do
    if band(phase[1], bits) ~= 0 then
      names[#names + 1] = phase[2]
    end
  end
  return concat(names, ", ")
end


function _M.name(bit)
  return NAMES[bit] or "'unknown phase'"
end


return _M
