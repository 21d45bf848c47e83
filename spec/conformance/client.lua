--- Sends sequences to nginx and reads the responses.

local facts = require "spec.support.facts"
local memory = require "spec.conformance.memory"
local nginx = require "spec.support.nginx"
local play = require "spec.conformance.play"
local values = require "spec.conformance.values"

local concat = table.concat


local FILTERS = [[
    set $case $http_case;
    set $upstream_scheme "http";
    set $upstream_host $host;
    set $upstream_uri "";
    rewrite_by_lua_block { require("spec.conformance.server").phase "rewrite" }
    access_by_lua_block { require("spec.conformance.server").phase "access" }
    header_filter_by_lua_block { require("spec.conformance.server").phase "header_filter" }
    body_filter_by_lua_block { require("spec.conformance.server").phase "body_filter" }
    log_by_lua_block { require("spec.conformance.server").log() }
]]

local OPTIONS = {
  log_level = "info",
  workers = 1,
  init = [[
    package.path = "%{root}/?.lua;" .. package.path
    require("spec.conformance.server").init("%{dir}")
  ]],
  http = [[
    server_tokens off;
    keepalive_requests 100000000;
    keepalive_timeout 60s;
    proxy_http_version 1.1;
    proxy_redirect off;
    underscores_in_headers on;
    upstream proxied {
      server 127.0.0.1:%{upstream_port};
    }
    upstream balanced {
      server 0.0.0.1;
      balancer_by_lua_block { require("spec.conformance.server").balancer(%{upstream_port}) }
    }
  ]],
  locations = ([[
    location /local {
      content_by_lua_block { require("spec.conformance.server").phase "content" }
      %{filters}
    }
    location /memory {
      return 204;
      header_filter_by_lua_block { require("spec.conformance.server").memory() }
    }
    location /balanced {
      proxy_pass $upstream_scheme://balanced$upstream_uri;
      proxy_set_header Host $upstream_host;
      proxy_set_header Case $case;
      %{filters}
    }
    location /proxied {
      proxy_pass $upstream_scheme://proxied$upstream_uri;
      proxy_set_header Host $upstream_host;
      proxy_set_header Case $case;
      %{filters}
    }
  ]]):gsub("%%{filters}", (FILTERS:gsub("%%", "%%%%"))),
  servers = [[
    server {
      listen 127.0.0.1:%{upstream_port};
      location / {
        content_by_lua_block { require("spec.conformance.server").upstream() }
      }
    }
  ]],
}

local CONNECTIONS = 8
-- The maximum time for nginx to answer, in seconds, and the time for a sequence with a known
-- difference.
local SECONDS, SHORT_SECONDS = 5, 0.5


local Client = {}
Client.__index = Client


function Client.start(jit_mode)
  local of_nginx = memory.of_nginx
  for name in pairs(of_nginx) do
    of_nginx[name] = facts.get(name)
  end
  local options = {
    init = ([[
      jit.%s() %s
      local memory = require "spec.conformance.memory"
      memory.of_nginx, memory.port = %s, %%{port}
    ]]):format(jit_mode, OPTIONS.init, values.source(of_nginx)),
  }
  for name, value in pairs(OPTIONS) do
    options[name] = options[name] or value
  end
  local server = nginx.start(options)
  memory.port = server.ports.port
  return setmetatable({
    server = server,
    connections = {},
    sent = 0,
    read_to = 0,
    seconds = SECONDS,
  }, Client)
end


function Client:stop()
  for _, connection in pairs(self.connections) do
    connection:close()
  end
  if self.report then
    self.report:close()
  end
  self.server:stop()
end


