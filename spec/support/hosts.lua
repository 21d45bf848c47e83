--- Describes the same cases for two hosts: a real nginx and the server in memory.
--
--     hosts.each("get_status()", { gateway = true }, function(server)
--       it("is the status of the plugin that exited", function()
--         local r = server:run { access = "response.exit(403)" }
--         assert.equal(403, r.status)
--       end)
--     end)
--
-- `server` is that of `stages.lua`, or a server in memory with the same methods.
-- `busted --tags=memory spec/functions` does not run the cases in nginx.
--
-- Specs can add locations to those of `stages.lua`: tables, by their names in nginx ("/x", "= /x").
-- Their fields are `reply` (nginx answers with this text or status), `upstream = true` with
-- `http_version` and `balancer = true`, `refused = true` (there is no upstream),
-- `underscores = true` (names keep underscores), and `directives` (for nginx). Without these, the
-- location runs the code for the content phase.

local memory = require "spec.support.memory"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


local concat = table.concat


--- Returns the directives of a location, without those for the phases.
local function directives_of(location)
  local lines = { location.directives }
  if location.underscores then
    lines[#lines + 1] = "lua_transform_underscores_in_response_headers off;"
  end
  if location.reply then
    lines[#lines + 1] = type(location.reply) == "number" and ("return %d;"):format(location.reply)
      or ("return 200 %q;"):format(location.reply)
  elseif location.refused then
    lines[#lines + 1] = "proxy_pass http://127.0.0.1:%{refused_port};"
  elseif location.upstream then
    lines[#lines + 1] = ("proxy_http_version %.1f;"):format(location.http_version or 1.1)
    lines[#lines + 1] = location.balancer and "proxy_pass http://balanced;"
      or "proxy_pass http://127.0.0.1:%{upstream_port}/;"
  end
  return concat(lines, "\n")
end


local function is_content(location)
  return not (location.reply or location.refused or location.upstream)
end


local function locations_of(locations)
  local blocks = {}
  for match, location in pairs(locations or {}) do
    local text = directives_of(location)
    if is_content(location) then
      text = text .. "\n" .. stages.phase "content"
    end
    blocks[#blocks + 1] = "location " .. match .. " {\n" .. text .. "\n}\n"
  end
  return concat(blocks)
end


local function start_nginx(options, jit_on)
  local added = {}
  for name, value in pairs(options.add_headers or {}) do
    added[#added + 1] = ("add_header %s %s always;\n"):format(name, value)
  end
  return stages.start(stages.merge(options, {
    jit = jit_on,
    locations = locations_of(options.locations) .. (options.nginx_locations or ""),
    http = concat(added) .. (options.http or ""),
    upstream_directives = options.upstream_underscores
      and "lua_transform_underscores_in_response_headers off;",
  }))
end


local HOSTS = {
  { name = "nginx", title = "in nginx", jit = true },
  { name = "nginx", title = "in nginx, the JIT off", jit = false },
  { name = "memory", title = "in memory #memory" },
}


local function start(options, host)
  if host.name == "nginx" then
    return start_nginx(options, host.jit)
  end
  return memory.start(options)
end


local function describe_on(host, name, options, body)
  served.checked(name .. " (" .. host.title .. ")", function()
    return start(options, host)
  end, function(server)
    body(server, host)
  end)
end


local _M = {}


--- Joins lines of code.
function _M.lines(...)
  return concat({ ... }, "\n")
end


--- Describes the cases on each host.
-- @tparam string name
-- @tparam table options `gateway` (the globals and phases that a gateway has), `both_bindings`
--   (nginx also with the JIT off), `locations`, `files`, `init`, `add_headers`,
--   `upstream_underscores` (the upstream keeps underscores in names)
-- @tparam function body `body(server, host)`, inside of a describe block
function _M.each(name, options, body)
  for _, host in ipairs(HOSTS) do
    if host.jit ~= false or options.both_bindings then
      describe_on(host, name, options, body)
    end
  end
end


--- Describes cases that exist only in nginx.
-- @tparam string name
-- @tparam table options those of `each` and of `nginx.start`; `nginx_locations` is text for its
--   option `locations`
-- @tparam function body
function _M.nginx(name, options, body)
  for _, host in ipairs(HOSTS) do
    if host.name == "nginx" and (host.jit or options.both_bindings) then
      describe_on(host, name, options, body)
    end
  end
end


return _M
