--- A server that runs, in each phase of nginx, the Lua a test hands it: the test's code and what it
-- expects stand side by side, and a spec file needs one nginx.
--
--     local server = stages.start { gateway = true }
--     local r = server:run { access = [[ response.exit(403) ]], headers = { "Accept: text/html" } }
--
-- The code is a chunk named `plugin.lua`, its first line is line 1. It sees `response`
-- (kong.response) and `note(...)`, which writes to the log what `server:noted()` waits for.

local nginx = require "spec.support.nginx"


local STAGES = { "rewrite", "access", "content", "header_filter", "body_filter", "log", "balancer" }

local DRIVER = [[
local phase_code = require "phase_code"

local _M = {}

local environment = setmetatable({
  response = require "kong.response",
  note = function(...)
    ngx.log(ngx.NOTICE, "noted <<", phase_code.note_text(...), ">>")
  end,
}, { __index = _G })

local gateway = rawget(_G, "kong") ~= nil

function _M.run(stage)
  local code = ngx.var["arg_" .. stage]
  phase_code.stages(stage, code and ngx.unescape_uri(code), environment, gateway)
end

return _M
]]

local FILTERS = [[
  rewrite_by_lua_block { require("stages").run("rewrite") }
  access_by_lua_block { require("stages").run("access") }
  header_filter_by_lua_block { require("stages").run("header_filter") }
  body_filter_by_lua_block { require("stages").run("body_filter") }
  log_by_lua_block { require("stages").run("log") }
]]

local HTTP = [[
large_client_header_buffers 4 128k;
upstream balanced {
  server 0.0.0.1;
  balancer_by_lua_block {
    require("stages").run("balancer")
    assert(require("ngx.balancer").set_current_peer("127.0.0.1", %{upstream_port}))
  }
}
]]

local LOCATIONS = [[
location / {
  content_by_lua_block { require("stages").run("content") }
}
location /proxied {
  proxy_pass http://127.0.0.1:%{upstream_port};
}
location /balanced {
  proxy_pass http://balanced;
}
]] .. FILTERS

local UPSTREAM = [[
server {
  listen 127.0.0.1:%{upstream_port};
  location / {
    default_type text/plain;
    add_header X-Upstream yes;
    return 200 "upstream";
  }
}
]]


local function escape(text)
  return (text:gsub("[^%w]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end


local _M = {}


--- The path and query that make the server run the code of a case.
function _M.target(_, case)
  local query = {}
  for _, stage in ipairs(STAGES) do
    if case[stage] then
      query[#query + 1] = stage .. "=" .. escape(case[stage])
    end
  end
  return (case.path or "/") .. "?" .. table.concat(query, "&")
end


--- Sends a request (see `nginx`) that runs the code of the case: { content = [[...]], ... }.
local function run(self, case)
  local request = {}
  for key, value in pairs(case) do
    request[key] = value
  end
  request.path = _M.target(self, case)
  return self:request(request)
end


--- What the test's code noted, in order, once there are `count` (1) notes.
local function noted(self, count)
  local notes
  nginx.wait_until(5, function()
    notes = {}
    for note in self:log():gmatch("noted <<(.-)>>") do
      notes[#notes + 1] = note
    end
    return #notes >= (count or 1)
  end)
  return notes
end


--- Takes the options of `nginx.start`; `gateway = true` adds what a gateway has: the global `kong`
-- and, in every phase but content, `ngx.ctx.KONG_PHASE`. `/` is answered by the code for `content`,
-- `/proxied` and `/balanced` by an upstream.
function _M.start(options)
  local settings = {}
  for key, value in pairs(options or {}) do
    settings[key] = value
  end
  settings.http = HTTP .. (settings.http or "")
  settings.locations = LOCATIONS .. (settings.locations or "")
  settings.servers = UPSTREAM .. (settings.servers or "")
  settings.files = { ["stages.lua"] = DRIVER, ["phase_code.lua"] = nginx.read "phase_code.lua" }
  for name, text in pairs(options and options.files or {}) do
    settings.files[name] = text
  end
  if settings.gateway then
    settings.init = "kong = { ctx = {} }\n" .. (settings.init or "")
  end

  local server = nginx.start(settings)
  server.target, server.run, server.noted = _M.target, run, noted
  return server
end


return _M
