-- Whatever plugins do with Transfer-Encoding and Content-Length: each response has one framing, and
-- the next response on the connection stands where the client looks for it.

local stages = require "spec.support.stages"
local wire = require "spec.support.wire"

local fmt = string.format


local SERVERS = [[
  server {
    listen 127.0.0.1:%{chunked_port};
    location / {
      content_by_lua_block {
        ngx.print("chunked ")
        ngx.flush(true)
        ngx.print("body")
      }
    }
    location = /204 { return 204; }
    location = /304 {
      content_by_lua_block { ngx.exit(304) }
    }
  }
]]

local LOCATIONS = [[
  error_page 410 500 /page;
  location = /page {
    return 200 "the configured page";
  }
  location /chunked {
    proxy_http_version 1.1;
    proxy_pass http://127.0.0.1:%{chunked_port}/;
  }
  location /static {
    return 200 "static";
  }
]]

-- What the routes answer where no plugin says otherwise.
local BODY = {
  ["/"] = "content",
  ["/proxied"] = "upstream",
  ["/balanced"] = "upstream",
  ["/chunked"] = "chunked body",
  ["/static"] = "static",
}

local CLIENTS = {
  { method = "GET", version = "1.1" },
  { method = "HEAD", version = "1.1" },
  { method = "GET", version = "1.0", headers = { "Connection: keep-alive" } },
  { method = "GET", version = "1.0" },
}

local PLACES = {
  { "rewrite", "/" }, { "access", "/" }, { "content", "/" }, { "header_filter", "/" },
  { "access", "/proxied" }, { "header_filter", "/proxied" },
  { "access", "/chunked" }, { "header_filter", "/chunked" },
  { "access", "/static" }, { "header_filter", "/static" },
  { "access", "/balanced" }, { "balancer", "/balanced" },
}

-- Ways to write a header; N and V stand for its name and value.
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

local EXITS = {
  "response.exit(200, B, { [N] = V })",
  "response.exit(200, B, { [N] = { V, V } })",
  "response.exit(200, B, { [N] = V, [N:lower()] = V, [N:gsub('-', '_')] = { V, V } })",
  "response.set_header(N, V) response.exit(200, B)",
  "response.add_header(N, V) response.exit(200, B, { [N] = V })",
  [[ngx.ctx.delay_response = true
    coroutine.wrap(function() response.exit(200, B, { [N] = V }) end)()
    ngx.ctx.delayed_response_callback()]],
}

local CODINGS = { "chunked", "identity", "gzip", "gzip, chunked", "chunked\r\n", "\11chunked", "x" }

-- What some parsers would take for one of the two.
local SPELLINGS = {
  "Transfer-Encoding", "transfer_encoding", "TRANSFER-encoding",
  "Transfer-Encoding ", " Transfer-Encoding", "Transfer-Encoding\t", "Transfer-Encoding:",
  "Transfer-Encoding\0", "\0Transfer-Encoding", "Transfer-Encoding\r", "\nTransfer-Encoding",
  "Transfer\11Encoding", "Transfer-Encoding\194\160", "X\r\nTransfer-Encoding",
}

local LENGTH_SPELLINGS = {
  "Content-Length ", " Content-Length", "Content-Length\t", "Content-Length:", "Content-Length\0",
  "\0Content-Length", "Content-Length\r", "\nContent-Length", "Content\0Length",
  "Content-Length\194\160", "X\r\nContent-Length",
}

local REFUSED = {
  "+5", "-5", " 5", "5 ", "5\t", "\t5", "5, 5", "5,5", "0x5", "5h", "5.0", "5e0", "", " ", "\0",
  "5\0", "5\r\n", "5;", "\"5\"", "9223372036854775808", "18446744073709551621", ("1"):rep(300),
}


local function fill(template, name, value, body)
  return fmt("local N, V, B = %q, %q, %s ", name, value or "", body or "nil") .. template
end


