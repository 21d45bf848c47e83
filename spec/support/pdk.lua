--- Runs code of plugins against the `kong` of `kong.response.pdk`, and tells what the code saw and
-- what the upstream got.
--
--     pdk.each("kong.request", {}, function(server)
--       it("has the path", function()
--         local r = server:run { path = "/a?b=c", access = "return kong.request.get_path()" }
--         assert.same({ "/a" }, r.seen.access)
--         assert.equal("/a?b=c", r.upstream.target)
--       end)
--     end)
--
-- A case is written as `stages.lua` describes, but its code has no `response`. It runs as the
-- plugin "test-plugin" with the id "plugin-1".
--
-- A case is data and text only, so that another host than nginx can run it.

local busted = require "busted"
local nginx = require "spec.support.nginx"
local stages = require "spec.support.stages"


local DRIVER = [==[
local phase_code = require "phase_code"
local pdk = require "kong.response.pdk"

local HANDLER = {}
local _M = {}

local global, requests = pdk.new(loadstring("return " .. [=[%{description}]=])(), ngx)
kong = global
kong.response = require "kong.response"

local function case_dir()
  local case = ngx.var.http_case
  return case and "%{dir}/case/" .. case
end

local function read(path)
  local file = io.open(path, "rb")
  if file then
    local text = file:read("*a")
    file:close()
    return text
  end
end

local function recorder(dir)
  return function(phase, ...)
    local items = { string.format("%q", phase) }
    for i = 1, select("#", ...) do
      items[#items + 1] = phase_code.source_of((select(i, ...)))
    end
    local report = assert(io.open(dir .. "/report", "ab"))
    report:write("record(", table.concat(items, ","), ")\n")
    report:close()
  end
end

local function run_code(phase)
  local dir = case_dir()
  if dir then
    local ctx = ngx.ctx
    requests.enter_plugin(ctx, HANDLER, "test-plugin", "plugin-1")
    local ok, err = pcall(phase_code.run, phase, read(dir .. "/" .. phase .. ".lua"), nil,
                          recorder(dir), true)
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
  run_code("log")
  local dir = case_dir()
  if dir then
    assert(io.open(dir .. "/done", "wb")):close()
  end
end

_M.balance = requests.balance

function _M.init_worker()
  local seen = {}
  local code = [=[ngx.ctx.KONG_PHASE = 0x1 %{init_worker}]=]
  phase_code.run("init_worker", code, nil, function(_, ...)
    for i = 1, select("#", ...) do
      seen[#seen + 1] = (select(i, ...))
    end
  end, true)
  _M.init_worker_seen = phase_code.source_of(seen)
end

function _M.upstream()
  local dir = case_dir()
  if not dir then
    return
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  local file = ngx.req.get_body_file()
  local record = assert(io.open(dir .. "/upstream", "ab"))
  record:write(string.format("add { head = %q, body = %q }\n", ngx.req.raw_header(),
    body or file and read(file) or ""))
  record:close()
  local code = read(dir .. "/upstream.lua")
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
    rewrite_by_lua_block { ngx.ctx.KONG_PHASE = 0x10 }
    access_by_lua_block { ngx.ctx.KONG_PHASE = 0x20 }
    header_filter_by_lua_block { ngx.ctx.KONG_PHASE = 0x200 }
    body_filter_by_lua_block { ngx.ctx.KONG_PHASE = 0x400 }
    log_by_lua_block { ngx.ctx.KONG_PHASE = 0x2000 }
    content_by_lua_block { ngx.print("return ", require("pdk_driver").init_worker_seen) }
  }
]]

-- One that answers itself, one whose upstream answers nobody, the upstream.
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

-- The upstream is what the service names unless the description of a spec has a service.
local DESCRIPTION = [[{
  service = { id = "service-1", host = "127.0.0.1", port = %{upstream_port} },
  route = { id = "route-1", protocols = { "http", "https" } },
  balancer = true,
  %{more}
}]]


local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end


local function load_report(path, environment)
  local file = io.open(path, "rb")
  if file then
    local chunk = assert(loadstring(file:read("*a")))
    file:close()
    setfenv(chunk, environment)()
  end
end


--- What the upstream got: { method, target, version, headers = { ["x-foo"] = { "a", "b" } },
-- lines (its headers as they were sent, but the one of the case), body }.
local function upstream_request(record)
  local method, target, version, after = record.head:match("^(%S+) (%S+) HTTP/(%S+)\r\n()")
  local request = {
    method = method, target = target, version = version, body = record.body,
    headers = {}, lines = {},
  }
  for name, value in record.head:sub(after):gmatch("([^\r\n:]+):[ \t]?([^\r\n]*)\r\n") do
    local key = name:lower()
    request.headers[key] = request.headers[key] or {}
    table.insert(request.headers[key], value)
    if key ~= "case" then
      table.insert(request.lines, name .. ": " .. value)
    end
  end
  return request
end


--- Sends one request through the code of a case, by phase (rewrite, access, content, header_filter,
-- body_filter, log, upstream), with the fields of `server:request`; `port` is "content_port"
-- or "broken_port" for another server than the one that asks the upstream. `raises = true`
-- when code may raise.
local function run(server, case)
  server.cases = (server.cases or 0) + 1
  local folder = server.dir .. "/case/" .. server.cases
  os.execute("mkdir -p " .. folder)

  local request = {}
  for key, value in pairs(case) do
    request[key] = value
  end
  for _, phase in ipairs {
    "rewrite", "access", "content", "header_filter", "body_filter", "log", "upstream",
  } do
    if case[phase] then
      write(folder .. "/" .. phase .. ".lua", case[phase])
    end
  end
  request.headers = { "Case: " .. server.cases, unpack(case.headers or {}) }
  server:clear_log()
  local r = server:request(request)
  nginx.wait_until(2, function()
    local done = io.open(folder .. "/done", "rb")
    return done and done:close()
  end)

  local records = stages.records()
  r.upstreams = {}
  load_report(folder .. "/report", { record = function(...)
    records:add(...)
  end })
  load_report(folder .. "/upstream", { add = function(record)
    r.upstreams[#r.upstreams + 1] = upstream_request(record)
  end })
  r.upstream = r.upstreams[1]
  r.log = server:log()
  return stages.finish(case, r, records)
end


local function start(options)
  -- nginx.start fills in what is in here.
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
    files = { ["pdk_driver.lua"] = driver, ["phase_code.lua"] = nginx.read "phase_code.lua" },
  }
  server.run = run
  return server
end


local _M = {}


--- What code for init_worker saw.
function _M.init_worker_seen(server)
  return loadstring(server:get("/init_worker").body)()
end


--- Describes the cases on each host.
-- @tparam string name
-- @tparam table options `both_bindings` (also with the JIT off), `plain` (the upstream is asked
--   without a balancer and variables), `description` (more fields of the description of `kong`, as
--   Lua), `init_worker` (code), `main`, `http`, `servers` and `log_level` as `nginx.start` has them
-- @tparam function body `body(server)`, inside of a describe block
function _M.each(name, options, body)
  for _, jit_on in ipairs(options.both_bindings and { true, false } or { true }) do
    busted.describe(name .. (jit_on and " (in nginx)" or " (in nginx, the JIT off)"), function()
      local server
      local stand_in = setmetatable({}, {
        __index = function(_, key)
          return server[key]
        end,
        __newindex = function(_, key, value)
          server[key] = value
        end,
      })

      busted.setup(function()
        local settings = { jit = jit_on }
        for key, value in pairs(options) do
          settings[key] = value
        end
        server = start(settings)
      end)

      busted.teardown(function()
        server:stop()
      end)

      body(stand_in)
    end)
  end
end


return _M
