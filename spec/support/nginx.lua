--- Runs a real nginx for a spec and asks it with curl. Linux only (fork, /proc).
--
--     local server = nginx.start { locations = "location = /x { return 204; }" }
--     local r = server:get("/x")
--     assert.equal(204, r.status)
--     server:stop()
--
-- `%{dir}`, `%{root}`, `%{port}`, `%{h2_port}` and any other `%{NAME_port}` or `%{portN}` in the
-- texts given to `start` become the server's folder, the project's folder and free ports.

local ffi = require "ffi"


local C = ffi.C
local concat = table.concat


ffi.cdef [[
int fork(void);
int execvp(const char *file, char *const argv[]);
void _exit(int status);
int waitpid(int pid, int *status, int options);
int kill(int pid, int sig);
int getpid(void);
int getppid(void);
unsigned int geteuid(void);
int prctl(int option, ...);
int unsetenv(const char *name);
int open(const char *path, int flags, ...);
int dup2(int from, int to);
int close(int fd);
int poll(void *fds, unsigned long n, int timeout);
int socket(int domain, int type, int protocol);
int bind(int fd, const void *address, unsigned int length);
int connect(int fd, const void *address, unsigned int length);
int getsockname(int fd, void *address, unsigned int *length);
int setsockopt(int fd, int level, int name, const void *value, unsigned int length);
int shutdown(int fd, int how);
long send(int fd, const void *bytes, size_t length, int flags);
long recv(int fd, void *bytes, size_t length, int flags);
long time(long *);
int clock_gettime(int clock, void *time);
]]

local timespec = ffi.typeof "struct { long seconds; long nanoseconds; }"
local pollfd = ffi.typeof "struct { int fd; short events; short revents; }"
local argv_type = ffi.typeof "const char *[?]"

local SIGHUP, SIGKILL, SIGTERM = 1, 9, 15
local WNOHANG = 1
local PR_SET_PDEATHSIG = 1
local O_WRITE = 0x241 -- O_WRONLY | O_CREAT | O_TRUNC
local SOCK_STREAM_CLOEXEC = 0x80001
local MSG_NOSIGNAL = 0x4000
local POLLIN = 1

local START_ATTEMPTS = 5
local START_SECONDS = 10
local STOP_SECONDS = 5
local POLL_SECONDS = 0.005


local function now()
  local t = timespec()
  C.clock_gettime(1, t)
  return tonumber(t.seconds) + tonumber(t.nanoseconds) / 1e9
end


local function sleep(seconds)
  C.poll(nil, 0, math.floor(seconds * 1000 + 0.5))
end


--- Polls until `condition` gives a true value; returns that, or nil when the seconds are over.
local function wait_until(seconds, condition)
  local deadline = now() + seconds
  repeat
    local result = condition()
    if result then
      return result
    end
    sleep(POLL_SECONDS)
  until now() > deadline
end


local function read_file(path)
  local file = io.open(path, "rb")
  if not file then
    return ""
  end
  local text = file:read("*a")
  file:close()
  return text or ""
end


local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end


local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
    return true
  end
  return false
end


local function quote(text)
  return "'" .. text:gsub("'", [['\'']]) .. "'"
end


local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end