--- A case as a failure shows it.
local function show(case, asks)
  local parts = { fmt("%s HTTP/%s", asks.method, asks.version) }
  for name, value in pairs(case) do
    parts[#parts + 1] = name .. ": " .. value
  end
  return table.concat(parts, "\n")
end


describe("the framing of responses", function()
  local server, client

  setup(function()
    server = stages.start { servers = SERVERS, locations = LOCATIONS }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:clear_log()
    client = wire.connect(server)
  end)

  after_each(function()
    client:close()
  end)


  -- Sends a case, and another request behind it. Returns the response to the first.
  local function exchange(case, asks)
    asks = asks or CLIENTS[1]
    local told = show(case, asks)
    client:send(asks.method, server:target(case), asks)
    local response, err = client:receive(asks.method)
    assert.is_nil(err, told)
    if response.close then
      client:close()
      client = wire.connect(server)
      return response, told
    end
    assert.equal("", client.rest, told)
    client:send("GET", server:target { content = "ngx.print('second')" })
    local second
    second, err = client:receive("GET")
    assert.is_nil(err, "behind " .. told)
    assert.equal("second", second.body, told)
    assert.equal("", client.rest, told)
    return response, told
  end

  local function body_of(asks, body)
    return asks.method == "HEAD" and "" or body
  end


  it("is nginx's where a setter is given something like Transfer-Encoding", function()
    local n = 0
    for _, place in ipairs(PLACES) do
      for _, name in ipairs(SPELLINGS) do
        for i, setter in ipairs(SETTERS) do
          n = n + 1
          local asks = CLIENTS[n % #CLIENTS + 1]
          local coding = CODINGS[n % #CODINGS + 1]
          local response, told = exchange({
            path = place[2],
            [place[1]] = fill(setter, name, coding) .. (place[1] == "content"
              and " ngx.print('content')" or ""),
          }, asks)
          assert.equal(200, response.status, told)
          assert.equal(body_of(asks, BODY[place[2]]), response.body, told .. i)
        end
      end
    end
  end)

  it("is nginx's where a setter is given something like Content-Length", function()
    local n = 0
    for _, place in ipairs(PLACES) do
      for _, name in ipairs(LENGTH_SPELLINGS) do
        for _, setter in ipairs(SETTERS) do
          n = n + 1
          local asks = CLIENTS[n % #CLIENTS + 1]
          local response, told = exchange({
            path = place[2],
            [place[1]] = fill(setter, name, "5") .. (place[1] == "content"
              and " ngx.print('content')" or ""),
          }, asks)
          assert.equal(body_of(asks, BODY[place[2]]), response.body, told)
        end
      end
    end
  end)

  it("is not for a plugin to choose before the response is made", function()
    local n = 0
    for _, place in ipairs(PLACES) do
      if place[1] ~= "content" and place[1] ~= "header_filter" then
        for _, name in ipairs { "Content-Length", "content_length", "CONTENT-LENGTH" } do
          for _, setter in ipairs(SETTERS) do
            for _, value in ipairs { "0", "5", "0005", "9223372036854775807" } do
              n = n + 1
              local asks = CLIENTS[n % #CLIENTS + 1]
              local response, told = exchange({
                path = place[2],
                [place[1]] = fill(setter, name, value),
              }, asks)
              assert.equal(body_of(asks, BODY[place[2]]), response.body, told)
            end
          end
        end
      end
    end
    for _, place in ipairs(PLACES) do
      if place[1] ~= "content" and place[1] ~= "header_filter" then
        for _, code in ipairs {
          "response.clear_header('Content-Length')",
          "response.clear_header('content_length')",
          "response.set_header('Content-Length', {})",
          "response.set_headers { ['content-length'] = {} }",
          "response.set_header('Content-Length', 5) response.clear_header('Content-Length')",
        } do
          for _, asks in ipairs(CLIENTS) do
            local response, told = exchange({ path = place[2], [place[1]] = code }, asks)
            assert.equal(body_of(asks, BODY[place[2]]), response.body, told)
          end
        end
      end
    end
    local line = server:wait_log("[^\n]*changing Content%-Length before the response is made[^\n]*")
    assert.matches("[warn]", line, 1, true)
  end)

  it("is the length that a plugin knows, once, however it is written", function()
    for _, place in ipairs(PLACES) do
      if place[1] == "content" or place[1] == "header_filter" then
        local length = tostring(#BODY[place[2]])
        for _, name in ipairs { "Content-Length", "content_length", "CONTENT-length" } do
          for _, setter in ipairs(SETTERS) do
            for _, asks in ipairs(CLIENTS) do
              local response, told = exchange({
                path = place[2],
                [place[1]] = "response.add_header('content-length', '3')"
                  .. fill(setter, name, length)
                  .. (place[1] == "content" and " ngx.print('content')" or ""),
              }, asks)
              assert.equal(body_of(asks, BODY[place[2]]), response.body, told)
              assert.same({ length }, wire.values(response, "content-length"), told)
              assert.same({}, wire.values(response, "transfer-encoding"), told)
            end
          end
        end
      end
    end
  end)

  it("is left alone by a Content-Length that is refused", function()
    local n = 0
    for _, place in ipairs(PLACES) do
      for _, value in ipairs(REFUSED) do
        for _, setter in ipairs(SETTERS) do
          n = n + 1
          local asks = CLIENTS[n % #CLIENTS + 1]
          local response, told = exchange({
            path = place[2],
            [place[1]] = "local ok, err = pcall(function() "
              .. fill(setter, "Content-Length", value)
              .. " end) assert(not ok and err:find('expected a non-negative integer', 1, true))"
              .. (place[1] == "content" and " ngx.print('content')" or ""),
          }, asks)
          assert.equal(200, response.status, told)
          assert.equal(body_of(asks, BODY[place[2]]), response.body, told)
        end
      end
    end
  end)


  describe("of exit", function()
    local function each_exit(use)
      for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
        for _, path in ipairs { "/", "/chunked" } do
          -- over the chunked upstream nothing but a header filter is new
          if path == "/" and stage ~= "header_filter" or path == "/chunked"
            and stage == "header_filter"
          then
            for _, exit in ipairs(EXITS) do
              -- in the header filter nothing yields
              if stage ~= "header_filter" or not exit:find("coroutine", 1, true) then
                use(stage, path, exit)
              end
            end
          end
        end
      end
    end

    it("is that of its body, whatever it is given", function()
      each_exit(function(stage, path, exit)
        for i, name in ipairs(SPELLINGS) do
          local asks = CLIENTS[i % #CLIENTS + 1]
          local response, told = exchange({
            path = path,
            [stage] = fill(exit, name, CODINGS[i % #CODINGS + 1], "'hello'"),
          }, asks)
          assert.equal(body_of(asks, "hello"), response.body, told)
          assert.same({ "5" }, wire.values(response, "content-length"), told)
        end
        for i, name in ipairs(LENGTH_SPELLINGS) do
          local asks = CLIENTS[i % #CLIENTS + 1]
          local response, told = exchange({
            path = path,
            [stage] = fill(exit, name, "3", "'hello'"),
          }, asks)
          assert.equal(body_of(asks, "hello"), response.body, told)
          assert.same({ "5" }, wire.values(response, "content-length"), told)
        end
        for _, value in ipairs { "0", "3", "5", "0005", "999", "9223372036854775807" } do
          for _, asks in ipairs(CLIENTS) do
            local response, told = exchange({
              path = path,
              [stage] = fill(exit, "Content-Length", value, "'hello'"),
            }, asks)
            assert.equal(body_of(asks, "hello"), response.body, told)
            assert.equal(1, #wire.values(response, "content-length"), told)
          end
        end
      end)
    end)

    it("is that of no body, whatever Content-Length it is given", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        for _, exit in ipairs(EXITS) do
          for _, body in ipairs { "nil", "''" } do
            for _, asks in ipairs(CLIENTS) do
              local response, told = exchange({
                [stage] = fill(exit, "Content-Length", "7", body),
              }, asks)
              assert.equal(200, response.status, told)
              assert.equal("", response.body, told)
            end
          end
        end
      end
    end)

    it("says aloud that a Content-Length without a body was corrected", function()
      local response = exchange { access = "response.exit(200, nil, { ['Content-Length'] = 7 })" }
      assert.same({ "0" }, wire.values(response, "content-length"))
      local line = server:wait_log(
        "[^\n]*Content%-Length 7 does not match the body's 0 bytes: corrected[^\n]*")
      assert.matches("[warn]", line, 1, true)
    end)

    it("is that of nginx's page, or of the configured one", function()
      for _, stage in ipairs { "rewrite", "access", "content" } do
        for _, status in ipairs { 301, 404, 410, 500 } do
          for _, code in ipairs {
            "response.exit(%d, nil, { ['Content-Length'] = '7' })",
            "response.exit(%d, nil, { content_length = { '7', '700' } })",
          } do
            for _, asks in ipairs(CLIENTS) do
              local response, told = exchange({ [stage] = code:format(status) }, asks)
              assert.equal(status, response.status, told)
              if asks.method == "HEAD" then
                assert.equal("", response.body, told)
              elseif status == 410 or status == 500 then
                assert.equal("the configured page", response.body, told)
              else
                assert.matches("^<html>.*</html>\r\n$", response.body, told)
              end
            end
          end
        end
      end
    end)

    it("is that of what nginx answers where nothing can be printed", function()
      for _, exit in ipairs {
        "response.exit(200)",
        "response.exit(200, nil, { ['Content-Length'] = '7' })",
        "response.exit(410, nil, { ['Content-Length'] = '7' })",
        "response.exit(502, nil, { ['Content-Length'] = 7, content_type = 'application/grpc' })",
      } do
        for _, asks in ipairs(CLIENTS) do
          local response, told = exchange({ path = "/balanced", balancer = exit }, asks)
          assert.equal(500, response.status, told)
          assert.equal(body_of(asks, "the configured page"), response.body, told)
        end
      end
    end)

    it("has no body where the status has none", function()
      for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
        for _, status in ipairs { 204, 304 } do
          for _, body in ipairs { "nil", "''", "'hello'", "{ 1 }" } do
            for _, headers in ipairs { "nil", "{ ['Content-Length'] = '7' }" } do
              for _, asks in ipairs(CLIENTS) do
                local response, told = exchange({
                  path = stage == "header_filter" and "/chunked" or "/",
                  [stage] = fmt("response.exit(%d, %s, %s)", status, body, headers),
                }, asks)
                assert.equal(status, response.status, told)
              end
            end
          end
        end
      end
    end)

    it("is that of the document of error", function()
      for i, name in ipairs { "Content-Length", "content_length", "Transfer-Encoding" } do
        for _, stage in ipairs { "access", "content", "header_filter" } do
          for _, asks in ipairs(CLIENTS) do
            local response, told = exchange({
              path = stage == "header_filter" and "/chunked" or "/",
              [stage] = fmt("response.error(403, 'no', { [%q] = %q, content_type = 'text/plain' })",
                name, i == 3 and "chunked" or "3"),
            }, asks)
            assert.equal(403, response.status, told)
            local expected = asks.method == "HEAD" and "^$" or "^no\nrequest_id: %x*\n$"
            assert.matches(expected, response.body, told)
          end
        end
      end
    end)
  end)


  describe("of a status that has no body", function()
    for _, status in ipairs { 204, 304 } do
      it("is kept when the upstream answers " .. status, function()
        for _, body in ipairs {
          "'x'", "''", "'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'",
        } do
          for _, code in ipairs {
            "response.set_raw_body(%s)",
            "if ngx.arg[2] then response.get_raw_body() response.set_raw_body(%s) end",
          } do
            for _, asks in ipairs(CLIENTS) do
              local response, told = exchange({
                path = "/chunked/" .. status,
                body_filter = code:format(body),
              }, asks)
              assert.equal(status, response.status, told)
            end
          end
        end
      end)

      it("is kept when a plugin makes it " .. status, function()
        -- Lua's own output over HTTP/1.0 is the Lua module's alone: it sends what it has buffered.
        for _, path in ipairs { "/chunked", "/proxied" } do
          for _, asks in ipairs(CLIENTS) do
            local response, told = exchange({
              path = path,
              header_filter = "response.set_status(" .. status .. ")",
              body_filter = "response.set_raw_body('x')",
            }, asks)
            assert.equal(status, response.status, told)
          end
        end
      end)
    end
  end)


  it("is one over HTTP/2, too", function()
    local cases = {}
    local function add(code, body, path, stage)
      cases[#cases + 1] = { expected = body, path = path, [stage] = code }
    end
    for i, name in ipairs(SPELLINGS) do
      add(fill(SETTERS[i % #SETTERS + 1], name, "chunked"), "chunked body", "/chunked", "access")
      add(fill(SETTERS[i % #SETTERS + 1], name, "chunked"), "upstream", "/proxied", "header_filter")
      add(fill(EXITS[i % #EXITS + 1], name, "chunked", "'hello'"), "hello", "/", "access")
    end
    for _, setter in ipairs(SETTERS) do
      add(fill(setter, "Content-Length", "5"), "chunked body", "/chunked", "access")
      add(fill(setter, "Content-Length", "12"), "chunked body", "/chunked", "header_filter")
    end
    for _, exit in ipairs(EXITS) do
      for _, value in ipairs { "0", "3", "999" } do
        add(fill(exit, "Content-Length", value, "'hello'"), "hello", "/", "access")
        add(fill(exit, "Content-Length", value), "", "/", "access")
      end
    end
    local requests = {}
    for i, case in ipairs(cases) do
      requests[i] = { http2 = true, path = server:target(case) }
    end
    for i, r in ipairs(server:requests(requests)) do
      local told = requests[i].path .. "\n"
      assert.equal(0, r.exit, told .. r.error)
      assert.equal("2", r.version, told)
      assert.equal(200, r.status, told)
      assert.equal(cases[i].expected, r.body, told)
      assert.is_true(#r:values("content-length") <= 1, told)
      assert.same({}, r:values("transfer-encoding"), told)
    end
  end)
end)
