--- An nginx that runs plugins written inside of a spec, each phase of them in the nginx phase of
-- that name, and tells what they saw.
--
--     local server = plugins.start()
--     local r = server:run {
--       upstream = "ngx.header['X-Foo'] = 'bar'",
--       header_filter = "return response.get_header('x-foo')",
--     }
--     assert.same({ "bar" }, r.seen.header_filter)
--
-- The code of a phase is a chunk with these locals: `response` (the module), `see(...)` (records
-- values), `fails(f, ...)` (the error f raises, or false). What it returns is recorded too. In
-- texts of errors its file is called `access.lua`, `header_filter.lua`, … .

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local HOST = [==[
local phase_code = require "phase_code"

local _M = {}

local function case_dir()
  local case = ngx.var.arg_case
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
    report:write("see(", table.concat(items, ","), ")\n")
    report:close()
  end
end

function _M.run(phase)
  local dir = case_dir()
  if dir then
    phase_code.plugins(phase, read(dir .. "/" .. phase .. ".lua"), require "kong.response",
                       recorder(dir))
  end
end

function _M.upstream()
  local chunk = loadfile(case_dir() .. "/upstream.lua")
  if chunk then
    return chunk()
  end
  ngx.header["Content-Length"] = 8
  ngx.print("upstream")
end

function _M.log()
  local dir = case_dir()
  if dir then
    _M.run("log")
    assert(io.open(dir .. "/done", "wb")):close()
  end
end

function _M.balancer()
  _M.run("balancer")
  require("ngx.balancer").set_current_peer("127.0.0.1", %{backend_port})
end

return _M
]==]

local FILTERS = [[
    header_filter_by_lua_block { require("plugin_host").run "header_filter" }
    body_filter_by_lua_block { require("plugin_host").run "body_filter" }
    log_by_lua_block { require("plugin_host").log() }
]]

local LOCATIONS = [[
  location / {
    rewrite_by_lua_block { require("plugin_host").run "rewrite" }
    access_by_lua_block { require("plugin_host").run "access" }
    proxy_pass http://backend;
]] .. FILTERS .. [[
  }
  location /content {
    rewrite_by_lua_block { require("plugin_host").run "rewrite" }
    access_by_lua_block { require("plugin_host").run "access" }
    content_by_lua_block { require("plugin_host").run "content" }
]] .. FILTERS .. [[
  }
  location /underscores {
    lua_transform_underscores_in_response_headers off;
    rewrite_by_lua_block { require("plugin_host").run "rewrite" }
    access_by_lua_block { require("plugin_host").run "access" }
    proxy_pass http://backend;
]] .. FILTERS .. [[
  }
  location /broken {
    rewrite_by_lua_block { require("plugin_host").run "rewrite" }
    access_by_lua_block { require("plugin_host").run "access" }
    proxy_pass http://127.0.0.1:%{refused_port};
]] .. FILTERS .. [[
  }
]]

local HTTP = [[
  proxy_http_version 1.1;
  upstream backend {
    server 0.0.0.1;
    balancer_by_lua_block { require("plugin_host").balancer() }
  }
]]

local SERVERS = [[
  server {
    listen 127.0.0.1:%{backend_port};
    location / {
      lua_transform_underscores_in_response_headers off;
      content_by_lua_block { require("plugin_host").upstream() }
    }
  }
]]


local _M = {}


--- Adds to what phases have seen, and to what they have raised.
function _M.record(seen, errors, counts, phase, ...)
  local failed = phase:match("^error (.*)")
  if failed then
    errors[failed] = (...)
    return
  end
  local list, count = seen[phase] or {}, counts[phase] or 0
  for i = 1, select("#", ...) do
    list[count + i] = (select(i, ...))
  end
  seen[phase], counts[phase] = list, count + select("#", ...)
end


--- Complains about what a case has raised, unless it may.
function _M.check(case, r)
  local phase, err = next(r.errors)
  if phase and not case.fails then
    error(phase .. ": " .. tostring(err), 3)
  end
  return r
end


local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end


local function read_report(path)
  local seen, errors = {}, {}
  local file = io.open(path, "rb")
  if file then
    local chunk = assert(loadstring(file:read("*a")))
    file:close()
    local counts = {}
    setfenv(chunk, { see = function(phase, ...)
      _M.record(seen, errors, counts, phase, ...)
    end })
    chunk()
  end
  return seen, errors
end


--- Sends one request through plugins. `case` has their code by phase (rewrite, access, content,
-- balancer, header_filter, body_filter, log, upstream), the fields of `server:request`, and
-- `fails = true` when code may raise (`r.errors` by phase). Paths: "/" is proxied, "/content" is
-- answered by `content`, "/broken" has no upstream, "/underscores" does not transform them.
local function run(server, case)
  server.cases = (server.cases or 0) + 1
  local n = server.cases
  local folder = server.dir .. "/case/" .. n
  os.execute("mkdir -p " .. folder)

  local request = {}
  for key, value in pairs(case) do
    request[key] = value
  end
  for _, phase in ipairs {
    "rewrite", "access", "content", "balancer", "header_filter", "body_filter", "log",
  } do
    if case[phase] then
      write(folder .. "/" .. phase .. ".lua", case[phase])
    end
  end
  if case.upstream then
    write(folder .. "/upstream.lua", case.upstream)
  end
  request.path = (case.path or (case.content and "/content" or "/"))
  request.path = request.path .. (request.path:find("?", 1, true) and "&" or "?") .. "case=" .. n

  local r = server:request(request)
  nginx.wait_until(2, function()
    local done = io.open(folder .. "/done", "rb")
    return done and done:close()
  end)
  r.seen, r.errors = read_report(folder .. "/report")
  return _M.check(case, r)
end


--- Starts nginx with the plugin host. Options are those of `nginx.start`; also `jit` (true) and
-- `kong` (true: the globals `kong` and `kong.ctx` exist).
function _M.start(options)
  local merged = {}
  for key, value in pairs(options or {}) do
    merged[key] = value
  end
  local files = { ["plugin_host.lua"] = HOST, ["phase_code.lua"] = nginx.read "phase_code.lua" }
  for name, text in pairs(merged.files or {}) do
    files[name] = text
  end
  merged.files = files
  merged.http = HTTP .. (merged.http or "")
  merged.locations = LOCATIONS .. (merged.locations or "")
  merged.servers = SERVERS .. (merged.servers or "")
  merged.init = (merged.jit == false and "jit.off() " or "")
    .. (merged.kong == false and "" or "_G.kong = { ctx = {} } ") .. (merged.init or "")

  local server = nginx.start(merged)
  server.run = run
  return server
end


--- Describes the same cases for both bindings of the library: with the JIT compiler and without.
-- `body(get_server)` is called inside of a describe block.
function _M.each_binding(body, options)
  for _, jit_on in ipairs { true, false } do
    served.describe(jit_on and "(JIT on)" or "(JIT off)", function()
      local merged = { jit = jit_on }
      for key, value in pairs(options or {}) do
        merged[key] = value
      end
      return _M.start(merged)
    end, function(server)
      body(function(case)
        return server:run(case)
      end, function()
        return server
      end)
    end)
  end
end


return _M
