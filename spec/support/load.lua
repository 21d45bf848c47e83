--- Clients that send requests all the time, on kept and on new connections, while a spec does
-- something to the server.

local process = require "spec.support.process"


local MAX_REQUESTS = 1000000 -- of one client
local SECONDS = "180" -- the maximum lifetime of a client, if nothing stops it
local RATE = "200/s"


local Load = {}
Load.__index = Load


--- Starts two clients for each path of a server of `spec.support.nginx`.
local function start(server, paths)
  local self = setmetatable({ clients = {} }, Load)
  for _, path in ipairs(paths) do
    for _, connection in ipairs { "keep-alive", "close" } do
      local name = server.dir .. "/client." .. #self.clients + 1
      local pid = process.spawn({
        "timeout", SECONDS, "curl", "--disable", "--silent", "--no-buffer", "--noproxy", "*",
        "--max-time", "10", "--rate", RATE, "--header", "Connection: " .. connection,
        "--write-out", "\n%{http_code} %{errormsg}\n",
        ("http://127.0.0.1:%d%s?[1-%d]"):format(server.ports.port, path, MAX_REQUESTS),
      }, name, name .. ".err")
      table.insert(self.clients, { pid = pid, output = name })
    end
  end
  return self
end


--- Returns the answers of one client until now: "200 <body>", or "000 <error of curl>".
local function answers(client)
  local list = {}
  for body, status in process.read_file(client.output):gmatch("([^\n]*)\n(%d%d%d [^\n]*)\n") do
    list[#list + 1] = status .. body
  end
  return list
end


--- Waits until each client has got `count` more answers.
-- @treturn table these answers, as a set
function Load:wait(count)
  local set, before = {}, {}
  for i, client in ipairs(self.clients) do
    before[i] = #answers(client) + 1 -- curl may have one more answer that is not in the file
  end
  for i, client in ipairs(self.clients) do
    local list = process.wait_until(30, function()
      process.sleep(0.05)
      local list = answers(client)
      return #list >= before[i] + count and list
    end)
    assert(list, "client " .. i .. " gets no answer")
    for number = before[i] + 1, #list do
      set[list[number]] = true
    end
  end
  return set
end


--- Returns all answers, as a set.
function Load:seen()
  local set = {}
  for _, client in ipairs(self.clients) do
    for _, answer in ipairs(answers(client)) do
      set[answer] = true
    end
  end
  return set
end


function Load:stop()
  for _, client in ipairs(self.clients) do
    process.C.kill(client.pid, process.SIGTERM)
    process.reap(client.pid, 0)
  end
end


return { start = start }
