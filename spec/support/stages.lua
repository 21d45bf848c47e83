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
local _M = {}

local BITS = {
  rewrite = 0x10,
  access = 0x20,
  balancer = 0x40,
  header_filter = 0x200,
  body_filter = 0x400,
  log = 0x2000,
}

local environment = setmetatable({
  response = require "kong.response",
  note = function(...)
    local texts = { ... }
    for i = 1, select("#", ...) do
      texts[i] = tostring(texts[i])
    end
    ngx.log(ngx.NOTICE, "noted <<", table.concat(texts, " "), ">>")
  end,
}, { __index = _G })

local gateway = rawget(_G, "kong") ~= nil

local function run(stage)
  local code = ngx.var["arg_" .. stage]
  if code then
    local chunk = assert(loadstring(ngx.unescape_uri(code), "@plugin.lua"))
    setfenv(chunk, environment)
    chunk()
  elseif stage == "content" then
    ngx.print("content")
  elseif stage == "body_filter" and ngx.ctx.response_body then
    -- the end first: set after an empty chunk it gets lost, and the client waits for ever
    ngx.arg[2] = true
    ngx.arg[1] = ngx.ctx.response_body
  end
end

function _M.run(stage)
  -- the filters run inside of the phase that prints
  local before = ngx.ctx.KONG_PHASE
  if gateway then
    ngx.ctx.KONG_PHASE = BITS[stage]
  end
  run(stage)
  if gateway then
    ngx.ctx.KONG_PHASE = before
  end
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


--- The path and query that make the server run the code of a case.
local function target(_, case)
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
  request.path = target(self, case)
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


local _M = {}


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
  settings.files = { ["stages.lua"] = DRIVER }
  for name, text in pairs(options and options.files or {}) do
    settings.files[name] = text
  end
  if settings.gateway then
    settings.init = "kong = { ctx = {} }\n" .. (settings.init or "")
  end

  local server = nginx.start(settings)
  server.target, server.run, server.noted = target, run, noted
  return server
end


return _M
