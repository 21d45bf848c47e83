--- A server in memory, for specs that run on both hosts. It has the methods of the servers of
-- `nginx.lua` and `stages.lua`. It starts no process.

local coroutines = require "kong.response.testing.coroutines"
local instance = require "kong.response.instance"
local kit = require "kong.response.testing.nginx"
local log = require "kong.response.testing.log"
local nginx = require "spec.support.nginx"
local phase_code = require "spec.support.phase_code"
local reason = require "kong.response.testing.reasons"
local Request = require "spec.support.memory_request"
local requests = require "kong.response.testing.request"
local running = require "kong.response.testing.running"
local stages = require "spec.support.stages"
local variables = require "kong.response.testing.ngx.variables"
local versions = require "kong.response.testing.versions"


local ngx_table, restore_ngx, run_timers = kit.new()

-- curl's exit codes for an answer: complete, cut off, missing.
local OK, PARTIAL, EMPTY = 0, 18, 52

-- The locations of `stages.lua`.
local LOCATIONS = {
  ["/"] = {},
  ["/proxied"] = { upstream = true },
  ["/balanced"] = { upstream = true, balancer = true },
  ["/underscores"] = { upstream = true, balancer = true, underscores = true },
  ["/broken"] = { refused = true },
}

local Server = {}
Server.__index = Server


-- Returns the longest location that is a prefix of a path; "= /x" matches only this path.
local function find_location(locations, path)
  local found, length = nil, -1
  for match, location in pairs(locations) do
    local exact = match:match("^= (.*)$")
    if exact == path then
      return location
    elseif not exact and #match > length and path:sub(1, #match) == match then
      found, length = location, #match
    end
  end
  return assert(found, "no location for " .. path)
end


-- Sets the globals while a request runs. Returns a function that removes them. As in a worker,
-- globals that the code adds stay for the next request.
local function install(server)
  local restore = running.keep(_G)
  local module, tested = package.loaded["kong.response"], instance.test
  for name, value in pairs(server.globals) do
    rawset(_G, name, value)
  end
  for name in pairs(server.modules) do
    package.preload[name] = server.modules[name]
    package.loaded[name] = server.loaded[name]
  end
  rawset(_G, "ngx", ngx_table)
  rawset(_G, "print", function(...)
    ngx_table.log(ngx_table.NOTICE, ...)
  end)
  package.loaded["kong.response"] = server.response
  local before = running.keep(_G)
  local uninstall_coroutines = coroutines.install()

  return function()
    uninstall_coroutines()
    local now = {}
    for name, value in next, _G do
      now[name] = value
    end
    before()
    for name, value in next, now do
      if rawget(_G, name) ~= value then
        server.globals[name] = value
      end
    end
    restore()
    restore_ngx()
    for name in pairs(server.modules) do
      server.loaded[name] = package.loaded[name]
      package.preload[name], package.loaded[name] = nil, nil
    end
    package.loaded["kong.response"], instance.test = module, tested
    running.session = nil
  end
end


-- Returns the answer in the format of `nginx.lua`.
local function answer_of(request, http2)
  local r = nginx.response()
  if not request.headers then
    r.exit = EMPTY
    return r
  end
  local length
  r.status = request.status
  r.version = http2 and "2" or "1.1"
  local lines = { ("HTTP/%s %d %s"):format(r.version, r.status, http2 and "" or reason(r.status)) }
  for i, header in ipairs(request.headers) do
    local name, value = header[1], header[2]
    lines[i + 1] = name .. ": " .. value
    r.headers[i] = { name, value }
    if name:lower() == "content-length" then
      length = tonumber(value)
    end
  end
  r.head = table.concat(lines, "\r\n") .. "\r\n\r\n"

  local has_body = request.body_allowed and r.status ~= 204 and r.status ~= 304
  local body = has_body and table.concat(request.chunks) or ""
  local whole = not has_body or request.complete and not request.broken
  if length and has_body then
    whole = #body >= length
    body = body:sub(1, length)
  end
  r.body = body
  r.exit = whole and OK or PARTIAL
  return r
end


