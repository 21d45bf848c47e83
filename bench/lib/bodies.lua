--- Measures bodies that pass through a gateway in buffers of 16 KB. The upstream is not measured.

local nginx = require "spec.support.nginx"
local scope = require "bench.lib.scope"
local server = require "bench.lib.server"


local UPSTREAM = [[
location = /body { content_by_lua_block { require("bench.worker.upstream").content() } }
location = /stalled {
  lua_check_client_abort on;
  content_by_lua_block { require("bench.worker.upstream").stalled() }
}
]]

local _M = {}


function _M.start_upstream()
  return nginx.start {
    log_level = "error",
    main = "worker_cpu_affinity " .. server.OTHER .. ";",
    http = "keepalive_requests 100000000;",
    locations = UPSTREAM,
    init = [[ package.path = "%{root}/?.lua;" .. package.path ]],
  }
end


--- The CPU time in the functions of bodies, in nanoseconds for each of `count` bodies of `path`.
-- The location has the body filter of `bench.worker.loops`.
function _M.timed(side, count, path)
  local spent, called = side:batch(count, path, nil, "/spent"):match("^(%-?%d+) (%d+)$")
  return tonumber(spent) / tonumber(called)
end


--- The increase of the worker's peak memory, in MB, after `count` bodies one by one.
function _M.peak(name, jit_on, upstream, size, count)
  return scope(function(keep)
    local side = keep(server.start(name, jit_on, upstream.ports.port))
    side:ask("/cpu")
    local before = side.nginx:rss(nil, "VmHWM")
    side:batch(count, "/body?size=" .. size, nil, "/cpu")
    side:check()
    return (side.nginx:rss(nil, "VmHWM") - before) / 1024
  end)
end


return _M
