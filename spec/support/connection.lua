--- TCP connections to 127.0.0.1, for bytes that curl does not send, and for clients that hang up.

local ffi = require "ffi"
local process = require "spec.support.process"


local C = process.C
local concat = table.concat
local now = process.now


local pollfd = ffi.typeof "struct { int fd; short events; short revents; }"

local SOCK_STREAM_CLOEXEC = 0x80001
local MSG_NOSIGNAL = 0x4000
local POLLIN = 1


local _M = {}


local function address(port)
  return ffi.new("uint8_t[16]", { 2, 0, math.floor(port / 256), port % 256, 127, 0, 0, 1 })
end


--- Lets the system choose a port. The socket stays open until `close`, so that several ports
-- differ.
function _M.free_port()
  local fd = C.socket(2, SOCK_STREAM_CLOEXEC, 0)
  local name, length = address(0), ffi.new("unsigned int[1]", 16)
  assert(C.bind(fd, name, 16) == 0, "no free port on 127.0.0.1")
  C.getsockname(fd, name, length)
  return name[2] * 256 + name[3], fd
end


--- Opens a socket. Returns nil if nothing listens.
function _M.open_socket(port)
  local fd = C.socket(2, SOCK_STREAM_CLOEXEC, 0)
  if C.connect(fd, address(port), 16) ~= 0 then
    C.close(fd)
    return nil
  end
  return fd
end


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


--- Reads until the server closes the connection, `pattern` matches, `bytes` bytes have arrived, or
-- the seconds are over. Returns the read bytes, and whether the server has closed the connection.
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


--- Closes the connection with a reset instead of an orderly end.
function Connection:reset()
  C.setsockopt(self.fd, 1, 13, ffi.new("int[2]", 1, 0), 8) -- SO_LINGER, no time
  self:close()
end


--- Makes a connection: send(bytes), read{seconds, pattern, bytes}, close(), reset(). Returns nil if
-- nothing listens.
function _M.connect(port)
  local fd = _M.open_socket(port)
  return fd and setmetatable({ fd = fd }, Connection)
end


return _M
