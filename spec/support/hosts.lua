--- One text, two hosts: describes the same cases in a real nginx and in the in-memory host.
--
--     hosts.each("get_status()", { style = "plugins" }, function(server)
--       it("is the status of the plugin that exited", function()
--         local r = server:run { access = "response.exit(403)" }
--         assert.equal(403, r.status)
--       end)
--     end)
--
-- `server` is that of `plugins.lua`, `stages.lua` or `inline.lua`, as `style` says, or one in
-- memory that answers alike. `busted --tags=memory spec/functions` leaves nginx out.
--
-- Locations that a spec needs beside those of its style are tables, by what nginx calls them
-- ("/x", "= /x"): `reply` (nginx's own answer with this text, or status), `upstream = true` with
-- `http_version` and `balancer = true`, `refused = true` (there is no upstream),
-- `underscores = true` (they stay in names), `directives` (for nginx); else the code for the
-- content phase runs.

local inline = require "spec.support.inline"
local memory = require "spec.support.memory"
local nginx = require "spec.support.nginx"
local plugins = require "spec.support.plugins"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


local concat = table.concat


--- The directives of a location, but those for the phases.
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


local function locations_of(options, content)
  local blocks = {}
  for match, location in pairs(options.locations or {}) do
    local text = directives_of(location)
    if is_content(location) then
      text = text .. content
    end
    blocks[#blocks + 1] = options.style == "inline" and inline.location(match, text)
      or "location " .. match .. " {\n" .. text .. "\n}\n"
  end
  return concat(blocks)
end


local BALANCED = [[
  upstream balanced {
    server 0.0.0.1;
    balancer_by_lua_block {
      require("phases").run("balancer")
      assert(require("ngx.balancer").set_current_peer("127.0.0.1", %{upstream_port}))
    }
  }
]]

local STAGES_CONTENT = [[ content_by_lua_block { require("stages").run("content") } ]]

local UPSTREAM = [[
  server {
    listen 127.0.0.1:%{upstream_port};
    default_type text/plain;
    location / {
      ]] .. inline.phase("upstream", "content") .. [[
    }
  }
]]

local STARTS = {
  plugins = function(settings)
    return plugins.start(settings)
  end,
  stages = function(settings, options)
    settings.locations = locations_of(options, STAGES_CONTENT) .. (options.nginx_locations or "")
    settings.init = settings.init_jit .. (settings.init or "")
    return stages.start(settings)
  end,
  inline = function(settings, options)
    settings.locations = locations_of(options, inline.phase "content")
      .. (options.nginx_locations or "")
    settings.servers = UPSTREAM .. (settings.servers or "")
    settings.http = BALANCED .. settings.http
    settings.init = settings.init_jit .. (options.gateway and "kong = { ctx = {} } " or "")
      .. (settings.init or "")
    local server = nginx.start(inline.options(settings))
    server.ask = inline.ask
    return server
  end,
}


local function start_nginx(options, jit_on)
  local settings = {}
  for name, value in pairs(options) do
    settings[name] = value
  end
  settings.jit = jit_on
  settings.init_jit = jit_on and "" or "jit.off() "
  settings.kong = options.gateway ~= false
  local added = {}
  for name, value in pairs(options.add_headers or {}) do
    added[#added + 1] = ("add_header %s %s always;\n"):format(name, value)
  end
  settings.http = concat(added) .. (options.http or "")
  return STARTS[options.style](settings, options)
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
  local settings = {}
  for key, value in pairs(options) do
    settings[key] = value
  end
  if options.style == "plugins" then
    settings.gateway = options.gateway ~= false
  end
  return memory.start(settings)
end


local function describe_on(host, name, options, body)
  served.checked(name .. " (" .. host.title .. ")", function()
    return start(options, host)
  end, function(server)
    body(server, host)
  end)
end


local _M = {}


--- Code given by its lines.
function _M.lines(...)
  return concat({ ... }, "\n")
end


--- Describes the cases on each host.
-- @tparam string name
-- @tparam table options `style`; `gateway` (the globals that a gateway has; in the style `plugins`
--   unless it is false), `both_bindings` (nginx also with the JIT off), `locations`, `files`,
--   `init`, `add_headers`
-- @tparam function body `body(server, host)`, inside of a describe block
function _M.each(name, options, body)
  for _, host in ipairs(HOSTS) do
    if host.jit ~= false or options.both_bindings then
      describe_on(host, name, options, body)
    end
  end
end


--- Describes cases of what only nginx has.
-- @tparam string name
-- @tparam table options those of `each`, and what `nginx.start` has; `nginx_locations` is its text
-- @tparam function body
function _M.nginx(name, options, body)
  for _, host in ipairs(HOSTS) do
    if host.name == "nginx" and (host.jit or options.both_bindings) then
      describe_on(host, name, options, body)
    end
  end
end


return _M