local function request_text(case)
  local sequence = case.sequence
  local request = sequence.request
  local target = play.target(sequence)
  local lines = {
    ("%s %s HTTP/%.1f"):format(request.method, target, request.version),
    "Host: " .. (request.host or "x"),
  }
  for _, header in ipairs(request.headers) do
    lines[#lines + 1] = header[1] .. ": " .. header[2]
  end
  lines[#lines + 1] = "Case: " .. case.name
  return concat(lines, "\r\n") .. "\r\n\r\n" .. (request.body or "")
end


--- Removes the first `count` bytes of the read bytes and returns them. It reads more if necessary.
local function take(connection, count)
  while #connection.rest < count do
    local missing = count - #connection.rest
    local bytes, closed = connection:read { bytes = missing, seconds = connection.seconds }
    connection.rest = connection.rest .. bytes
    if closed or bytes == "" then
      break
    end
  end
  local taken = connection.rest:sub(1, count)
  connection.rest = connection.rest:sub(count + 1)
  return taken
end


local function take_line(connection)
  while not connection.rest:find("\r\n", 1, true) do
    local bytes, closed = connection:read { pattern = "\n", seconds = connection.seconds }
    connection.rest = connection.rest .. bytes
    if closed or bytes == "" then
      break
    end
  end
  local stop = connection.rest:find("\r\n", 1, true)
  local line = connection.rest:sub(1, stop and stop - 1 or -1)
  connection.rest = connection.rest:sub(stop and stop + 2 or #connection.rest + 1)
  return line, stop ~= nil
end


local function take_chunked(connection)
  local parts = {}
  repeat
    local line, whole = take_line(connection)
    local size = tonumber(line, 16)
    if not whole or not size then
      return concat(parts) .. "<broken chunk " .. line .. ">"
    end
    parts[#parts + 1] = take(connection, size)
    take_line(connection)
  until size == 0
  return concat(parts)
end


local function take_to_end(connection)
  local bytes, closed = connection:read { seconds = connection.seconds }
  bytes = connection.rest .. bytes
  connection.rest = ""
  return closed and bytes or bytes .. "<not closed>"
end


--- Reads a response. The expected response has the length of the body, because plugins may break
-- the framing.
local function read_response(connection, expected)
  local line, whole = take_line(connection)
  if line == "" and not whole then
    return { closed = true }
  end
  local response = { status = tonumber(line:match("^HTTP/1%.1 (%d%d%d) ")), headers = {} }
  if not response.status then
    response.line = line
    return response
  end
  while true do
    line = take_line(connection)
    if line == "" then
      break
    end
    local name, value = line:match("^(.-): (.*)$")
    response.headers[#response.headers + 1] = { name or line, value or "" }
  end
  local function own(name)
    for _, header in ipairs(response.headers) do
      if header[1] == name then
        return header[2]
      end
    end
  end
  response.close = own("Connection") == "close"
  if expected.no_body then
    response.body = ""
  elseif own("Transfer-Encoding") == "chunked" then
    response.body = take_chunked(connection)
  elseif response.close then
    response.body = take_to_end(connection)
  else
    response.body = take(connection, #(expected.body or ""))
  end
  if response.close and expected.no_body then
    response.body = take_to_end(connection)
  end
  return response
end


function Client:connection(slot)
  local connection = self.connections[slot]
  if not connection then
    connection = self.server:connect()
    connection.rest = ""
    self.connections[slot] = connection
  end
  connection.seconds = self.seconds
  return connection
end


local function drop(self, slot)
  local connection = self.connections[slot]
  if connection then
    connection:close()
    self.connections[slot] = nil
  end
end


--- Returns the notes of the workers since the last call, by the number of the case.
local function read_notes(self, count)
  local path = self.server.dir .. "/report"
  local notes, found = {}, 0
  nginx.wait_until(self.seconds, function()
    self.report = self.report or io.open(path, "rb")
    while self.report do
      self.report:seek("set", self.read_to)
      local head = self.report:read("*l")
      local index, length = (head or ""):match("^(%d+) (%d+)$")
      local text = index and (length == "0" and "" or self.report:read(tonumber(length)))
      if not text or #text < tonumber(length) or self.report:read(1) ~= "\n" then
        break
      end
      self.read_to = self.report:seek()
      found = found + (notes[tonumber(index)] and 0 or 1)
      notes[tonumber(index)] = text
    end
    return found >= count
  end)
  return notes
end


--- Sends cases: { sequence, index, name, expected }. Each gets `response` and `notes`.
function Client:send(cases)
  local waiting, answered = {}, {}

  local function send(slot, case)
    if not self:connection(slot):send(request_text(case)) then
      drop(self, slot)
      self:connection(slot):send(request_text(case))
    end
    waiting[slot] = case
  end

  local function receive(slot)
    local case = waiting[slot]
    if not case then
      return
    end
    waiting[slot] = nil
    local response = read_response(self.connections[slot], case.expected)
    local before = answered[slot]
    if response.closed and not case.expected.closed and before then
      -- The response before has announced that nginx keeps the connection.
      before.response.surplus = "closed connection"
      answered[slot] = nil
      drop(self, slot)
      send(slot, case)
      return receive(slot)
    end
    case.response = response
    answered[slot] = case
    local rest = self.connections[slot].rest
    -- A 101 does not announce whether nginx keeps the connection.
    if response.closed or response.close or not response.status or response.status == 101
      or case.expected.restarted or rest ~= ""
    then
      -- If nginx has started the response again, it sends more chunks after the end.
      local goes_on = case.expected.restarted and rest:find "^%x+\r\n"
      response.surplus = rest ~= "" and not goes_on and rest or nil
      answered[slot] = nil
      drop(self, slot)
    end
  end

  for i, case in ipairs(cases) do
    receive(i % CONNECTIONS)
    send(i % CONNECTIONS, case)
  end
  for slot = 0, CONNECTIONS - 1 do
    receive(slot)
  end

  local notes = read_notes(self, #cases)
  for _, case in ipairs(cases) do
    case.notes = notes[case.index] or "<nothing was written down>"
  end
end


--- Returns the outcome of a sequence in memory, played in a worker of nginx.
function Client:in_memory(seed, index)
  local response = self.server:get(("/memory?seed=%d&index=%d"):format(seed, index))
  local path = ("%s/memory.%d"):format(self.server.dir, index)
  local file = assert(io.open(path, "rb"))
  local notes = file:read("*a")
  file:close()
  os.remove(path)
  return notes, response
end


--- Sends one sequence that the generator has not made.
function Client:send_one(sequence, expected)
  self.sent, self.seconds = self.sent + 1, SHORT_SECONDS
  local index = 1000000000 + self.sent
  local name = "sequence." .. index
  local file = assert(io.open(self.server.dir .. "/" .. name, "wb"))
  file:write(values.dump(sequence))
  file:close()
  local case = { sequence = sequence, index = index, name = name, expected = expected }
  self:send { case }
  os.remove(self.server.dir .. "/" .. name)
  return case
end


return Client
