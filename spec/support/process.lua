--- Processes, files and time for the servers of specs. Linux only (fork, prctl).

local ffi = require "ffi"


local C = ffi.C


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
local argv_type = ffi.typeof "const char *[?]"

local SIGTERM = 15
local PR_SET_PDEATHSIG = 1
local O_WRITE = 0x241 -- O_WRONLY | O_CREAT | O_TRUNC

local POLL_SECONDS = 0.005


local _M = {
  C = C,
  SIGHUP = 1,
  SIGKILL = 9,
  SIGTERM = SIGTERM,
  -- How long nginx may take to start, and for a response. It is slow in an emulator.
  NGINX_SECONDS = tonumber(os.getenv("NGINX_SECONDS") or 10),
  WNOHANG = 1,
}


function _M.now()
  local t = timespec()
  C.clock_gettime(1, t)
  return tonumber(t.seconds) + tonumber(t.nanoseconds) / 1e9
end


function _M.sleep(seconds)
  C.poll(nil, 0, math.floor(seconds * 1000 + 0.5))
end


--- Polls until `condition` returns a true value, and returns it. Returns nil if the seconds are
-- over.
function _M.wait_until(seconds, condition)
  local deadline = _M.now() + seconds
  repeat
    local result = condition()
    if result then
      return result
    end
    _M.sleep(POLL_SECONDS)
  until _M.now() > deadline
end


function _M.read_file(path)
  local file = io.open(path, "rb")
  if not file then
    return ""
  end
  local text = file:read("*a")
  file:close()
  return text or ""
end


function _M.write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end


function _M.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
    return true
  end
  return false
end


function _M.quote(text)
  return "'" .. text:gsub("'", [['\'']]) .. "'"
end


function _M.capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end


--- Starts a program without a shell: arguments are bytes and need no quotes. The system kills it at
-- the end of this process, so an interrupted run leaves no processes.
function _M.spawn(arguments, stdout, stderr)
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
      -- The specs use this variable for the path of nginx, but nginx would read inherited sockets
      -- from it.
      C.unsetenv("NGINX")
      C.execvp(argv[0], ffi.cast("char *const *", argv))
    end
    C._exit(127)
  end
  assert(pid > 0, "fork failed")
  return pid
end


--- Returns the exit code of a child, or 128 + the number of the signal that has ended it. Returns
-- nil while it runs.
function _M.reap(pid, flags)
  local status = ffi.new("int[1]")
  if C.waitpid(pid, status, flags) ~= pid then
    return nil
  end
  local signal = status[0] % 128
  return signal == 0 and math.floor(status[0] / 256) % 256 or 128 + signal
end


return _M
