-- `exit` and `error` with any Transfer-Encoding and Content-Length: the framing is that of the
-- body, so that the client finds the next response on the connection.

local KEEPS_EMPTY_BODY = require("spec.support.phase_code").KEEPS_EMPTY_BODY
local framing = require "spec.support.framing"
local served = require "spec.support.served"
local wire = require "spec.support.wire"

local fmt = string.format


local BODY, CLIENTS = framing.BODY, framing.CLIENTS

-- With the route whose response a header filter replaces.
local STAGES = { rewrite = "/", access = "/", content = "/", header_filter = "/chunked" }

local EXITS = {
  "response.exit(200, B, { [N] = V })",
  "response.exit(200, B, { [N] = { V, V } })",
  "response.exit(200, B, { [N] = V, [N:lower()] = V, [N:gsub('-', '_')] = { V, V } })",
  "response.set_header(N, V) response.exit(200, B)",
  "response.add_header(N, V) response.exit(200, B, { [N] = V })",
}

local DELAYED = [[
  ngx.ctx.delay_response = true
  coroutine.wrap(function() response.exit(200, B, { [N] = V }) end)()
  ngx.ctx.delayed_response_callback()
]]


served.describe("the framing of a response of exit", function()
  return framing.start()
end, function(server)
  --- Sends the requests over HTTP/2, and checks each response.
  local function each_answer(requests, check)
    for i, r in ipairs(server:requests(requests)) do
      local told = requests[i].path .. "\n" .. r.error
      assert.equal(0, r.exit, told)
      assert.equal("2", r.version, told)
      check(r, told, i)
    end
  end

  --- Every way to call exit, in every phase, for each client.
  local function each_exit(name, value, body, check)
    for stage, path in pairs(STAGES) do
      for i = 1, #EXITS + 1 do
        local exit = EXITS[i] or DELAYED
        -- in the header filter nothing yields
        if not (exit == DELAYED and stage == "header_filter") then
          for _, client in ipairs(CLIENTS) do
            local keeps = stage == "header_filter" and KEEPS_EMPTY_BODY or ""
            local case = { path = path, [stage] = keeps .. framing.fill(exit, name, value, body) }
            local response, told = server:exchange(case, client)
            assert.equal(200, response.status, told)
            check(response, told, client, stage)
          end
        end
      end
    end
  end

  local function check_hello(response, told, client)
    assert.equal(framing.body_for(client, "hello"), response.body, told)
    assert.same({ "5" }, wire.values(response, "content-length"), told)
  end

  it("fits its body for any spelling of Transfer-Encoding", function()
    for i, name in ipairs(framing.CODING_NAMES) do
      local coding = framing.CODINGS[i % #framing.CODINGS + 1]
      each_exit(name, coding, "'hello'", check_hello)
    end
  end)

  it("fits its body for any spelling of Content-Length", function()
    for _, name in ipairs(framing.LENGTH_NAMES) do
      each_exit(name, "3", "'hello'", check_hello)
    end
  end)

  it("fits its body for any Content-Length", function()
    for _, value in ipairs { "0", "3", "5", "0005", "999", "9223372036854775807" } do
      each_exit("Content-Length", value, "'hello'", function(response, told, client)
        assert.equal(framing.body_for(client, "hello"), response.body, told)
        assert.equal(1, #wire.values(response, "content-length"), told)
      end)
    end
  end)

  it("fits a missing body for any Content-Length", function()
    for _, body in ipairs { "nil", "''" } do
      each_exit("Content-Length", "12", body, function(response, told, client, stage)
        -- in the header filter it may be that of the upstream's body, which then passes
        local upstreams = stage == "header_filter" and body == "nil"
          and wire.values(response, "content-length")[1] == "12"
        assert.equal(framing.body_for(client, upstreams and BODY["/chunked"] or ""), response.body,
          told)
      end)
    end
  end)

  it("causes a warning if a Content-Length without a body was corrected", function()
    local response = server:exchange {
      access = "response.exit(200, nil, { ['Content-Length'] = 7 })",
    }
    assert.same({ "0" }, wire.values(response, "content-length"))
    local line = server:wait_log(
      "[^\n]*Content%-Length 7 does not match the body's 0 bytes: corrected[^\n]*")
    assert.matches("[warn]", line, 1, true)
  end)

  it("fits nginx's page or the configured page", function()
    for _, stage in ipairs { "rewrite", "access", "content" } do
      for _, status in ipairs { 301, 404, 410, 500 } do
        for _, code in ipairs {
          "response.exit(%d, nil, { ['Content-Length'] = '7' })",
          "response.exit(%d, nil, { content_length = { '7', '700' } })",
        } do
          for _, client in ipairs(CLIENTS) do
            local response, told = server:exchange({ [stage] = code:format(status) }, client)
            assert.equal(status, response.status, told)
            if client.method == "HEAD" then
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

  it("fits nginx's response in the balancer", function()
    for _, exit in ipairs {
      "response.exit(200)",
      "response.exit(200, nil, { ['Content-Length'] = '7' })",
      "response.exit(410, nil, { ['Content-Length'] = '7' })",
      "response.exit(502, nil, { ['Content-Length'] = 7, content_type = 'application/grpc' })",
    } do
      for _, client in ipairs(CLIENTS) do
        local response, told = server:exchange({ path = "/balanced", balancer = exit }, client)
        assert.equal(500, response.status, told)
        assert.equal(framing.body_for(client, "the configured page"), response.body, told)
      end
    end
  end)

  it("has no body if the status allows none", function()
    for stage, path in pairs(STAGES) do
      for _, status in ipairs { 204, 304 } do
        for _, body in ipairs { "nil", "''", "'hello'", "{ 1 }" } do
          for _, headers in ipairs { "nil", "{ ['Content-Length'] = '7' }" } do
            for _, client in ipairs(CLIENTS) do
              local exit = fmt("response.exit(%d, %s, %s)", status, body, headers)
              local response, told = server:exchange({ path = path, [stage] = exit }, client)
              assert.equal(status, response.status, told)
            end
          end
        end
      end
    end
  end)

  it("has no body if a header filter changes a status 204 or 304", function()
    for _, stage in ipairs { "rewrite", "access", "content" } do
      for _, status in ipairs { 204, 304 } do
        for _, body in ipairs { "", "hello" } do
          for _, client in ipairs(CLIENTS) do
            local response, told = server:exchange({
              [stage] = fmt("response.exit(%d, %q)", status, body),
              header_filter = "response.set_status(404)",
            }, client)
            assert.equal(404, response.status, told)
            -- exit has printed none
            assert.equal("", response.body, told)
          end
        end
      end
    end
  end)

  it("fits the document of error", function()
    for name, value in pairs {
      ["Content-Length"] = "3", ["content_length"] = "999", ["Transfer-Encoding"] = "chunked",
    } do
      for stage, path in pairs(STAGES) do
        for _, client in ipairs(CLIENTS) do
          local response, told = server:exchange({
            path = path,
            [stage] = fmt("response.error(403, 'no', { [%q] = %q, content_type = 'text/plain' })",
              name, value),
          }, client)
          assert.equal(403, response.status, told)
          local expected = client.method == "HEAD" and "^$" or "^no\nrequest_id: %x*\n$"
          assert.matches(expected, response.body, told)
        end
      end
    end
  end)

  it("has no Content-Length for a 204 over HTTP/2", function()
    local requests = {}
    for stage, path in pairs(STAGES) do
      for _, method in ipairs { "GET", "HEAD" } do
        for _, body in ipairs { "nil", "'hello'" } do
          local code = "response.exit(204, " .. body .. ", { ['Content-Length'] = '5' })"
          requests[#requests + 1] = {
            http2 = true, method = method, path = server:target { path = path, [stage] = code },
          }
        end
      end
    end
    for i, r in ipairs(server:requests(requests)) do
      local told = requests[i].method .. " " .. requests[i].path .. "\n" .. r.error
      assert.equal(0, r.exit, told)
      assert.equal(204, r.status, told)
      assert.not_equal("5", r:header("Content-Length"), told)
    end
  end)

  it("has no body over HTTP/2 if the status allows none", function()
    local requests, statuses = {}, {}
    for stage, path in pairs(STAGES) do
      for _, status in ipairs { 204, 304 } do
        for _, body in ipairs { "nil", "''", "'hello'", "{ 1 }" } do
          local case = { path = path, [stage] = fmt("response.exit(%d, %s)", status, body) }
          requests[#requests + 1] = { http2 = true, path = server:target(case) }
          statuses[#requests] = status
        end
      end
    end
    each_answer(requests, function(r, told, i)
      assert.equal(statuses[i], r.status, told)
      assert.equal("", r.body, told)
    end)
  end)

  it("is valid over HTTP/2", function()
    local requests, bodies = {}, {}
    local function add(exit, name, value, body)
      local code = framing.fill(exit, name, value, body and fmt("%q", body))
      requests[#requests + 1] = { http2 = true, path = server:target { access = code } }
      bodies[#requests] = body or ""
    end
    for _, exit in ipairs(EXITS) do
      for _, value in ipairs { "0", "3", "999" } do
        add(exit, "Content-Length", value, "hello")
        add(exit, "Content-Length", value)
      end
      for _, name in ipairs(framing.CODING_NAMES) do
        add(exit, name, "chunked", "hello")
      end
    end
    each_answer(requests, function(r, told, i)
      assert.equal(200, r.status, told)
      assert.equal(bodies[i], r.body, told)
      assert.same({ tostring(#bodies[i]) }, r:values("content-length"), told)
      assert.same({}, r:values("transfer-encoding"), told)
    end)
  end)
end)
