--- A plugin whose handlers do nothing, in the life cycle and called directly.

local PHASES = require("bench.lib.locations").PHASES
local BITS = require("kong.response.pdk.phases").BITS

local ngx = ngx


local function nothing()
end


local plugin, config = {}, {}
for _, phase in ipairs(PHASES) do
  plugin[phase] = nothing
end

local _M = require("kong.response.lifecycle").new { { plugin = plugin, config = config } }

for _, phase in ipairs(PHASES) do
  local bit = BITS[phase]
  _M["direct_" .. phase] = function()
    ngx.ctx.KONG_PHASE = bit
    plugin[phase](plugin, config)
  end
end


return _M
