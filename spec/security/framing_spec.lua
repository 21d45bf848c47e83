-- Setters with any Transfer-Encoding and Content-Length: the response has one framing, so that the
-- client finds the next response on the connection.

local framing = require "spec.support.framing"
local served = require "spec.support.served"
local wire = require "spec.support.wire"


local BODY, CLIENTS = framing.BODY, framing.CLIENTS

-- Phases in which the response is not made yet, and those in which it is.
local EARLY = {
  { "rewrite", "/" }, { "access", "/" }, { "access", "/proxied" }, { "access", "/chunked" },
  { "access", "/static" }, { "access", "/balanced" }, { "balancer", "/balanced" },
}
local LATE = {
  { "content", "/" }, { "header_filter", "/" }, { "header_filter", "/proxied" },
  { "header_filter", "/chunked" }, { "header_filter", "/static" },
}

local SETTERS = {
  "response.set_header(N, V)",
  "response.set_header(N, { V })",
  "response.set_header(N, { V, V })",
  "response.add_header(N, V)",
  "response.add_header(N, V) response.add_header(N, V)",
  "response.add_header(N, { V, V })",
  "response.set_headers { [N] = V }",
  "response.set_headers { [N] = { V, V }, [N:lower()] = V, [N:gsub('-', '_')] = V }",
}

local REMOVERS = {
  "response.clear_header(N)",
  "response.set_header(N, {})",
  "response.set_headers { [N] = {} }",
  "response.set_header(N, 5) response.clear_header(N)",
}

local KNOWN_NAMES = { "Content-Length", "content_length", "CONTENT-length" }

local REFUSED = {
  "+5", "-5", " 5", "5 ", "5\t", "\t5", "5, 5", "5,5", "0x5", "5h", "5.0", "5e0", "", " ", "\0",
  "5\0", "5\r\n", "5;", "\"5\"", "9223372036854775808", "18446744073709551621", ("1"):rep(300),
}


served.describe("the framing of responses", function()
  return framing.start()
end, function(server)
  --- Runs each code with each name in every place. The body must be the same as without a plugin.
  -- `value(n, path)` returns the value of the n-th case; `check(response, told, path)` may check
  -- more.
  local function each(places, codes, names, value, check)
    local n = 0
    for _, place in ipairs(places) do
      local stage, path = place[1], place[2]
      for _, name in ipairs(names) do
        for _, code in ipairs(codes) do
          n = n + 1
          local client = CLIENTS[n % #CLIENTS + 1]
          code = framing.fill(code, name, value(n, path))
          if stage == "content" then
            code = code .. " ngx.print('content')"
          end
          local response, told = server:exchange({ path = path, [stage] = code }, client)
          assert.equal(200, response.status, told)
          assert.equal(framing.body_for(client, BODY[path]), response.body, told)
          if check then
            check(response, told, path)
          end
        end
      end
    end
  end

  local function pick(values)
    return function(n)
      return values[n % #values + 1]
    end
  end

  it("is nginx's for any spelling of Transfer-Encoding in a setter", function()
    for _, places in ipairs { EARLY, LATE } do
      each(places, SETTERS, framing.CODING_NAMES, pick(framing.CODINGS))
    end
  end)

  it("is nginx's for any spelling of Content-Length in a setter", function()
    for _, places in ipairs { EARLY, LATE } do
      each(places, SETTERS, framing.LENGTH_NAMES, pick { "5" })
    end
  end)

  it("is not changed by an invalid Content-Length", function()
    local codes = {}
    for i, setter in ipairs(SETTERS) do
      codes[i] = "local ok, err = pcall(function() " .. setter
        .. " end) assert(not ok and err:find('expected a non-negative integer', 1, true))"
    end
    for _, value in ipairs(REFUSED) do
      each(LATE, codes, { "Content-Length" }, pick { value })
    end
    each(EARLY, codes, KNOWN_NAMES, pick(REFUSED))
  end)

  describe("before there is a response", function()
    local function warned()
      local line = server:wait_log(
        "[^\n]*changing Content%-Length before the response is made%. Ignored%.[^\n]*")
      assert.matches("[warn]", line, 1, true)
    end

    it("is not changed by a Content-Length", function()
      for _, value in ipairs { "0", "5", "0005", "9223372036854775807" } do
        each(EARLY, SETTERS, KNOWN_NAMES, pick { value })
      end
      warned()
    end)

    it("is not lost if Content-Length is removed", function()
      for _ = 1, #CLIENTS do
        each(EARLY, REMOVERS, KNOWN_NAMES, pick { "" })
      end
      warned()
    end)
  end)

  it("has one Content-Length of a plugin, in any spelling", function()
    local function length(_, path)
      return tostring(#BODY[path])
    end
    for i, setter in ipairs(SETTERS) do
      local codes = {}
      for j = 1, #CLIENTS + 1 do -- one more than there are clients: each comes to each place
        codes[j] = (i + j) % 2 == 0 and setter or "response.add_header(N, '3') " .. setter
      end
      each(LATE, codes, KNOWN_NAMES, length, function(response, told, path)
        assert.same({ tostring(#BODY[path]) }, wire.values(response, "content-length"), told)
        assert.same({}, wire.values(response, "transfer-encoding"), told)
      end)
    end
  end)

  for _, status in ipairs { 204, 304 } do
    describe("of a " .. status, function()
      it("of the upstream is kept by set_raw_body", function()
        for _, body in ipairs {
          "'x'", "''", "'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'",
        } do
          for _, code in ipairs {
            "response.set_raw_body(%s)",
            "if ngx.arg[2] then response.get_raw_body() response.set_raw_body(%s) end",
          } do
            for _, client in ipairs(CLIENTS) do
              local case = { path = "/chunked/" .. status, body_filter = code:format(body) }
              local response, told = server:exchange(case, client)
              assert.equal(status, response.status, told)
            end
          end
        end
      end)

      it("of a plugin is kept by set_raw_body", function()
        -- Lua's own output over HTTP/1.0 is the Lua module's alone: it sends what it has buffered.
        for _, path in ipairs { "/chunked", "/proxied" } do
          for _, client in ipairs(CLIENTS) do
            local response, told = server:exchange({
              path = path,
              header_filter = "response.set_status(" .. status .. ")",
              body_filter = "response.set_raw_body('x')",
            }, client)
            assert.equal(status, response.status, told)
          end
        end
      end)
    end)
  end

  it("is valid over HTTP/2", function()
    local cases, requests = {}, {}
    local function add(path, stage, setter, name, value)
      local case = { path = path, [stage] = framing.fill(setter, name, value) }
      cases[#cases + 1] = case
      requests[#cases] = { http2 = true, path = server:target(case) }
    end
    for i, name in ipairs(framing.CODING_NAMES) do
      local setter = SETTERS[i % #SETTERS + 1]
      add("/chunked", "access", setter, name, "chunked")
      add("/proxied", "header_filter", setter, name, "chunked")
    end
    for _, setter in ipairs(SETTERS) do
      add("/chunked", "access", setter, "Content-Length", "5")
      add("/chunked", "header_filter", setter, "Content-Length", "12")
    end
    for i, r in ipairs(server:requests(requests)) do
      local told = requests[i].path .. "\n" .. r.error
      assert.equal(0, r.exit, told)
      assert.equal("2", r.version, told)
      assert.equal(BODY[cases[i].path], r.body, told)
      assert.is_true(#r:values("content-length") <= 1, told)
      assert.same({}, r:values("transfer-encoding"), told)
    end
  end)
end)