local function headers_of(lines)
  local headers = {}
  for _, line in ipairs(lines or {}) do
    local name, value = line:match("^([^:]+):%s*(.*)$")
    headers[#headers + 1] = { name, value }
  end
  return headers
end


local count = 0


local function ignore()
end


-- Runs the phases of the case that a request names.
local function runner(self, request)
  local case = self.cases[tonumber(variables.get({ request = request }, "arg_case"))]
  local function record(phase, ...)
    local items = { ... }
    for i = 1, select("#", ...) do
      -- Copies the current values.
      items[i] = assert(loadstring("return " .. phase_code.source_of(items[i])))()
    end
    case.records:add(phase, unpack(items, 1, select("#", ...)))
  end
  return function(phase)
    phase_code.run(phase, case and case.code[phase], self.response, case and record or ignore,
                   self.gateway and phase ~= "upstream")
  end
end


--- Sends one request; see `nginx.lua`.
function Server:request(spec)
  count = count + 1
  local request = requests.new {
    method = spec.method or spec.body and "POST" or nil,
    path = spec.path,
    headers = headers_of(spec.headers),
    body = spec.body,
    http_version = spec.http2 and 2 or tonumber(spec.http_version or 1.1),
    id = ("%032x"):format(count),
  }
  local run = runner(self, request)
  local session = Request.new {
    request = request,
    location = setmetatable({}, { __index = find_location(self.locations, request.path) }),
    code = run,
    upstream_code = function()
      run "upstream"
    end,
    upstream_underscores = self.upstream_underscores,
    underscores = find_location(self.locations, request.path).underscores,
    log = self.lines,
  }
  session.location.add_headers = session.location.add_headers or self.add_headers
  local uninstall = install(self)
  instance.test = function(options)
    return (session:functions_for(options, ngx_table))
  end
  running.session = session
  ngx_table.ctx = {}
  local ok, err = xpcall(function()
    session:run()
    run_timers(session)
  end, debug.traceback)
  uninstall()
  if not ok then
    error(err, 0)
  end
  return answer_of(session, spec.http2)
end


function Server:get(path, headers)
  return self:request { path = path, headers = headers }
end


function Server:requests(specs)
  local responses = {}
  for i, spec in ipairs(specs) do
    responses[i] = self:request(spec)
  end
  return responses
end


--- See `stages.lua`.
function Server:target(case)
  self.cases[#self.cases + 1] = { code = case, records = stages.records() }
  return stages.target_of(case, #self.cases)
end


--- See `stages.lua`.
function Server:run(case, more)
  local spec = stages.merge(case, more)
  spec.path = self:target(spec)
  return stages.finish(spec, self:request(spec), self.cases[#self.cases].records)
end


--- Returns the notes of the last case. In memory, there is nothing to wait for.
function Server:noted()
  return self.cases[#self.cases].records.notes
end


--- The error log, in nginx's form.
function Server:log()
  local lines = {}
  for i, line in ipairs(self.lines) do
    local level = line.level == "err" and "error" or line.level
    lines[i] = ("[%s] 1#1: *1 %s, client: 127.0.0.1\n"):format(level, line.message)
  end
  return table.concat(lines)
end


function Server:clear_log()
  self.lines = log.new()
end


Server.alarms = nginx.Server.alarms


-- See `facts.lua`.
local VERSION = versions.get(versions.DEFAULT)
local FACTS = {
  repeated_www_authenticate = VERSION.www_authenticate_repeats,
  joins_output = not VERSION.ends_output,
  server_header = "nginx",
}


function Server.has(_, name)
  return FACTS[name]
end


--- Searches the log. In memory, there is nothing to wait for.
function Server:wait_log(pattern)
  return self:log():match(pattern)
end


function Server.worker_pids()
  return {}
end


function Server:stop()
  os.execute("rm -rf '" .. self.dir .. "'")
end


local _M = {}


--- Starts a server. Options: see `hosts.each`.
function _M.start(options)
  local pipe = io.popen("mktemp -d")
  local dir = pipe:read("*l")
  pipe:close()
  local server = setmetatable({
    dir = dir,
    cases = {},
    upstream_underscores = options.upstream_underscores,
    gateway = options.gateway,
    add_headers = options.add_headers,
    locations = {},
    lines = log.new(),
    globals = { kong = options.gateway and { ctx = {} } or nil },
    modules = {},
    loaded = {},
    response = instance.for_tests({}),
  }, Server)
  for _, locations in ipairs { LOCATIONS, options.locations or {} } do
    for match, location in pairs(locations) do
      server.locations[match] = location
    end
  end
  for name, text in pairs(options.files or {}) do
    local module = name:match("^(.*)%.lua$")
    if module then
      server.modules[module:gsub("/", ".")] = assert(loadstring(text, "@" .. name))
    end
    os.execute("mkdir -p '" .. dir .. "/" .. (name:match("^(.*)/") or "") .. "'")
    local file = assert(io.open(dir .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  if options.init then
    local uninstall = install(server)
    assert(loadstring(options.init, "@init.lua"))()
    uninstall()
  end
  return server
end


return _M
