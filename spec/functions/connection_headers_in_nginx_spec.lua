-- Headers of the connection over HTTP/1.x: what the response says about the connection is what
-- happens to it. spec/functions/connection_headers_spec.lua has HTTP/2.

local live = require "spec.support.live"
local wire = require "spec.support.wire"


local CALLS = {
  ["set_header"] = "response.set_header(N, V)",
  ["set_headers"] = "response.set_headers({ [N] = V })",
  ["add_header"] = "response.add_header(N, V)",
  ["exit"] = "response.exit(200, 'upstream', { [N] = V })",
  ["error"] = "response.error(403, 'no', { [N] = V })",
}

local VALUES = { "close", "Close", "keep-alive", "close, X-A" }


live.each("a header of the connection over HTTP/1.x", {}, function(server)
  local function code(call, name, value)
    return ("local N, V = %q, %q "):format(name, value) .. call
  end

  -- Sends a case and, on the same connection, another request; returns the first response and
  -- whether the connection was closed after it.
  local function ask(case, client)
    local request = server:prepared(case)
    local connection = wire.connect(server)
    local headers = { unpack(request.headers or {}) }
    for _, line in ipairs(client.headers or {}) do
      headers[#headers + 1] = line
    end
    connection:send(client.method, request.path, { version = client.version, headers = headers })
    local r, err = connection:receive(client.method)
    assert.is_nil(err)
    local closed = true
    if r.framing ~= "close" then
      connection:send("GET", "/second")
      local second = connection:receive("GET")
      closed = not second
      if second then
        assert.equal("second", second.body)
      end
    end
    connection:close()
    return r, closed
  end

  for _, stage in ipairs { "access", "header_filter" } do
    for what, call in pairs(CALLS) do
      for protocol, client in pairs(live.CLIENTS) do
        it(("gets one warning: Connection by %s in %s, %s"):format(what, stage, protocol),
          function()
            for _, value in ipairs(VALUES) do
              for _, name in ipairs { "Connection", "connection" } do
                local r, closed = ask({
                  path = "/coded", [stage] = code(call, name, value),
                }, client)
                local said = wire.values(r, "connection")
                assert.equal(1, #said, value)
                assert.equal(closed and "close" or "keep-alive", said[1], value)
              end
            end
          end)
      end
    end

    it("is sent once if the client closes the connection, in " .. stage, function()
      for _, call in pairs(CALLS) do
        local r, closed = ask({
          path = "/coded", [stage] = code(call, "Connection", "close"),
        }, { method = "GET", version = "1.1", headers = { "Connection: close" } })
        assert.same({ "close" }, wire.values(r, "connection"))
        assert.is_true(closed)
      end
    end)

    it("is sent together with nginx's own if it names an option, in " .. stage, function()
      for what, call in pairs(CALLS) do
        local r = ask({
          path = "/coded", [stage] = code(call, "Connection", "upgrade"),
        }, live.CLIENTS["HTTP/1.1"])
        assert.same({ "keep-alive", "upgrade" }, wire.values(r, "connection"), what)
      end
    end)

    it("is sent with a 426, because it belongs to Upgrade, in " .. stage, function()
      for _, exit in ipairs {
        "response.exit(426, 'use TLS', { Upgrade = 'TLS/1.3' })",
        "response.set_header('Upgrade', 'TLS/1.3') response.exit(426, 'use TLS')",
        "response.error(426, 'use TLS', { upgrade = 'TLS/1.3' })",
      } do
        local r = ask({ path = "/coded", [stage] = exit }, live.CLIENTS["HTTP/1.1"])
        assert.equal(426, r.status)
        assert.same({ "TLS/1.3" }, wire.values(r, "upgrade"), exit)
      end
    end)
  end

  it("is not sent over HTTP/2, not even with a 426", function()
    local r = server:ask {
      path = "/coded", http2 = true,
      access = "response.exit(426, 'use TLS', { Upgrade = 'TLS/1.3', Connection = 'upgrade' })",
    }
    assert.equal(0, r.exit, r.error)
    assert.equal(426, r.status)
    assert.equal("use TLS", r.body)
    assert.same({}, r:values("Upgrade"))
  end)
end)
