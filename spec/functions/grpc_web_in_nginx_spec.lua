-- grpc-web clients (browsers) cannot read application/grpc. They get the trailers-only form under
-- the Content-Type that they have sent.

local grpc = require "spec.support.grpc"
local live = require "spec.support.live"


local KINDS = {
  "application/grpc-web",
  "application/grpc-web+proto",
  "application/grpc-web-text",
  "application/grpc-web-text+proto",
}

local CALLS = {
  { "error(403, 'no entry')", 403, "7", "no entry" },
  { "error(429)", 429, "8", "ResourceExhausted" },
  { "error(503, { message = 'later' })", 503, "14", "later" },
  { "error(403, 'use %41, größe')", 403, "7", "use %2541, gr%C3%B6%C3%9Fe" },
}

local CLIENTS = { ["HTTP/2"] = { http2 = true }, ["HTTP/1.1"] = { http2 = false } }


live.each("a gRPC-Web client", {}, function(server, place)
  local function ask(case)
    return server:request(server:prepared(grpc.request(case)))
  end

  for protocol, client in pairs(CLIENTS) do
    for _, kind in ipairs(KINDS) do
      for _, stage in ipairs { "rewrite", "access", "header_filter" } do
        for _, call in ipairs(CALLS) do
          it(("gets the status of %s as headers, for %s in %s over %s"):format(call[1], kind, stage,
            protocol), function()
            local r = ask {
              path = "/coded",
              content_type = kind,
              http2 = client.http2,
              [stage] = "response." .. call[1],
            }
            assert.equal(0, r.exit, r.error)
            assert.equal(call[2], r.status)
            assert.same({ kind }, r:values("Content-Type"))
            assert.same({ call[3] }, r:values("grpc-status"))
            assert.same({ call[4] }, r:values("grpc-message"))
            local newline = place == "gateway" and stage == "header_filter" and not client.http2
                            and live.loses_the_end(server)
            assert.equal(newline and "\n" or "", r.body)
            assert.is_nil(r.trailers)
          end)
        end
      end

      it("gets the Content-Type given to error, for " .. kind .. " over " .. protocol, function()
        local r = ask {
          path = "/coded",
          content_type = kind,
          http2 = client.http2,
          access = "response.error(403, 'no', { ['Content-Type'] = 'text/plain' })",
        }
        assert.same({ "text/plain" }, r:values("Content-Type"))
        assert.matches("^no\nrequest_id: %x*\n$", r.body)
      end)
    end
  end

  for _, kind in ipairs(KINDS) do
    it("gets the message of exit with its own Content-Type, for " .. kind, function()
      for _, stage in ipairs { "access", "header_filter" } do
        local r = ask {
          path = "/coded",
          content_type = kind,
          [stage] = "response.exit(403, 'policy')",
        }
        assert.equal(403, r.status)
        assert.same({ kind }, r:values("Content-Type"), stage)
        assert.same({ "7" }, r:values("grpc-status"), stage)
        assert.same({ "policy" }, r:values("grpc-message"), stage)
        assert.equal("", r.body)
      end
    end)
  end
end)
