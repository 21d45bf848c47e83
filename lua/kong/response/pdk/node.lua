--- `kong.node`: the server that plugins run in.

local random = require "kong.response.pdk.random"


local collectgarbage = collectgarbage
local error = error
local fmt = string.format
local lower = string.lower
local match = string.match
local open = io.open
local pairs = pairs
local tostring = tostring
local type = type

local ID_KEY = "kong:node_id"

local UNITS = {
  k = { 1024, "KiB" },
  m = { 1024 ^ 2, "MiB" },
  g = { 1024 ^ 3, "GiB" },
}


local function read_hostname()
  local file = open("/proc/sys/kernel/hostname", "r") or open("/etc/hostname", "r")
  local text = file and file:read("*l")
  if file then
    file:close()
  end
  return text and match(text, "^%s*(.-)%s*$") or ""
end


--- Makes `kong.node`.
-- @tparam table pdk `ngx`, `description`
-- @treturn table
return function(pdk)
  local ngx = pdk.ngx
  -- nginx makes the PDK before it starts workers, so all workers have the same id.
  local own_id = random.uuid()
  local hostname

  local node = {}


  function node.get_id()
    local described = pdk.description.node
    if described and described.id then
      return described.id
    end
    local dict = ngx.shared and ngx.shared.kong
    if dict then
      -- A dictionary keeps its values during a reload, so the id stays.
      dict:add(ID_KEY, own_id)
      return dict:get(ID_KEY) or own_id
    end
    return own_id
  end


  function node.get_hostname()
    local described = pdk.description.node
    if described and described.hostname then
      return described.hostname
    end
    hostname = hostname or read_hostname()
    return hostname
  end


  function node.get_memory_stats(unit, scale)
    unit, scale = unit or "b", scale or 2
    local unit_name = lower(tostring(unit))
    local divisor = UNITS[unit_name]
    if not divisor and unit_name ~= "b" then
      error(fmt("invalid unit '%s' (expected 'k/K', 'm/M', or 'g/G')", tostring(unit)), 2)
    elseif type(scale) ~= "number" or scale < 0 then
      error("scale must be equal or greater than 0", 2)
    end

    local function size(bytes)
      if not divisor then
        return bytes
      end
      return fmt("%." .. fmt("%d", scale) .. "f %s", bytes / divisor[1], divisor[2])
    end

    local dicts = {}
    for name, dict in pairs(ngx.shared or {}) do
      local capacity = dict:capacity()
      dicts[name] = {
        capacity = size(capacity),
        allocated_slabs = size(capacity - dict:free_space()),
      }
    end
    -- A worker cannot read the memory of other workers.
    local worker = {
      pid = ngx.worker and ngx.worker.pid() or 0,
      http_allocated_gc = size(collectgarbage("count") * 1024),
    }
    return { lua_shared_dicts = dicts, workers_lua_vms = { worker } }
  end


  return node
end
