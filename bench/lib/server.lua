--- The measured servers: nginx with one worker on one core, with our functions or the peer's, and
-- with LuaJIT's compiler on or off.

local ffi = require "ffi"
local locations = require "bench.lib.locations"
local nginx = require "spec.support.nginx"

local C = ffi.C


ffi.cdef [[
int fcntl(int fd, int command, ...);
]]

local F_SETFL, O_NONBLOCK = 4, 0x800
local MSG_NOSIGNAL = 0x4000
local POLLIN, POLLOUT = 1, 4

local SECONDS = 120

local HTTP = [[
keepalive_requests 100000000;
large_client_header_buffers 8 16k;
]]

local pollfd = ffi.typeof "struct { int fd; short events; short revents; }"

local room_size = 1048576
local room = ffi.new("uint8_t[?]", room_size)


local Server = {}
Server.__index = Server


--- Sends `bytes` and reads until the server closes the connection. Returns the last 64 KB of the
-- responses at most, and the number of all bytes. The requests are pipelined, so that client and
-- server rarely wait for each other.
function Server:exchange(bytes)
  local connection = self.nginx:connect()
  local fd = connection.fd
  C.fcntl(fd, F_SETFL, ffi.cast("int", O_NONBLOCK))
  local waiting = pollfd(fd, POLLIN + POLLOUT, 0)
  local sent, received, tail = 0, 0, ""
  local deadline = nginx.now() + SECONDS

  while true do
    if C.poll(waiting, 1, 1000) < 0 or nginx.now() > deadline then
      connection:close()
      error("the server did not answer in time:\n" .. self.nginx:log(), 0)
    end
    if bit.band(waiting.revents, POLLOUT) ~= 0 then
      local n = tonumber(C.send(fd, ffi.cast("const char *", bytes) + sent, #bytes - sent,
                                MSG_NOSIGNAL))
      sent = sent + math.max(n, 0)
      if sent == #bytes then
        waiting.events = POLLIN
      end
    end
    if bit.band(waiting.revents, bit.bnot(POLLOUT)) ~= 0 then
      local n = tonumber(C.recv(fd, room, room_size, 0))
      if n == 0 then
        break
      elseif n > 0 then
        received = received + n
        local kept = math.min(n, 65536)
        tail = (tail .. ffi.string(room + n - kept, kept)):sub(-65536)
      end
    end
  end

  connection:close()
  return tail, received
end


local function request(path, headers, close)
  return "GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\n" .. (headers or "")
         .. (close and "Connection: close\r\n" or "") .. "\r\n"
end


--- Sends `count` requests and then one for `last`. Returns the body of the last response.
function Server:batch(count, path, headers, last)
  local tail = self:exchange(request(path, headers):rep(count) .. request(last, nil, true))
  return tail:match("^.*\r\n\r\n(.*)$")
end


function Server:ask(path)
  return self:batch(0, path, nil, path)
end


--- Raises an error if the server has logged one, because its figures are invalid then.
function Server:check()
  local log = self.nginx:log()
  local line = log:match("[^\n]*%[error%][^\n]*") or log:match("[^\n]*%[alert%][^\n]*")
  if line then
    error("a measured server reports an error: " .. line, 0)
  end
end


function Server:stop()
  self.nginx:stop()
end


local _M = {}


-- The mask of a core, for `worker_cpu_affinity`.
local function mask(core)
  return "1" .. ("0"):rep(core)
end


--- The masks of two cores: one for the measured workers, and one for the other processes.
local function masks()
  local file = assert(io.open("/proc/self/status"))
  local allowed = file:read("*a"):match("Cpus_allowed_list:%s*(%S+)")
  file:close()
  return mask(tonumber(allowed:match("(%d+)$"))), mask(tonumber(allowed:match("^(%d+)")))
end


local MEASURED, OTHER = masks()

_M.OTHER = OTHER


--- @tparam string side `"ours"` or `"peer"`
-- @tparam boolean jit_on
-- @tparam[opt] number upstream the port of the upstream
-- @tparam[opt] table under the command and arguments of a program that runs nginx
function _M.start(side, jit_on, upstream, under)
  local server = nginx.start {
    log_level = "error",
    main = "worker_cpu_affinity " .. MEASURED .. ";",
    http = HTTP,
    locations = locations.all(upstream),
    under = under,
    init = ([[
      package.path = "%%{root}/?.lua;" .. package.path
      require("bench.worker.init").start("%s", %s)
    ]]):format(side, tostring(jit_on)),
  }
  return setmetatable({ nginx = server, side = side, jit_on = jit_on }, Server)
end


return _M
