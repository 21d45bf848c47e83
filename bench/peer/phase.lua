--- The gateway's check of the phase in plain Lua. `ngx.ctx.KONG_PHASE` has one bit.

local band = require("bit").band

local error = error
local fmt = string.format
local ngx = ngx
local type = type


local NAMES = {
  { 0x1, "init_worker" }, { 0x2, "certificate" }, { 0x8, "client_hello" }, { 0x10, "rewrite" },
  { 0x20, "access" }, { 0x40, "balancer" }, { 0x80, "response" }, { 0x100, "cluster_listener" },
  { 0x200, "header_filter" }, { 0x400, "body_filter" }, { 0x2000, "log" }, { 0x4000, "preread" },
  { 0x1000000, "error" }, { 0x10000000, "admin_api" },
}

local HEADER_FILTER = 0x200
local ADMIN_API = 0x10000000

local _M = {
  HEADER_FILTER = HEADER_FILTER,
  READ = 0x80 + 0x200 + 0x400 + 0x2000 + 0x1000000 + ADMIN_API,
  WRITE = 0x10 + 0x20 + 0x40 + 0x80 + 0x200 + 0x1000000 + ADMIN_API,
  BODY = 0x400,
}


local function names(bits)
  local found = {}
  for i = 1, #NAMES do
    if band(bits, NAMES[i][1]) ~= 0 then
      found[#found + 1] = NAMES[i][2]
    end
  end
  return table.concat(found, ", ")
end


local function refuse(phase, allowed)
  if phase == nil then
    if ngx.get_phase() == "content" and band(allowed, ADMIN_API) ~= 0 then
      return
    end
    error(fmt("no phase in ngx.ctx.KONG_PHASE, (need one of %s)", names(allowed)), 4)
  end
  if type(phase) ~= "number" then
    error(fmt("ngx.ctx.KONG_PHASE must be a number, got %s", type(phase)), 4)
  end
  if band(phase, allowed) == 0 then
    local name = names(phase)
    error(fmt("function cannot be called in %s phase (only in: %s)",
              name == "" and "'unknown phase'" or name, names(allowed)), 4)
  end
end


--- Raises an error at the caller of the checked function, unless `phase` is one of the bits
-- `allowed`.
function _M.check(allowed)
  local kong = kong
  if not kong or not kong.ctx then
    return
  end
  local phase = ngx.ctx.KONG_PHASE
  if type(phase) ~= "number" or band(phase, allowed) == 0 then
    refuse(phase, allowed)
  end
end


return _M
