--- Runs code of plugins with the `kong` of `kong.response.pdk`. Returns the values that the code
-- has read, and the request that the upstream got.
--
--     pdk.each("kong.request", {}, function(server)
--       it("has the path", function()
--         local r = server:run { path = "/a?b=c", access = "return kong.request.get_path()" }
--         assert.same({ "/a" }, r.seen.access)
--         assert.equal("/a?b=c", r.upstream.target)
--       end)
--     end)
--
-- Cases are as in `stages.lua`, but their code has no `response`. It runs as the plugin
-- "test-plugin" with the id "plugin-1".
--
-- A case has only data and text, so that another host than nginx can run it.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


local DRIVER = [==[
local phase_code = require "phase_code"
local pdk = require "kong.response.pdk"

local HANDLER = {}
local _M = {}

local global, requests = pdk.new(loadstring("return " .. [=[%{description}]=])(), ngx)
kong = global
kong.response = require "kong.response"

-- The beginning of the names of the files of a case.
local function path_of_case()
  local case = ngx.var.http_case
  return case and "%{dir}/case." .. case .. "."
end

local function run_code(phase)
  local path = path_of_case()
  if path then
    local ctx = ngx.ctx
    requests.enter_plugin(ctx, HANDLER, "test-plugin", "plugin-1")
    local ok, err = pcall(phase_code.run, phase, phase_code.read(path .. phase), nil,
                          phase_code.recorder(path), true)
    requests.leave_plugin(ctx)
    if not ok then
      error(err, 0)
    end
  end
end

function _M.rewrite()
  requests.rewrite(ngx.ctx)
  run_code("rewrite")
end

function _M.access()
  local ctx = ngx.ctx
  requests.access(ctx)
  run_code("access")
  requests.proxy(ctx)
end

function _M.header_filter()
  ngx.ctx.KONG_PROXIED = ngx.var.upstream_status ~= nil or nil
  requests.header_filter(ngx.ctx)
  run_code("header_filter")
end

function _M.body_filter()
  if ngx.arg[2] then
    requests.body_end(ngx.ctx)
  end
  run_code("body_filter")
end

function _M.content()
  run_code("content")
  if not ngx.headers_sent then
    ngx.print("content")
  end
end

function _M.log()
  local ok, err = pcall(run_code, "log")
  local path = path_of_case()
  if path then
    phase_code.finish(path)
  end
  if not ok then
    error(err, 0)
  end
end

_M.balance = requests.balance

function _M.init_worker()
  local seen = {}
  phase_code.run("init_worker", [=[%{init_worker}]=], nil, function(_, ...)
    for i = 1, select("#", ...) do
      seen[#seen + 1] = (select(i, ...))
    end
  end, true)
  _M.init_worker_seen = phase_code.source_of(seen)
end

function _M.upstream()
  local path = path_of_case()
  if not path then
    return
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local file = ngx.req.get_body_file()
  phase_code.recorder(path)("upstream request", ngx.req.raw_header(),
                            body or file and phase_code.read(file) or "")
  local code = phase_code.read(path .. "upstream")
  if code then
    return assert(loadstring(code))()
  end
  ngx.header["Content-Length"] = 8
  ngx.print("upstream")
end

return _M
]==]

local PHASES = [[
    rewrite_by_lua_block { require("pdk_driver").rewrite() }
    access_by_lua_block { require("pdk_driver").access() }
    header_filter_by_lua_block { require("pdk_driver").header_filter() }
    body_filter_by_lua_block { require("pdk_driver").body_filter() }
    log_by_lua_block { require("pdk_driver").log() }
]]

local VARIABLES = [[
    set $upstream_scheme "";
    set $upstream_host "";
    set $upstream_uri "";
]]

local HTTP = [[
  proxy_http_version 1.1;
  client_body_buffer_size 8k;
  large_client_header_buffers 8 32k;
  underscores_in_headers on;
  init_worker_by_lua_block { require("pdk_driver").init_worker() }
  upstream balanced {
    server 0.0.0.1;
    balancer_by_lua_block { require("pdk_driver").balance() }
    keepalive 4;
  }
]]

local BALANCED = VARIABLES .. [[
    proxy_pass $upstream_scheme://balanced$upstream_uri;
    proxy_set_header Host $upstream_host;
]]

local PLAIN = [[
    proxy_pass http://127.0.0.1:%{upstream_port};
]]

local LOCATIONS = PHASES .. [[
  location / {
    %{proxy}
  }
  location = /init_worker {
    content_by_lua_block { ngx.print("return ", require("pdk_driver").init_worker_seen) }
  }
]]

-- The other servers: one that answers itself, one whose upstream does not answer, and the upstream.
local SERVERS = [[
  server {
    listen 127.0.0.1:%{content_port};
    ]] .. PHASES .. [[
    location / { content_by_lua_block { require("pdk_driver").content() } }
  }
  server {
    listen 127.0.0.1:%{broken_port};
    ]] .. PHASES .. [[
    location / { proxy_pass http://127.0.0.1:%{refused_port}; }
  }
  server {
    listen 127.0.0.1:%{upstream_port};
    location / { content_by_lua_block { require("pdk_driver").upstream() } }
  }
]]

-- The service is the upstream, unless the description of a spec has a service.
local DESCRIPTION = [[{
  service = { id = "service-1", host = "127.0.0.1", port = %{upstream_port} },
  route = { id = "route-1", protocols = { "http", "https" } },
  balancer = true,
  %{more}
}]]


--- Returns the request that the upstream got: { method, target, version, headers = { ["x-foo"] = {
-- "a", "b" } }, lines (the sent headers, without that of the case), body }.
local function upstream_request(head, body)
  local method, target, version, after = head:match("^(%S+) (%S+) HTTP/(%S+)\r\n()")
  local request = {
    method = method, target = target, version = version, body = body,
    headers = {}, lines = {},
  }
  for name, value in head:sub(after):gmatch("([^\r\n:]+):[ \t]?([^\r\n]*)\r\n") do
    local key = name:lower()
    request.headers[key] = request.headers[key] or {}
    table.insert(request.headers[key], value)
    if key ~= "case" then
      table.insert(request.lines, name .. ": " .. value)
    end
  end
  return request
end


--- Sends one request that runs the code of a case. A case has code for phases (rewrite, access,
-- content, header_filter, body_filter, log, upstream), and the fields of `server:request`. `port`
-- is "content_port" or "broken_port" for a server that does not ask the upstream. `raises = true`
-- allows errors of the code.
local function run(server, case)
  local number = stages.store(server, stages.codes_of(case))
  server:clear_log()
  local r = server:request(stages.merge(case, {
    headers = { "Case: " .. number, unpack(case.headers or {}) },
  }))
  stages.wait(server, number)

  local records = stages.records()
  r.upstreams = {}
  stages.read_report(server, number, function(phase, ...)
    if phase == "upstream request" then
      r.upstreams[#r.upstreams + 1] = upstream_request(...)
    else
      records:add(phase, ...)
    end
  end)
  r.upstream = r.upstreams[1]
  r.log = server:log()
  return stages.finish(case, r, records)
end


local function start(options)
  -- `nginx.start` adds to this table.
  local driver = DRIVER:gsub("%%{description}", function()
    return (DESCRIPTION:gsub("%%{more}", function()
      return options.description or ""
    end))
  end):gsub("%%{init_worker}", function()
    return options.init_worker or ""
  end)
  local server = nginx.start {
    main = options.main,
    http = HTTP .. (options.http or ""),
    locations = LOCATIONS:gsub("%%{proxy}", function()
      return options.plain and PLAIN or BALANCED
    end),
    servers = SERVERS .. (options.servers or ""),
    init = (options.jit == false and "jit.off() " or "") .. [[ require "pdk_driver" ]],
    log_level = options.log_level,
    files = stages.merge(options.files or {}, {
      ["pdk_driver.lua"] = driver, ["phase_code.lua"] = nginx.read "phase_code.lua",
    }),
  }
  server.run = run
  return server
end


local _M = {}


--- Returns the values that the code for init_worker has read.
function _M.init_worker_seen(server)
  return loadstring(server:get("/init_worker").body)()
end


--- Describes the cases on each host.
-- @tparam string name
-- @tparam table options `both_bindings` (also with the JIT off), `plain` (nginx sends requests to
--   the upstream without a balancer and variables), `description` (more fields of the description
--   of `kong`, as Lua), `init_worker` (code), and options of `nginx.start`: `main`, `http`,
--   `servers`, `files`, `log_level`
-- @tparam function body `body(server)`, inside of a describe block
function _M.each(name, options, body)
  for _, jit_on in ipairs(options.both_bindings and { true, false } or { true }) do
    served.describe(name .. (jit_on and " (in nginx)" or " (in nginx, the JIT off)"), function()
      return start(stages.merge({ jit = jit_on }, options))
    end, body)
  end
end


return _M
