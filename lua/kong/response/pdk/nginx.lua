--- `kong.nginx`: nginx itself.

local found_ffi, ffi = pcall(require, "ffi")


local pairs = pairs
local pcall = pcall
local tonumber = tonumber


-- The symbols of nginx's counters. They exist if nginx was built with its module stub_status.
local COUNTERS = {
  connections_active = "ngx_stat_active",
  connections_reading = "ngx_stat_reading",
  connections_writing = "ngx_stat_writing",
  connections_waiting = "ngx_stat_waiting",
  connections_accepted = "ngx_stat_accepted",
  connections_handled = "ngx_stat_handled",
  total_requests = "ngx_stat_requests",
}

if found_ffi then
  for _, symbol in pairs(COUNTERS) do
    pcall(ffi.cdef, "extern volatile unsigned long *" .. symbol .. ";")
  end
end


local function read_counter(symbol)
  return tonumber(ffi.C[symbol][0])
end


--- Makes `kong.nginx`.
return function(pdk)
  local ngx = pdk.ngx

  local nginx = {}


  function nginx.get_subsystem()
    return ngx.config.subsystem
  end


  function nginx.get_statistics()
    local statistics = {}
    for name, symbol in pairs(COUNTERS) do
      local ok, value = pcall(read_counter, symbol)
      statistics[name] = ok and value or 0
    end
    return statistics
  end


  return nginx
end
