--- gRPC with grpcio for servers of `live.lua`: an upstream, and real clients.
--
--     local upstream = grpc.serve(server)
--     local case = { path = "/grpc/Unary", access = "response.exit(403)" }
--     local results = grpc.call(server, { case })
--     assert.equal("PERMISSION_DENIED", results[1].code)
--     upstream:stop()

local json = require "cjson"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

local assert = require "luassert"


-- Debian's Python, which the package python3-grpcio belongs to.
local PYTHON = process.exists("/usr/bin/python3") and "/usr/bin/python3" or "python3"
local SCRIPT = nginx.root .. "/spec/support/grpc_clients.py"

local READY_SECONDS = 15


local Upstream = {}
Upstream.__index = Upstream


function Upstream:stop()
  process.C.kill(self.pid, process.SIGKILL)
  process.reap(self.pid, 0)
end


local _M = {}


--- Starts the upstream of `/grpc/Unary`, `/grpc/Stream` and `/grpc/Refuse` of a server.
function _M.serve(server)
  local stdout, stderr = server.dir .. "/grpc.stdout", server.dir .. "/grpc.stderr"
  local port = tostring(server.ports.grpc_port)
  local pid = process.spawn({ PYTHON, SCRIPT, "serve", port }, stdout, stderr)
  local upstream = setmetatable({ pid = pid }, Upstream)
  local ready = process.wait_until(READY_SECONDS, function()
    return process.read_file(stdout):find("ready", 1, true)
  end)
  if not ready then
    upstream:stop()
    error("the gRPC upstream does not start: " .. process.read_file(stderr), 2)
  end
  return upstream
end


--- Makes the calls of all cases in one process. Returns { code, details, messages } for each.
function _M.call(server, cases)
  local calls = {}
  for i, case in ipairs(cases) do
    local request = server:prepared(case)
    local metadata = {}
    for _, line in ipairs(request.headers or {}) do
      local name, value = line:match("^([^:]+): (.*)$")
      metadata[name:lower()] = value
    end
    calls[i] = { path = request.path, metadata = next(metadata) and metadata or nil }
  end
  local path = server.dir .. "/grpc.calls"
  process.write_file(path, json.encode(calls))
  local command = ("%s %s call %d < %s 2> %s.err"):format(PYTHON, process.quote(SCRIPT),
    server.ports.h2_port, process.quote(path), process.quote(path))
  local text = process.capture(command)
  local results = text ~= "" and json.decode(text)
  assert.is_table(results, process.read_file(path .. ".err"))
  assert.equal(#cases, #results)
  return results
end


--- Makes a request of a gRPC client for curl. It has a message only if the upstream reads it,
-- because curl fails if a response ends before the whole request was sent.
function _M.request(case)
  local request = {
    http2 = true,
    method = "POST",
    body = case.header_filter and "\0\0\0\0\7request" or nil,
    headers = { "Content-Type: " .. (case.content_type or "application/grpc"), "TE: trailers" },
  }
  for name, value in pairs(case) do
    if name ~= "content_type" then
      request[name] = value
    end
  end
  return request
end


return _M
