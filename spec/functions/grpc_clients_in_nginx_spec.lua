-- gRPC clients and a gRPC upstream (grpcio), proxied by nginx: the results that the library of the
-- client reads from the answers of `exit` and `error`, and the bytes on the wire.

local grpc = require "spec.support.grpc"
local live = require "spec.support.live"


local HUGE = ("0123456789abcdef"):rep(256)

-- Calls of a plugin, each with the status and the message that the client must get.
local CALLS = {
  { "response.exit(403, 'policy')", "PERMISSION_DENIED", "policy" },
  { "response.exit(403, { message = 'policy' })", "PERMISSION_DENIED", "policy" },
  { "response.exit(403, { message = 'policy', code = 7 })", "PERMISSION_DENIED", "policy" },
  { "response.exit(403)", "PERMISSION_DENIED", "PermissionDenied" },
  { "response.exit(403, '')", "PERMISSION_DENIED", "" },
  { "response.exit(401, 'who')", "UNAUTHENTICATED", "who" },
  { "response.exit(503, 'later')", "UNAVAILABLE", "later" },
  { "response.exit(403, 'own', { ['grpc-status'] = '9' })", "FAILED_PRECONDITION", "own" },
  { "response.error(429, 'slow down')", "RESOURCE_EXHAUSTED", "slow down" },
  { "response.error(429, { message = 'slow down' })", "RESOURCE_EXHAUSTED", "slow down" },
  { "response.error(429, { code = 1 })", "RESOURCE_EXHAUSTED", '{"code":1}' },
  { "response.error(429)", "RESOURCE_EXHAUSTED", "ResourceExhausted" },
  { "response.error(502)", "INTERNAL", "Internal" },
}

local MESSAGES = {
  ["a percent sign and two hexadecimal digits"] = "use %41",
  ["a percent sign at the end"] = "50 %",
  ["letters outside of ASCII"] = "größe",
  ["a line break"] = "one\ntwo\r\nthree",
  ["control characters"] = "a\tb\1c\127d",
  ["an emoji"] = "no 😀",
  ["4 KB"] = HUGE,
  ["4 KB that are all encoded"] = ("ö"):rep(2048),
  ["spaces around it"] = "a  b",
}

-- The phases in which the plugin answers, and the paths.
local PLACES = {
  { "rewrite", "/grpc/Unary" },
  { "access", "/grpc/Unary" },
  { "access", "/grpc/Stream" },
  { "header_filter", "/grpc/Unary" },
  { "header_filter", "/grpc/Stream" },
  { "header_filter", "/grpc/Refuse" },
}


