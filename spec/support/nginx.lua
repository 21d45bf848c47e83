--- Runs a real nginx for a spec, and sends requests with libcurl. Linux only (fork, /proc).
--
--     local server = nginx.start { locations = "location = /x { return 204; }" }
--     local r = server:get("/x")
--     assert.equal(204, r.status)
--     server:stop()
--
-- `start` replaces `%{dir}` with the server's folder, `%{root}` with the project's folder, and
-- `%{port}`, `%{h2_port}` and any other `%{NAME_port}` or `%{portN}` with free ports.

local connection = require "spec.support.connection"
local curl = require "spec.support.curl"
local process = require "spec.support.process"


local C = process.C
local capture = process.capture
local exists = process.exists
local free_port = connection.free_port
local now = process.now
local open_socket = connection.open_socket
local quote = process.quote
local read_file = process.read_file
local reap = process.reap
local sleep = process.sleep
local spawn = process.spawn
local wait_until = process.wait_until
local write_file = process.write_file

local SIGHUP, SIGKILL, SIGTERM = process.SIGHUP, process.SIGKILL, process.SIGTERM
local WNOHANG = process.WNOHANG

local START_ATTEMPTS = 5
local START_SECONDS = process.NGINX_SECONDS
-- A tool like valgrind makes nginx many times slower.
local START_SECONDS_UNDER = 120
local STOP_SECONDS = 5


local Server = {}
Server.__index = Server


--- Returns the arguments for `curl.run`.
local function addressed(self, spec)
  local port = spec.port or (spec.http2 and "h2_port" or "port")
  return { spec, self.ports[port] }
end


--- Sends one request: { path, method, headers = { "Name: value", ... }, body, http2,
-- http_version = "1.0", max_time, raw = true to keep the chunked framing, compressed = true to ask
-- for an encoded body and decode it, port = "upstream_port" for another server }.
function Server:request(spec)
  return curl.run({ addressed(self, spec) }, 1)[1]
end


function Server:get(path, headers)
  return self:request { path = path, headers = headers }
end


local function all_addressed(self, specs)
  local requests = {}
  for i, spec in ipairs(specs) do
    requests[i] = addressed(self, spec)
  end
  return requests
end


--- Sends several requests, at most `at_once` (16) of them at the same time. Returns the responses
-- in the order of the requests.
function Server:requests(specs, at_once)
  return curl.run(all_addressed(self, specs), at_once or 16)
end


