--- Bodies that pass through a gateway in buffers of 16 KB, from an upstream that is not measured.

local nginx = require "spec.support.nginx"
local server = require "bench.lib.server"


local UPSTREAM = [[
location = /body { content_by_lua_block { require("bench.worker.upstream").content() } }
]]

local LOCATIONS = [[
location = /cpu { content_by_lua_block { require("bench.worker.init").cpu() } }
]]

local LOCATION = [[
location = /NAME {
  proxy_pass http://127.0.0.1:UPSTREAM/body?$args;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_buffer_size 16k;
  proxy_buffers 32 16k;
  proxy_busy_buffers_size 32k;
  proxy_max_temp_file_size 0;
  header_filter_by_lua_block { require("bench.worker.requests").body_head() }
  body_filter_by_lua_block { require("bench.worker.requests").NAME() }
}
]]

local _M = {}


function _M.start_upstream()
  return nginx.start {
    log_level = "error",
    main = "worker_cpu_affinity 1;",
    http = "keepalive_requests 100000000;",
    locations = UPSTREAM,
    init = [[ package.path = "%{root}/?.lua;" .. package.path ]],
  }
end


--- The options for a measured server in front of `upstream`.
function _M.options(upstream)
  local locations = LOCATIONS
  for _, name in ipairs { "body_empty", "body", "body_changed" } do
    locations = locations .. LOCATION:gsub("NAME", name):gsub("UPSTREAM", upstream.ports.port)
  end
  return { locations = locations }
end


--- How much the peak of the worker's memory rises, in MB, when `count` bodies pass one by one.
function _M.peak(name, jit_on, upstream, size, count)
  local side = server.start(name, jit_on, _M.options(upstream))
  local ok, result = pcall(function()
    side:ask("/cpu")
    local before = side.nginx:rss(nil, "VmHWM")
    side:batch(count, "/body?size=" .. size, nil, "/cpu")
    side:check()
    return (side.nginx:rss(nil, "VmHWM") - before) / 1024
  end)
  side:stop()
  if not ok then
    error(result, 0)
  end
  return result
end


return _M
