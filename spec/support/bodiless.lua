--- Responses of `exit` without a body, in every phase and for every client.
--
--     for place in pairs(bodiless.PLACES) do
--       it("has no body in " .. place, function()
--         bodiless.each_client(server, bodiless.exit(place, "204, 'x'"), 204)
--       end)
--     end

local stages = require "spec.support.stages"

local assert = require "luassert"


local DELAYED = [[
  ngx.ctx.delay_response = true
  coroutine.wrap(function() %s end)()
  ngx.ctx.delayed_response_callback(ngx.ctx)
]]

-- The calls of `exit`: the phase of nginx, the code around the call, and the path.
local PLACES = {
  rewrite = { "rewrite", "%s" },
  access = { "access", "%s" },
  content = { "content", "%s" },
  header_filter = { "header_filter", "%s" },
  ["header_filter of an upstream's response"] = { "header_filter", "%s", "/proxied" },
  ["the response phase"] = { "access", "ngx.ctx.KONG_PHASE = 0x80 %s" },
  ["access, delayed"] = { "access", DELAYED },
}

local CLIENTS = {
  ["HTTP/1.1"] = {},
  ["HTTP/1.1, HEAD"] = { method = "HEAD" },
  ["HTTP/1.0"] = { http_version = "1.0" },
  ["HTTP/2"] = { http2 = true },
  ["HTTP/2, HEAD"] = { http2 = true, method = "HEAD" },
}


local _M = { PLACES = PLACES }


--- Returns a case that calls `exit` with these arguments, after the code `before`.
function _M.exit(place, arguments, before)
  local where = PLACES[place]
  return {
    path = where[3],
    [where[1]] = (before or "") .. where[2]:format("response.exit(" .. arguments .. ")"),
  }
end


--- Checks that a response has this status, no body and no framing of one.
function _M.check(r, status, client)
  assert.equal(0, r.exit, client)
  assert.equal(status, r.status, client)
  assert.equal("", r.body, client)
  assert.same({}, r:values("Content-Length"), client)
  assert.same({}, r:values("Transfer-Encoding"), client)
end


--- Sends a case with each client, and checks the responses. `expected` has the values of other
-- headers.
function _M.each_client(server, case, status, expected)
  for name, client in pairs(CLIENTS) do
    local r = server:run(stages.merge(case, client))
    _M.check(r, status, name)
    for header, value in pairs(expected or {}) do
      assert.same({ value }, r:values(header), name .. ": " .. header)
    end
  end
end


return _M