--- Starts a program without a shell: arguments are bytes and need no quoting. It is killed when
-- this process dies, so an interrupted run leaves nothing behind.
local function spawn(arguments, stdout, stderr)
  local argv = argv_type(#arguments + 1)
  for i, argument in ipairs(arguments) do
    if argument:find("\0", 1, true) then
      error("an argument of a program cannot hold a NUL byte", 2)
    end
    argv[i - 1] = argument
  end

  io.stdout:flush()
  local parent = C.getpid()
  local pid = C.fork()
  if pid == 0 then
    C.prctl(PR_SET_PDEATHSIG, ffi.cast("unsigned long", SIGTERM))
    if C.getppid() == parent then
      local input = C.open("/dev/null", 0)
      local out = C.open(stdout, O_WRITE, ffi.cast("int", 420))
      local err = C.open(stderr, O_WRITE, ffi.cast("int", 420))
      C.dup2(input, 0)
      C.dup2(out, 1)
      C.dup2(err, 2)
      -- our NGINX names the program; nginx takes it for the sockets that it inherits
      C.unsetenv("NGINX")
      C.execvp(argv[0], ffi.cast("char *const *", argv))
    end
    C._exit(127)
  end
  assert(pid > 0, "fork failed")
  return pid
end


--- The exit code of a child (128 + signal when one ended it), or nil while it runs.
local function reap(pid, flags)
  local status = ffi.new("int[1]")
  if C.waitpid(pid, status, flags) ~= pid then
    return nil
  end
  local signal = status[0] % 128
  return signal == 0 and math.floor(status[0] / 256) % 256 or 128 + signal
end


local function address(port)
  return ffi.new("uint8_t[16]", { 2, 0, math.floor(port / 256), port % 256, 127, 0, 0, 1 })
end


--- Lets the system choose a port. The socket stays open until `close`, so that ports asked for
-- together differ.
local function free_port()
  local fd = C.socket(2, SOCK_STREAM_CLOEXEC, 0)
  local name, length = address(0), ffi.new("unsigned int[1]", 16)
  assert(C.bind(fd, name, 16) == 0, "no free port on 127.0.0.1")
  C.getsockname(fd, name, length)
  return name[2] * 256 + name[3], fd
end


local function open_socket(port)
  local fd = C.socket(2, SOCK_STREAM_CLOEXEC, 0)
  if C.connect(fd, address(port), 16) ~= 0 then
    C.close(fd)
    return nil
  end
  return fd
end


-- A bare TCP connection, for what curl will not send or for hanging up halfway.
local Connection = {}
Connection.__index = Connection


function Connection:send(bytes)
  local sent = 0
  while sent < #bytes do
    local n = C.send(self.fd, ffi.cast("const char *", bytes) + sent, #bytes - sent, MSG_NOSIGNAL)
    if n <= 0 then
      return nil, "closed"
    end
    sent = sent + tonumber(n)
  end
  return true
end


--- Reads until the server closes, `pattern` is found, `bytes` are there or the seconds are over.
-- Returns what came and whether the server closed.
function Connection:read(options)
  options = options or {}
  local deadline = now() + (options.seconds or 5)
  local size = 65536
  local buffer, parts, count = ffi.new("char[?]", size), {}, 0
  local waiting = pollfd(self.fd, POLLIN, 0)

  repeat
    if C.poll(waiting, 1, math.max(0, math.ceil((deadline - now()) * 1000))) > 0 then
      local n = tonumber(C.recv(self.fd, buffer, size, 0))
      if n <= 0 then
        return concat(parts), true
      end
      parts[#parts + 1] = ffi.string(buffer, n)
      count = count + n
      if options.pattern and concat(parts):find(options.pattern)
        or options.bytes and count >= options.bytes
      then
        return concat(parts), false
      end
    end
  until now() > deadline
  return concat(parts), false
end


function Connection:close()
  if self.fd then
    C.close(self.fd)
    self.fd = nil
  end
end


--- Closes so that the server sees a reset instead of an orderly end.
function Connection:reset()
  C.setsockopt(self.fd, 1, 13, ffi.new("int[2]", 1, 0), 8) -- SO_LINGER, no time
  self:close()
end


local Response = {}
Response.__index = Response


function Response:values(name)
  local values = {}
  for _, header in ipairs(self.headers) do
    if header[1]:lower() == name:lower() then
      values[#values + 1] = header[2]
    end
  end
  return values
end


function Response:header(name)
  return self:values(name)[1]
end


local function new_response()
  return setmetatable({ head = "", headers = {}, body = "" }, Response)
end


local function parse_fields(block)
  local fields = {}
  for name, value in block:gmatch("([^\r\n:]+):[ \t]?([^\r\n]*)\r?\n") do
    fields[#fields + 1] = { name, value }
  end
  return fields
end


local function parse_response(head, body, exit)
  local response = new_response()
  response.body, response.exit = body, exit
  local start = 1
  while start <= #head do
    local _, stop = head:find("\r?\n\r?\n", start)
    local block = head:sub(start, stop or #head)
    local version, status, after = block:match("^HTTP/([%d.]+) (%d%d%d)[^\n]*\n()")
    if version then
      response.head = block
      response.version, response.status = version, tonumber(status)
      response.headers = parse_fields(block:sub(after))
    else
      response.trailers = parse_fields(block)
    end
    start = (stop or #head) + 1
  end
  return response
end


local Server = {}
Server.__index = Server


local function has_header(lines, name)
  for _, line in ipairs(lines) do
    if line:lower():sub(1, #name + 1) == name .. ":" then
      return true
    end
  end
  return false
end


function Server:_curl(spec)
  self.requested = self.requested + 1
  local base = self.dir .. "/curl." .. self.requested
  local port = spec.port or (spec.http2 and "h2_port" or "port")
  local lines = spec.headers or {}
  local argv = {
    "curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--globoff",
    spec.http2 and "--http2-prior-knowledge" or "--http" .. (spec.http_version or "1.1"),
    "--max-time", tostring(spec.max_time or 10),
    "--dump-header", base .. ".head",
    -- for HEAD curl would write the header again
    "--output", spec.method == "HEAD" and "/dev/null" or base .. ".body",
    "--request-target", spec.path or "/",
  }
  local function add(...)
    for _, argument in ipairs { ... } do
      argv[#argv + 1] = argument
    end
  end

  if spec.raw then
    add("--raw")
  end
  if spec.method == "HEAD" then
    add("--head")
  elseif spec.method then
    add("--request", spec.method)
  end
  if spec.body then
    write_file(base .. ".data", spec.body)
    add("--data-binary", "@" .. base .. ".data")
  end
  -- only what the spec asks for is sent: curl would add these on its own
  for _, name in ipairs { "accept", "user-agent", "content-type", "expect" } do
    if not has_header(lines, name) then
      add("--header", name .. ":")
    end
  end
  for _, line in ipairs(lines) do
    -- "Name;" is curl's way to send a header without a value, "Name:" drops it
    add("--header", (line:gsub("^([^:]+):%s*$", "%1;")))
  end
  add("http://127.0.0.1:" .. self.ports[port] .. "/")

  return { pid = spawn(argv, "/dev/null", base .. ".err"), base = base }
end


local function finish(job, exit)
  local base = job.base
  local response = parse_response(read_file(base .. ".head"), read_file(base .. ".body"), exit)
  response.error = read_file(base .. ".err")
  for _, suffix in ipairs { ".head", ".body", ".err", ".data" } do
    os.remove(base .. suffix)
  end
  return response
end


--- Sends one request: { path, method, headers = { "Name: value", ... }, body, http2,
-- http_version = "1.0", max_time, raw = true to keep the chunked framing, port = "upstream_port"
-- for another server }.
function Server:request(spec)
  local job = self:_curl(spec)
  return finish(job, reap(job.pid, 0))
end


function Server:get(path, headers)
  return self:request { path = path, headers = headers }
end


--- Sends several requests, at most `at_once` (16) of them at the same time; the responses come in
-- the order of the requests.
function Server:requests(specs, at_once)
  local responses, running, sent = {}, {}, 0
  at_once = at_once or 16
  repeat
    while #running < at_once and sent < #specs do
      sent = sent + 1
      local job = self:_curl(specs[sent])
      job.index = sent
      running[#running + 1] = job
    end
    local ended
    for i = #running, 1, -1 do
      local exit = reap(running[i].pid, WNOHANG)
      if exit then
        ended = table.remove(running, i)
        responses[ended.index] = finish(ended, exit)
      end
    end
    if not ended and #running > 0 then
      sleep(0.001)
    end
  until #running == 0 and sent == #specs
  return responses
end


--- Opens a TCP connection to the server: send(bytes), read{seconds, pattern, bytes}, close(),
-- reset().
function Server:connect(port)
  local fd = assert(open_socket(self.ports[port or "port"]), "the server does not accept")
  return setmetatable({ fd = fd }, Connection)
end


function Server:log()
  return read_file(self.dir .. "/error.log")
end


function Server:clear_log()
  write_file(self.dir .. "/error.log", "")
end


--- Waits until the error log has `pattern`; returns what the pattern captures, or nil.
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


--- Memory of a process (of the first worker) in kB: `field` VmRSS, or VmHWM for the peak.
function Server:rss(pid, field)
  local status = read_file("/proc/" .. (pid or self:worker_pids()[1]) .. "/status")
  return tonumber(status:match((field or "VmRSS") .. ":%s*(%d+)"))
end


--- Has nginx read its configuration again; returns true when the old workers are gone.
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


--- Ends the server and removes its folder. Raises when a worker had died on a signal.
function Server:stop()
  if not self.pid then
    return
  end
  local pid, workers = self.pid, self:worker_pids()
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

  local crash = self:log():match("[^\n]*exited on signal[^\n]*")
  os.execute("rm -rf " .. quote(self.dir))
  if crash and not self.may_crash then
    error("a worker of nginx crashed: " .. crash, 2)
  end
end


local root = capture("cd " .. quote(debug.getinfo(1, "S").source:match("^@(.*)spec/support/[^/]*$")
  .. ".") .. " && pwd"):gsub("\n$", "")

local binary, load_modules


local function find_nginx()
  if not binary then
    local found = os.getenv("NGINX") or (exists("/usr/sbin/nginx") and "/usr/sbin/nginx") or "nginx"
    local folder = capture(quote(found) .. " -V 2>&1"):match("%-%-modules%-path=(%S+)")
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
  lua_package_path "%{dir}/?.lua;%{root}/build/lualib/?.lua;;";
  lua_package_cpath "%{root}/build/lualib/?.so;;";
  lua_code_cache %{code_cache};
  %{init}
  %{http}
  server {
    listen 127.0.0.1:%{port};
    listen 127.0.0.1:%{h2_port} http2;
    %{locations}
  }
  %{servers}
}
]]


--- Replaces the placeholders, also those inside of replaced texts.
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
    workers = tostring(options.workers or 1),
    main = options.main or "",
    http = options.http or "",
    locations = options.locations or "",
    servers = options.servers or "",
    code_cache = options.code_cache == false and "off" or "on",
    init = options.init and "init_by_lua_file %{dir}/init.lua;" or "",
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
    requested = 0,
    workers = options.workers or 1,
    may_crash = options.may_crash,
  }, Server)

  local ok, err = pcall(write_tree, dir, options, server.ports)
  if ok then
    local stderr = dir .. "/nginx.stderr"
    local argv = { binary, "-p", dir, "-e", dir .. "/error.log", "-c", dir .. "/nginx.conf" }
    server.pid = spawn(argv, dir .. "/nginx.stdout", stderr)

    local exit
    local ready = wait_until(START_SECONDS, function()
      exit = reap(server.pid, WNOHANG)
      if exit then
        return "ended"
      end
      -- a cache brings processes of its own
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
  root = root,
  now = now,
  sleep = sleep,
  wait_until = wait_until,
  response = new_response,
}


--- The text of a file of this folder, for `files`.
function _M.read(name)
  return read_file(root .. "/spec/support/" .. name)
end


--- Starts a server. Options, all optional: main, http (directives of these levels), init (Lua),
-- locations (inside of the main server), servers (further server blocks), files (name to text),
-- code_cache (true), workers (1), log_level ("info"), may_crash (false).
function _M.start(options)
  find_nginx()
  local server, err
  for _ = 1, START_ATTEMPTS do
    server, err = launch(options or {})
    if server then
      return server
    end
    -- somebody else took a port between our asking and nginx's binding
    if not err:find("Address already in use", 1, true) then
      break
    end
  end
  error(err, 2)
end


--- Starts a server, calls `use(server)` and stops the server, also after an error.
function _M.once(options, use)
  local server = _M.start(options)
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


return _M