live.each("a gRPC client", {}, function(server)
  local upstream
  local cases, results = {}

  -- One process makes the calls of all tests, when the first of them asks.
  local function plan(case)
    local key = #cases + 1
    cases[key] = case
    return function()
      results = results or grpc.call(server, cases)
      return results[key]
    end
  end

  setup(function()
    upstream = grpc.serve(server)
  end)

  teardown(function()
    upstream:stop()
  end)

  for path, messages in pairs {
    ["/grpc/Unary"] = { "upstream" },
    ["/grpc/Stream"] = { "upstream 0", "upstream 1", "upstream 2" },
  } do
    local result = plan { path = path }
    it("gets the upstream's response of " .. path .. " if no plugin responds", function()
      assert.same({ code = "OK", details = "", messages = messages }, result())
    end)
  end

  for _, place in ipairs(PLACES) do
    for _, call in ipairs(CALLS) do
      local result = plan { path = place[2], [place[1]] = call[1] }
      it(("sees %s %q for %s in %s of %s"):format(call[2], call[3], call[1], place[1], place[2]),
        function()
          assert.same({ code = call[2], details = call[3], messages = {} }, result())
        end)
    end

    for what, message in pairs(MESSAGES) do
      for _, call in ipairs { "exit(403, %q)", "exit(403, { message = %q })", "error(403, %q)" } do
        local result = plan { path = place[2], [place[1]] = "response." .. call:format(message) }
        it(("sees a message with %s as given, by %s in %s of %s"):format(what,
          call:gsub("%%q", "..."), place[1], place[2]), function()
          assert.same({ code = "PERMISSION_DENIED", details = message, messages = {} }, result())
        end)
      end
    end
  end


  describe("on the wire", function()
    local function ask(case)
      return server:request(server:prepared(grpc.request(case)))
    end

    for _, place in ipairs(PLACES) do
      local stage, path = place[1], place[2]
      for _, call in ipairs { "exit(403, 'policy')", "exit(403, { message = 'policy' })",
                              "error(403, 'policy')" } do
        it(("gets a head that is the whole response for %s in %s of %s"):format(call, stage, path),
          function()
            local r = ask { path = path, [stage] = "response." .. call }
            assert.equal(0, r.exit, r.error)
            assert.equal(403, r.status)
            assert.same({ "application/grpc" }, r:values("content-type"))
            assert.same({ "7" }, r:values("grpc-status"))
            assert.same({ "policy" }, r:values("grpc-message"))
            assert.same({ "0" }, r:values("content-length"))
            assert.equal("", r.body)
            assert.is_nil(r.trailers)
          end)
      end

      it("gets a plugin's Content-Type, for exit in " .. stage .. " of " .. path, function()
        local r = ask {
          path = path,
          [stage] = "response.set_header('Content-Type', 'text/plain') "
            .. "response.exit(403, 'policy')",
        }
        assert.equal(403, r.status)
        assert.same({ "text/plain" }, r:values("content-type"))
        assert.equal("policy", r.body)
        assert.is_nil(r.trailers)
      end)

      it("gets a gRPC body that a plugin sends, in " .. stage .. " of " .. path, function()
        local r = ask {
          path = path,
          [stage] = "response.exit(200, '\\0\\0\\0\\0\\2no', "
            .. "{ ['Content-Type'] = 'application/grpc' })",
        }
        assert.equal(0, r.exit, r.error)
        assert.equal("\0\0\0\0\2no", r.body)
        assert.same({ "0" }, r:values("grpc-status"))
        assert.is_nil(r.trailers)
      end)
    end

    for message, encoded in pairs {
      ["use %41"] = "use %2541",
      ["50 %"] = "50 %25",
      ["größe"] = "gr%C3%B6%C3%9Fe",
      ["a\r\nb"] = "a%0D%0Ab",
      ["a\tb"] = "a%09b",
      ["a\0b"] = "a%00b",
      ["\127~ !"] = "%7F~ !",
      ["\255"] = "%FF",
    } do
      it("gets a percent-encoded message for " .. ("%q"):format(message), function()
        for _, stage in ipairs { "access", "header_filter" } do
          for _, call in ipairs { "exit", "error" } do
            -- the code travels as text
            local bytes = message:gsub(".", function(byte)
              return ("\\%03d"):format(byte:byte())
            end)
            bytes = bytes:gsub("\n", "\\010")
            local r = ask {
              path = "/grpc/Unary",
              [stage] = ("response.%s(403, '%s')"):format(call, bytes),
            }
            assert.same({ encoded }, r:values("grpc-message"), stage .. " " .. call)
          end
        end
      end)
    end

    it("gets a grpc-message of the call's headers unchanged", function()
      local r = ask {
        path = "/grpc/Unary",
        access = "response.exit(403, nil, { ['grpc-message'] = 'a%20b' })",
      }
      assert.same({ "a%20b" }, r:values("grpc-message"))
    end)

    it("gets application/grpc if nginx has another default type", function()
      local r = ask { path = "/grpc/Unary", access = "response.exit(403, 'policy')" }
      assert.same({ "application/grpc" }, r:values("content-type"))
    end)
  end)
end)
