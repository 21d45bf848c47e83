local hosts = require "spec.support.hosts"


-- Phases in which Lua makes the response itself. In its response phase, which runs in nginx's
-- access phase, a gateway sets the headers of a buffered answer again, and then prints the body.
local MADE = {
  ["the response phase"] = { "access", "ngx.ctx.KONG_PHASE = 0x80 " },
  ["the response phase of a proxied location"] = {
    "access", "ngx.ctx.KONG_PHASE = 0x80 ", "/proxied",
  },
  ["the response phase, in rewrite"] = { "rewrite", "ngx.ctx.KONG_PHASE = 0x80 " },
  ["admin_api"] = { "content", "ngx.ctx.KONG_PHASE = 0x10000000 " },
  ["content without a phase of a gateway"] = { "content", "" },
}

local SETTERS = {
  ["set_header"] = "response.set_header(N, V)",
  ["set_header with an array"] = "response.set_header(N, { tostring(V) })",
  ["set_headers"] = "response.set_headers({ [N] = V, ['X-A'] = '1' })",
  ["add_header"] = "response.add_header(N, V)",
}

local SPELLINGS = { "Content-Length", "content-length", "content_length" }

local CLIENTS = {
  ["HTTP/1.1"] = {},
  ["HTTP/1.1, HEAD"] = { method = "HEAD" },
  ["HTTP/1.0"] = { http_version = "1.0" },
  ["HTTP/2"] = { http2 = true },
}

local WARNING = "changing Content-Length before the response is made. Ignored."


hosts.each("in a response that Lua makes,", { gateway = true }, function(server)
  local lines = 0

  local function ask(case, client)
    local request = {}
    for _, fields in ipairs { case, client } do
      for key, value in pairs(fields) do
        request[key] = value
      end
    end
    return server:run(request)
  end

  -- A warning may be given once for a line of a plugin.
  local function on_a_new_line(code)
    lines = lines + 1
    return ("\n"):rep(lines) .. code
  end

  for where, place in pairs(MADE) do
    for what, call in pairs(SETTERS) do
      it("Content-Length is sent by " .. what .. " in " .. where, function()
        for name, client in pairs(CLIENTS) do
          for _, spelling in ipairs(SPELLINGS) do
            local code = ("local N, V = %q, 5 "):format(spelling) .. call
              .. " ngx.print('hello') ngx.exit(200)"
            local r = ask({
              path = place[3], [place[1]] = on_a_new_line(place[2] .. code),
            }, client)
            assert.equal(0, r.exit, name .. ": " .. (r.error or ""))
            assert.equal(200, r.status, name)
            assert.equal(client.method == "HEAD" and "" or "hello", r.body, name)
            assert.same({ "5" }, r:values("Content-Length"), name)
            assert.same({}, r:values("Transfer-Encoding"), name)
          end
        end
        assert.is_nil(server:log():find("[warn]", 1, true), server:log())
      end)
    end

    it("Content-Length is removed without a warning in " .. where, function()
      for _, call in ipairs {
        "response.clear_header('Content-Length')", "response.set_header('Content-Length', {})",
      } do
        local r = server:run {
          path = place[3],
          [place[1]] = on_a_new_line(place[2] .. "response.set_header('Content-Length', 9) "
            .. call .. " ngx.print('hello') ngx.exit(200)"),
        }
        assert.equal("hello", r.body, call)
        assert.same({}, r:values("Content-Length"), call)
      end
      assert.is_nil(server:log():find("[warn]", 1, true), server:log())
    end)

    it("Content-Length is that of exit's body after another was set, in " .. where, function()
      for name, client in pairs(CLIENTS) do
        local r = ask({
          path = place[3],
          [place[1]] = on_a_new_line(place[2] .. "response.set_headers({ ['Content-Length'] = 8 }) "
            .. "response.exit(403, 'no')"),
        }, client)
        assert.equal(0, r.exit, name)
        assert.equal(403, r.status, name)
        assert.equal(client.method == "HEAD" and "" or "no", r.body, name)
        assert.same({ "2" }, r:values("Content-Length"), name)
      end
      assert.is_nil(server:log():find("[warn]", 1, true), server:log())
    end)
  end

  for _, stage in ipairs { "rewrite", "access" } do
    for what, call in pairs(SETTERS) do
      it("Content-Length is ignored with a warning by " .. what .. " in " .. stage, function()
        local r = server:run {
          path = "/proxied",
          [stage] = on_a_new_line("local N, V = 'Content-Length', 5 " .. call),
        }
        assert.equal(0, r.exit, r.error)
        assert.equal("upstream", r.body)
        assert.same({ "8" }, r:values("Content-Length"))
        assert.matches(WARNING, server:log(), 1, true)
      end)
    end
  end


  describe("other warnings", function()
    -- Calls for which a warning is given.
    local WARNED = {
      ["a Content-Length that comes too early"] = "own.set_header('Content-Length', 5)",
      ["Transfer-Encoding"] = "own.set_header('Transfer-Encoding', 'chunked')",
      ["Transfer-Encoding in set_headers"] = "own.set_headers({ ['Transfer-Encoding'] = 'x' })",
      ["Transfer-Encoding in exit"] = "own.exit(200, 'x', { ['Transfer-Encoding'] = 'x' })",
      ["Transfer-Encoding in error"] = "own.error(403, 'x', { ['Transfer-Encoding'] = 'x' })",
      ["a Content-Length that is corrected"] = "own.exit(200, 'x', { ['Content-Length'] = 5 })",
      ["a Content-Length without a body"] = "own.exit(200, nil, { ['Content-Length'] = 5 })",
      ["a header of the connection"] = "own.set_header('Connection', 'close')",
      ["a table for gRPC"] = "own.exit(403, {})",
    }

    local function run(options, code)
      return server:run {
        http2 = true,
        path = "/proxied",
        headers = code == WARNED["a table for gRPC"]
          and { "Content-Type: application/grpc", "TE: trailers" } or nil,
        access = on_a_new_line("local own = require('kong.response.instance').new(" .. options
          .. ") " .. code),
      }
    end

    for what, code in pairs(WARNED) do
      it("are logged for " .. what, function()
        run("{}", code)
        assert.is_truthy(server:wait_log("%[warn%]"))
      end)

      it("obey the option warnings: " .. what, function()
        local r = run("{ warnings = false }", code)
        assert.equal(0, r.exit, r.error)
        assert.is_nil(server:log():find("[warn]", 1, true), server:log())
      end)
    end

    it("obey the option warnings over a part of an upstream's body", function()
      for _, status in ipairs { 200, 206 } do
        server:run {
          path = "/proxied",
          header_filter = "require('kong.response.instance').new({ warnings = false }).exit("
            .. status .. ", 'x')",
        }
      end
      assert.is_nil(server:log():find("[warn]", 1, true), server:log())
    end)
  end)
end)
