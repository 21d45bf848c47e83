local hosts = require "spec.support.hosts"


-- Headers that belong to one connection of HTTP/1.x (RFC 9113 section 8.2.2). Clients of HTTP/2
-- refuse a response that has one.
local HEADERS = {
  ["Connection"] = "close",
  ["Keep-Alive"] = "timeout=5",
  ["Proxy-Connection"] = "keep-alive",
  ["Upgrade"] = "h2c",
  ["TE"] = "trailers",
}

local SPELLINGS = {
  "connection", "CONNECTION", "keep_alive", "KEEP-alive", "Proxy_Connection", "upgrade", "te",
}

-- N and V stand for the name and the value.
local CALLS = {
  ["set_header"] = "response.set_header(N, V)",
  ["set_header with an array"] = "response.set_header(N, { V, V })",
  ["set_headers"] = "response.set_headers({ [N] = V, ['X-A'] = '1' })",
  ["set_headers with an array"] = "response.set_headers({ [N] = { V, V } })",
  ["add_header"] = "response.add_header(N, V)",
  ["exit"] = "response.exit(403, 'no', { [N] = V, ['X-A'] = '1' })",
  ["exit without a body"] = "response.exit(403, '', { [N] = V })",
  ["exit with a table"] = "response.exit(403, { message = 'no' }, { [N] = { V } })",
  ["error"] = "response.error(403, 'no', { [N] = V })",
}

local PLACES = {
  ["rewrite"] = { "rewrite", "/proxied" },
  ["access"] = { "access", "/proxied" },
  ["header_filter"] = { "header_filter", "/proxied" },
  ["content"] = { "content", "/", "ngx.print('content')" },
  ["header_filter of a content handler"] = { "header_filter", "/" },
}


hosts.each("a header of the connection", { gateway = true }, function(server)
  local lines = 0

  -- A warning may be given once for a line of a plugin.
  local function on_a_new_line(code)
    lines = lines + 1
    return ("\n"):rep(lines) .. code
  end

  local function warnings()
    local found = {}
    for line in server:log():gmatch("[^\n]*%[warn%][^\n]*") do
      found[#found + 1] = line
    end
    return found
  end

  local function run(place, call, name, value)
    local code = ("local N, V = %q, %q "):format(name, value) .. call .. " " .. (place[3] or "")
    return server:run { http2 = true, path = place[2], [place[1]] = on_a_new_line(code) }
  end

  local function check(r, call)
    assert.equal(0, r.exit, r.error)
    assert.equal("2", r.version)
    local exits = call:find("exit", 1, true) or call:find("error", 1, true)
    assert.equal(exits and 403 or 200, r.status)
    if not exits then
      assert.is_true(r.body == "upstream" or r.body == "content", r.body)
    end
    for name in pairs(HEADERS) do
      assert.same({}, r:values(name), name)
    end
  end

  for where, place in pairs(PLACES) do
    for what, call in pairs(CALLS) do
      for name, value in pairs(HEADERS) do
        it(("is not sent over HTTP/2: %s by %s in %s"):format(name, what, where), function()
          check(run(place, call, name, value), call)
          assert.equal(1, #warnings())
          assert.matches(name, warnings()[1], 1, true)
        end)
      end
    end

    it("is not sent over HTTP/2 in any spelling, in " .. where, function()
      for _, name in ipairs(SPELLINGS) do
        for _, call in pairs(CALLS) do
          check(run(place, call, name, "x"), call)
        end
      end
    end)
  end

  it("is not sent over HTTP/2 by a delayed response", function()
    for name, value in pairs(HEADERS) do
      local r = server:run {
        http2 = true,
        access = ([[
          ngx.ctx.delay_response = true
          coroutine.wrap(function() response.exit(403, 'no', { [%q] = %q }) end)()
          ngx.ctx.delayed_response_callback(ngx.ctx)
        ]]):format(name, value),
      }
      check(r, "exit")
      assert.equal("no", r.body)
    end
  end)

  it("is not sent over HTTP/2 if a plugin copies an upstream's headers", function()
    for _, stage in ipairs { "access", "header_filter" } do
      server:clear_log()
      local r = server:run {
        http2 = true,
        path = "/proxied",
        [stage] = on_a_new_line [[
          local copied = {
            ["Connection"] = "keep-alive, X-A", ["Keep-Alive"] = "timeout=5", ["X-A"] = "1",
            ["Content-Type"] = "text/plain", ["Upgrade"] = "h2c", ["TE"] = "trailers",
          }
          response.set_headers(copied)
          response.exit(200, "copied", copied)
        ]],
      }
      assert.equal(0, r.exit, r.error)
      assert.equal("copied", r.body)
      assert.same({ "1" }, r:values("X-A"))
      for name in pairs(HEADERS) do
        assert.same({}, r:values(name), stage .. ": " .. name)
      end
      assert.is_true(#warnings() > 0)
    end
  end)

  it("raises an error for an invalid value, as every header does", function()
    local r = server:run { http2 = true, access = [[
      local _, one = pcall(response.set_header, "Connection", print)
      local _, other = pcall(response.exit, 403, "no", { ["Keep-Alive"] = print })
      ngx.print(one, "\n", other)
      ngx.exit(200)
    ]] }
    assert.equal([[invalid header value for "Connection": got function, expected array of string, ]]
      .. "string, number or boolean\n"
      .. [[invalid header value for "Keep-Alive": got function, expected string, number, ]]
      .. "boolean or array of strings", r.body)
  end)

  it("can be cleared over HTTP/2 without a warning", function()
    for name in pairs(HEADERS) do
      local r = server:run {
        http2 = true, path = "/proxied",
        header_filter = ("response.clear_header(%q)"):format(name),
      }
      assert.equal(0, r.exit, r.error)
      assert.equal("upstream", r.body)
    end
    assert.same({}, warnings())
  end)

  it("is sent if its name is only similar", function()
    local r = server:run { http2 = true, access = [[
      response.exit(200, "x", {
        ["X-Connection"] = "1", ["Connection-Id"] = "2", ["Upgrade-Insecure"] = "3", ["TEE"] = "4",
      })
    ]] }
    assert.same({ "1" }, r:values("X-Connection"))
    assert.same({ "2" }, r:values("Connection-Id"))
    assert.same({ "3" }, r:values("Upgrade-Insecure"))
    assert.same({ "4" }, r:values("TEE"))
    assert.same({}, warnings())
  end)
end)
