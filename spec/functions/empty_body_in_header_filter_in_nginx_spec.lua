-- `exit` without a body, or with an empty one, over the answer of an upstream: every client gets an
-- answer, nothing of the upstream's body, and its connection goes on.
--
-- A gateway's body filter sets an empty chunk before the end. lua-nginx-module below 0.10.27 then
-- loses the end, so a newline stands there for the empty body.

local live = require "spec.support.live"
local wire = require "spec.support.wire"


-- The status, the code, and the Content-Length for HEAD where it is that of the call.
local CALLS = {
  ["exit(404)"] = { 404, "response.exit(404)" },
  ["exit(404, '')"] = { 404, "response.exit(404, '')" },
  ["exit(200, '')"] = { 200, "response.exit(200, '')" },
  ["exit(200)"] = { 200, "response.exit(200)" },
  ["exit(503, nil, headers)"] = { 503, "response.exit(503, nil, { ['X-A'] = '1' })" },
  ["exit(403, '', { Content-Length = 5 })"] = {
    403, "response.exit(403, '', { ['Content-Length'] = 5 })", "5",
  },
  ["exit(403, 'no') and then exit(404, '')"] = {
    404, "response.exit(403, 'no') response.exit(404, '')",
  },
}

local LENGTH = "ngx.header.content_length = 8 ngx.print('upstream')"
local CHUNKS = "ngx.print('up') ngx.flush(true) ngx.sleep(0.01) ngx.print('stream')"
local LARGE = "ngx.print(('upstream'):rep(30000))"

-- The path and the code of the upstream.
local ANSWERS = {
  ["a Content-Length"] = { "/coded", LENGTH },
  ["a Content-Length, cached"] = { "/cached", LENGTH },
  ["chunks"] = { "/coded", CHUNKS },
  ["chunks, cached"] = { "/cached", CHUNKS },
  ["chunks, unbuffered"] = { "/unbuffered", CHUNKS },
  ["an empty body"] = { "/coded", "ngx.header.content_length = 0" },
  ["an empty body in chunks"] = { "/coded", "ngx.send_headers() ngx.flush(true)" },
  ["a large body"] = { "/coded", LARGE },
  ["a large body, unbuffered"] = { "/unbuffered", LARGE },
  ["an error"] = { "/coded", "ngx.status = 500 ngx.print('upstream')" },
  ["nginx's page"] = { "/page" },
}

live.each("exit without a body in header_filter", {}, function(server, place)
  local empty

  setup(function()
    empty = place == "gateway" and live.loses_the_end(server) and "\n" or ""
  end)

  local function check(call, values, r, method)
    local is_head = method == "HEAD"
    assert.equal(call[1], r.status, method)
    assert.equal(is_head and "" or empty, r.body, method)
    assert.same({ is_head and call[3] or tostring(#empty) }, values("Content-Length"), method)
    assert.same({}, values("Transfer-Encoding"), method)
  end

  for name, call in pairs(CALLS) do
    for what, answer in pairs(ANSWERS) do
      local case = { path = answer[1], upstream = answer[2], header_filter = call[2] }

      for protocol, client in pairs(live.CLIENTS) do
        it(("completes the response for %s over %s, %s"):format(name, what, protocol), function()
          local r = server:exchange(case, client)
          check(call, function(header)
            return wire.values(r, header:lower())
          end, r, client.method)
        end)
      end

      it(("completes the response for %s over %s, HTTP/2"):format(name, what), function()
        local request = server:prepared(case)
        request.http2 = true
        -- what comes later comes out of the cache
        for _, method in ipairs { "GET", "GET", "HEAD" } do
          request.method = method
          local r = server:request(request)
          assert.equal(0, r.exit, method .. ": " .. r.error)
          check(call, function(header)
            return r:values(header)
          end, r, method)
        end
      end)
    end
  end

  it("does not change the document of error", function()
    for _, client in pairs(live.CLIENTS) do
      local r = server:exchange({
        path = "/coded",
        upstream = CHUNKS,
        header_filter = "response.error(404, 'lost', { ['Content-Type'] = 'text/plain' })",
      }, client)
      assert.equal(404, r.status)
      assert.matches(client.method == "HEAD" and "^$" or "^lost\nrequest_id: %x*\n$", r.body)
    end
  end)
end)
