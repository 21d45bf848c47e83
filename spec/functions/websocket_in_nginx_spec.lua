-- An upstream accepts an upgrade (101), and a plugin answers something else in header_filter: no
-- byte may pass between client and upstream afterwards.

local live = require "spec.support.live"


local CALLS = {
  "response.exit(403, 'no')",
  "response.exit(403, '')",
  "response.exit(403)",
  "response.exit(403, { message = 'no' })",
  "response.exit(200, 'no')",
  "response.exit(204)",
  "response.exit(426, 'no', { Upgrade = 'TLS/1.3' })",
  "response.error(403)",
  "response.error(503, 'no')",
  "response.exit(403, 'no') response.exit(404, 'still no')",
}

local BROKEN = {
  "error('the plugin is broken')",
  "error({})",
  "local _ = nil + 1",
  "response.exit('x')",
}

-- Code that keeps the tunnel open.
local HARMLESS = {
  "",
  "response.set_header('X-A', '1')",
  "pcall(response.exit, 'x')",
  "response.get_headers()",
}


live.each("an accepted upgrade", {}, function(server, place)
  local calls = { unpack(CALLS) }
  if place == "lifecycle" then
    for _, code in ipairs(BROKEN) do
      calls[#calls + 1] = code
    end
  end

  --- Asks for an upgrade; `early` are bytes that come with the request.
  local function open(code, early, path)
    local request = server:prepared { path = path or "/tunnel", header_filter = code }
    local lines = { "GET " .. request.path .. " HTTP/1.1", "Host: x", "Connection: upgrade",
                    "Upgrade: websocket", unpack(request.headers or {}) }
    local connection = server:connect()
    connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (early or ""))
    return connection
  end

  for _, code in ipairs(HARMLESS) do
    it("becomes a tunnel for both sides after: " .. code, function()
      local connection = open(code, "early\n")
      local bytes = connection:read { pattern = "back: early\n" }
      assert.matches("^HTTP/1.1 101 .*\r\n\r\nat once\nback: early\n$", bytes)
      connection:send("late\n")
      assert.equal("back: late\n", connection:read { pattern = "\n" })
      connection:close()
      assert.is_string(server:wait_log("the tunnel ended (<<.->>)"))
      assert.matches("the tunnel got <<late>>", server:log(), 1, true)
    end)
  end

  for _, code in ipairs(calls) do
    it("ends for both sides with " .. code, function()
      local connection = open(code)
      local bytes = connection:read { pattern = "\r\n\r\n" }
      -- the client goes on as if it were connected
      connection:send("secret\n")
      local rest, closed = connection:read()
      connection:send("secret\n")
      connection:close()
      bytes = bytes .. rest
      assert.is_true(closed)
      assert.not_matches("HTTP/1.1 101", bytes, 1, true)
      assert.not_matches("at once", bytes, 1, true)
      assert.not_matches("back: ", bytes, 1, true)
      assert.is_string(server:wait_log("the tunnel ended (<<.->>)"))
      assert.not_matches("the tunnel got", server:log(), 1, true)
    end)

    it("passes no byte that came with the request, with " .. code, function()
      local connection = open(code, "early\n")
      local bytes, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      assert.not_matches("at once", bytes, 1, true)
      assert.not_matches("back: ", bytes, 1, true)
      assert.is_string(server:wait_log("the tunnel ended (<<.->>)"))
      assert.not_matches("the tunnel got", server:log(), 1, true)
    end)

    it("does not happen if the upstream does not accept it: " .. code, function()
      local connection = open(code, nil, "/coded")
      local bytes = connection:read { pattern = "\r\n\r\n" }
      connection:close()
      assert.matches("^HTTP/1.1 [2345]%d%d ", bytes)
      assert.not_matches("upstream", bytes, 1, true)
    end)
  end

  it("does not stop the worker from serving the next client", function()
    open("response.exit(403, 'no')"):close()
    assert.equal("second", server:get("/second").body)
  end)
end)
