-- A status below 200 ends no response (RFC 9110 section 15.2), so `exit` sends 500 instead.
-- Otherwise, nginx would read the request body as the next request on the connection, and a client
-- would read the body after the head as a response.

local served = require "spec.support.served"
local stages = require "spec.support.stages"
local wire = require "spec.support.wire"


-- The calls, and the bodies that the client gets: nil is nginx's own page.
local CALLS = {
  { "response.exit(%d)" },
  { "response.exit(%d, '')", "" },
  { "response.exit(%d, 'body')", "body" },
  { "response.exit(%d, { message = 'no' }, { ['X-Own'] = '1' })", '{"message":"no"}' },
}

-- The body filter of gateways.
local SENDS_RESPONSE_BODY = [[
  if ngx.ctx.response_body then
    ngx.arg[1] = ngx.ctx.response_body
    ngx.arg[2] = true
  end
]]


served.describe("exit with a status below 200", function()
  return stages.start { gateway = true }
end, function(server)
  --- Sends a POST whose body is a request, and checks that the next response on the connection is
  -- not the answer to that. Returns the response to the POST. (Behind its own page for a 500, nginx
  -- closes the connection.)
  local function post(case)
    local inner = "GET " .. server:target { content = "ngx.print('smuggled')" }
                  .. " HTTP/1.1\r\nHost: x\r\n\r\n"
    local client = wire.connect(server)
    client.connection:send(("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(
      server:target(case), #inner, inner))
    local first = assert(client:receive("POST"))
    if not first.close then
      client:send("GET", server:target { content = "ngx.print('second')" })
      assert.equal("second", assert(client:receive("GET")).body)
    end
    assert.equal("", client.rest)
    client:close()
    return first
  end

  for _, phase in ipairs { "rewrite", "access", "content", "header_filter" } do
    for _, status in ipairs { 100, 101, 102, 103, 199 } do
      for _, call in ipairs(CALLS) do
        local code = call[1]:format(status)
        it(("is answered with 500: %s, %s"):format(phase, code), function()
          local first = post {
            [phase] = code,
            path = phase == "header_filter" and "/balanced" or nil,
            upstream = "ngx.print('upstream')",
            body_filter = phase == "header_filter" and SENDS_RESPONSE_BODY or nil,
          }
          assert.equal(500, first.status)
          local body = call[2]
          if phase == "header_filter" and (body or "") == "" then
            -- Before 0.10.27, the Lua module loses an empty body there.
            body = server:has "lua_version" < 10027 and "\n" or ""
          end
          if body then
            assert.equal(body, first.body)
          else
            assert.matches("500 Internal Server Error", first.body, 1, true)
          end
          local warning = ("status %d ends no response: 500 is sent"):format(status)
          assert.matches(warning, server:log(), 1, true)
        end)
      end
    end
  end

  it("ends only a subrequest when a subrequest calls it", function()
    local inner = server:target { content = "response.exit(103)" }
    local r = server:run {
      content = ("local sub = ngx.location.capture(%q) ngx.print('status ', sub.status)")
        :format(inner),
    }
    assert.equal("status 103", r.body)
  end)
end)