--- Sends several requests at the same time. All clients hang up as soon as `condition` returns
-- true. Returns the responses up to that time. The responses of clients that have hung up have no
-- `exit`.
function Server:abandon(specs, condition)
  return curl.run(all_addressed(self, specs), #specs, condition)
end


--- Opens a TCP connection to the server: send(bytes), read{seconds, pattern, bytes}, close(),
-- reset().
function Server:connect(port)
  return assert(connection.connect(self.ports[port or "port"]), "the server does not accept")
end


function Server:log()
  return read_file(self.dir .. "/error.log")
end


function Server:clear_log()
  write_file(self.dir .. "/error.log", "")
end


--- Returns a fact about this nginx; see `facts.lua`.
function Server.has(_, name)
  return require("spec.support.facts").get(name)
end


--- Returns the lines of the error log that no spec expects.
function Server:alarms()
  local lines = {}
  for line in self:log():gmatch("[^\n]+") do
    if line:find("%[alert%]") or line:find("%[emerg%]") or line:find("%[crit%]")
      or line:find("exited on signal", 1, true) or line:find("unknown reason", 1, true)
      or line:find("panicked at", 1, true)
    then
      lines[#lines + 1] = line
    end
  end
  return lines
end


--- Waits until the error log matches `pattern`. Returns the captures, or nil.
function Server:wait_log(pattern, seconds)
  local captured = wait_until(seconds or 5, function()
    local found = { self:log():match(pattern) }
    return found[1] and found
  end)
  if captured then
    return unpack(captured)
  end
end


function Server:worker_pids()
  local pids = {}
  local path = ("/proc/%d/task/%d/children"):format(self.pid, self.pid)
  for pid in read_file(path):gmatch("%d+") do
    pids[#pids + 1] = tonumber(pid)
  end
  return pids
end


--- Returns the memory of a process, by default the first worker, in kB: `field` is VmRSS, or VmHWM
-- for the peak.
function Server:rss(pid, field)
  local status = read_file("/proc/" .. (pid or self:worker_pids()[1]) .. "/status")
  return tonumber(status:match((field or "VmRSS") .. ":%s*(%d+)"))
end


--- Reloads nginx. Returns true after the old workers have ended.
function Server:reload(seconds)
  local old = {}
  for _, pid in ipairs(self:worker_pids()) do
    old[pid] = true
  end
  C.kill(self.pid, SIGHUP)
  return wait_until(seconds or 10, function()
    local pids = self:worker_pids()
    for _, pid in ipairs(pids) do
      if old[pid] then
        return false
      end
    end
    return #pids == self.workers
  end) or false
end


--- Ends the server and removes its folder. Raises an error if a signal has ended a worker.
function Server:stop()
  if not self.pid then
    return
  end
  local pid, workers = self.pid, self:worker_pids()
  local crash = self:log():match("[^\n]*exited on signal[^\n]*")
  self.pid = nil
  C.kill(pid, SIGTERM)
  local ended = wait_until(STOP_SECONDS, function()
    return reap(pid, WNOHANG)
  end)
  if not ended then
    for _, worker in ipairs(workers) do
      C.kill(worker, SIGKILL)
    end
    C.kill(pid, SIGKILL)
    reap(pid, 0)
  end

  -- nginx kills a worker that takes more than about two seconds to end. This is not a crash.
  for line in self:log():gmatch("[^\n]*exited on signal[^\n]*") do
    crash = crash or not line:find("exited on signal " .. SIGKILL .. "$") and line
  end
  os.execute("rm -rf " .. quote(self.dir))
  if crash and not self.may_crash then
    error("a worker of nginx crashed: " .. crash, 2)
  end
end


local root = capture("cd " .. quote(debug.getinfo(1, "S").source:match("^@(.*)spec/support/[^/]*$")
  .. ".") .. " && pwd"):gsub("\n$", "")

-- The tested library.
local lualib = os.getenv("LUALIB") or root .. "/build/lualib"

local binary, load_modules
-- From 1.25.1 on, nginx has the directive `http2`, and warns about the old parameter of `listen`.
local http2_directive


local function find_nginx()
  if not binary then
    local found = os.getenv("NGINX") or (exists("/usr/sbin/nginx") and "/usr/sbin/nginx") or "nginx"
    local description = capture(quote(found) .. " -V 2>&1")
    local folder = description:match("%-%-modules%-path=(%S+)")
    local major, minor, patch = description:match("nginx version: %a+/(%d+)%.(%d+)%.(%d+)")
    local version = major and major * 1e6 + minor * 1e3 + patch or math.huge
    http2_directive = version >= 1025001
    load_modules = ""
    for _, name in ipairs { "ndk_http_module", "ngx_http_lua_module" } do
      local path = (folder or "") .. "/" .. name .. ".so"
      if exists(path) then
        load_modules = load_modules .. "load_module " .. path .. ";\n"
      end
    end
    binary = found
  end
  return binary
end


local TEMPLATE = [[
%{modules}%{user}daemon off;
pid %{dir}/nginx.pid;
error_log %{dir}/error.log %{log_level};
worker_processes %{workers};
%{main}
events {
  worker_connections 512;
}
http {
  access_log off;
  client_body_temp_path %{dir}/temp_body;
  proxy_temp_path %{dir}/temp_proxy;
  fastcgi_temp_path %{dir}/temp_fastcgi;
  uwsgi_temp_path %{dir}/temp_uwsgi;
  scgi_temp_path %{dir}/temp_scgi;
  lua_package_path "%{dir}/?.lua;%{lua_dir}/?.lua;;";
  lua_package_cpath "%{clib_dir}/?.so;;";
  lua_code_cache %{code_cache};
  %{init}
  %{http}
  server {
    listen 127.0.0.1:%{port};
    listen 127.0.0.1:%{h2_port}%{http2};
    %{locations}
  }
  %{servers}
}
]]


--- Replaces the placeholders, also those in the replacements.
local function fill(text, values, ports, sockets)
  return (text:gsub("%%{([%w_]+)}", function(name)
    if values[name] then
      return fill(values[name], values, ports, sockets)
    end
    if not name:find("port%d*$") then
      error("nobody knows the placeholder %{" .. name .. "}", 0)
    end
    if not ports[name] then
      ports[name], sockets[#sockets + 1] = free_port()
    end
    return tostring(ports[name])
  end))
end


local function write_tree(dir, options, ports)
  local sockets = {}
  local values = {
    dir = dir,
    root = root,
    modules = load_modules,
    user = C.geteuid() == 0 and "user root;\n" or "",
    log_level = options.log_level or "info",
    http2 = http2_directive and ";\n    http2 on" or " http2",
    workers = tostring(options.workers or 1),
    main = options.main or "",
    http = options.http or "",
    locations = options.locations or "",
    servers = options.servers or "",
    code_cache = options.code_cache == false and "off" or "on",
    init = options.init and "init_by_lua_file %{dir}/init.lua;" or "",
    lua_dir = options.lua_dir or lualib,
    clib_dir = options.clib_dir or options.lua_dir or lualib,
  }
  local ok, err = pcall(function()
    write_file(dir .. "/nginx.conf", fill(TEMPLATE, values, ports, sockets))
    if options.init then
      write_file(dir .. "/init.lua", fill(options.init, values, ports, sockets))
    end
    for name, text in pairs(options.files or {}) do
      local folder = name:match("^(.*)/")
      if folder then
        os.execute("mkdir -p " .. quote(dir .. "/" .. folder))
      end
      write_file(dir .. "/" .. name, fill(text, values, ports, sockets))
    end
  end)
  for _, fd in ipairs(sockets) do
    C.close(fd)
  end
  if not ok then
    error(err, 0)
  end
end


local function launch(options)
  local dir = capture("mktemp -d"):gsub("\n$", "")
  assert(dir ~= "", "mktemp made no folder")
  local server = setmetatable({
    dir = dir,
    ports = {},
    workers = options.workers or 1,
    may_crash = options.may_crash,
  }, Server)

  local ok, err = pcall(write_tree, dir, options, server.ports)
  if ok then
    local stderr = dir .. "/nginx.stderr"
    local argv = {}
    for i, word in ipairs(options.under or {}) do
      argv[i] = word:gsub("%%{dir}", dir)
    end
    for _, argument in ipairs { binary, "-p", dir, "-e", dir .. "/error.log",
                                "-c", dir .. "/nginx.conf" } do
      argv[#argv + 1] = argument
    end
    server.pid = spawn(argv, dir .. "/nginx.stdout", stderr)

    local exit
    local seconds = options.under and START_SECONDS_UNDER or START_SECONDS
    local ready = wait_until(seconds, function()
      exit = reap(server.pid, WNOHANG)
      if exit then
        return "ended"
      end
      -- A cache starts other processes.
      local fd = #server:worker_pids() >= server.workers and open_socket(server.ports.port)
      if fd then
        C.close(fd)
        return "ready"
      end
    end)
    if ready == "ready" then
      return server
    end
    err = exit and ("nginx ended with " .. exit) or "nginx did not accept in time"
    err = err .. ":\n" .. read_file(stderr) .. server:log()
    if not exit then
      pcall(server.stop, server)
    end
  end
  os.execute("rm -rf " .. quote(dir))
  return nil, err
end


local _M = {
  Server = Server,
  root = root,
  lualib = lualib,
  now = now,
  sleep = sleep,
  wait_until = wait_until,
  response = curl.response,
}


--- Returns the text of a file of this folder, for `files`.
function _M.read(name)
  return read_file(root .. "/spec/support/" .. name)
end


--- Returns different free ports of 127.0.0.1.
function _M.free_ports(count)
  local ports, sockets = {}, {}
  for i = 1, count do
    ports[i], sockets[i] = free_port()
  end
  for _, fd in ipairs(sockets) do
    C.close(fd)
  end
  return unpack(ports)
end


--- Starts a server. Options, all optional: main, http (directives of these levels), init (Lua),
-- locations (inside of the main server), servers (further server blocks), files (name to text),
-- code_cache (true), workers (1), log_level ("info"), may_crash (false), lua_dir (where the library
-- is: the environment's LUALIB, or build/lualib), clib_dir (where its native part is: lua_dir),
-- under (the words of a command that runs nginx, valgrind's for one).
function _M.start(options)
  find_nginx()
  local server, err
  for _ = 1, START_ATTEMPTS do
    server, err = launch(options or {})
    if server then
      return server
    end
    -- Another program has taken the port before nginx.
    if not err:find("Address already in use", 1, true) then
      break
    end
  end
  error(err, 2)
end


--- Calls `use(server)` and stops the server, even after an error.
function _M.use(server, use)
  local ok, err = xpcall(function()
    use(server)
  end, function(reason)
    return reason
  end)
  server:stop()
  if not ok then
    error(err, 0)
  end
end


--- Starts a server, calls `use(server)` and stops the server, even after an error.
function _M.once(options, use)
  _M.use(_M.start(options), use)
end


return _M
