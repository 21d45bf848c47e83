-- In nginx only: its error pages, subrequests, light threads, and connections that go on.

local hosts = require "spec.support.hosts"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


local lines = hosts.lines


served.describe("exit in nginx", function()
  return stages.start {
    gateway = true,
    files = { ["page.txt"] = "the static page" },
    locations = [[
      location /page/lua {
        error_page 404 /pages/lua;
        content_by_lua_block { require("stages").run("content") }
      }
      location /page/named {
        error_page 404 @named;
        content_by_lua_block { require("stages").run("content") }
      }
      location /page/static {
        error_page 404 /pages/static;
        content_by_lua_block { require("stages").run("content") }
      }
      location /page/return {
        error_page 404 /pages/return;
        content_by_lua_block { require("stages").run("content") }
      }
      location = /pages/lua { content_by_lua_block { ngx.print("the lua page") } }
      location @named { content_by_lua_block { ngx.print("the named page") } }
      location = /pages/static { alias %{dir}/page.txt; }
      location = /pages/return { return 404 "the return page"; }
    ]],
  }
end, function(server)
  describe("and error_page", function()
    -- If `exit` left a Content-Length of 0, it would cut off the page.
    for _, kind in ipairs { "lua", "named", "static", "return" } do
      it("shows the page for an error status without a body: " .. kind, function()
        local r = server:run { path = "/page/" .. kind, content = "response.exit(404)" }
        assert.equal(404, r.status)
        assert.equal("the " .. kind .. " page", r.body)
        assert.equal(0, r.exit)
      end)
    end

    it("sends its own body, which no page replaces", function()
      for _, body in ipairs { "own", "" } do
        local r = server:run {
          path = "/page/static",
          content = "response.exit(404, '" .. body .. "')",
        }
        assert.equal(404, r.status)
        assert.equal(body, r.body)
      end
    end)
  end)


  describe("and the connection", function()
    it("sends responses after which the connection stays usable", function()
      local connection = server:connect()
      for _, content in ipairs {
        "response.exit(200, 'hello')",
        "response.exit(200, 'hello', { ['Content-Length'] = '2' })",
        "response.exit(200, 'hello', { ['Content-Length'] = '999' })",
        "response.exit(200, 'hello', { ['Transfer-Encoding'] = 'chunked' })",
        "response.exit(200, 'hello', { ['X-A'] = '1\\r\\nContent-Length: 1' })",
      } do
        connection:send("GET " .. server:target { content = content } .. " HTTP/1.1\r\n"
          .. "Host: x\r\n\r\n")
        local answer = connection:read { pattern = "hello" }
        assert.matches("^HTTP/1.1 200 OK\r\n", answer)
        assert.matches("\r\nContent%-Length: 5\r\n", answer)
        assert.matches("\r\n\r\nhello$", answer)
      end
      connection:close()
    end)

    it("sends the response of a subrequest", function()
      local sub = server:target { content = "response.exit(403, 'no', { ['X-A'] = '1' })" }
      local r = server:run {
        content = lines(
          "local answer = ngx.location.capture('" .. sub .. "')",
          "response.exit(200, answer.status .. answer.body .. answer.header['X-A'])"
        ),
      }
      assert.equal(200, r.status)
      assert.equal("403no1", r.body)
    end)

    it("sends a response to HTTP/1.0", function()
      local connection = server:connect()
      connection:send("GET " .. server:target { content = "response.exit(403, 'no')" }
        .. " HTTP/1.0\r\n\r\n")
      local answer, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      assert.matches("^HTTP/1.1 403 Forbidden\r\n", answer)
      assert.matches("\r\nContent%-Length: 2\r\n", answer)
      assert.matches("\r\n\r\nno$", answer)
    end)
  end)


  describe("with failed preconditions", function()
    -- More headers than are listed at once, and the one that counts is the last of them.
    for _, others in ipairs { 0, 100 } do
      it(("sends a 412, after %d other headers of the request"):format(others), function()
        local headers = {}
        for i = 1, others do
          headers[i] = "X-Other: " .. i
        end
        for line, status in pairs {
          ['if-match: "b"'] = 412,
          ['If-Match: "a"'] = 200,
          ["IF-UNMODIFIED-SINCE: Sun, 06 Nov 1994 08:49:37 GMT"] = 412,
          ["If-Match-Not: x"] = 200,
        } do
          headers[others + 1] = line
          local r = server:run {
            headers = headers,
            access = [[return response.exit(200, "x", { ETag = '"a"' })]],
          }
          assert.equal(status, r.status, line)
        end
      end)
    end
  end)


  describe("in a light thread", function()
    it("ends the phase", function()
      local r = server:run {
        access = lines(
          "local thread = ngx.thread.spawn(function()",
          "  ngx.sleep(0.001)",
          "  response.exit(403, 'thread')",
          "  note('ran on')",
          "end)",
          "ngx.thread.wait(thread)",
          "note('ran on')"
        ),
        log = "note('log')",
      }
      assert.equal(403, r.status)
      assert.equal("thread", r.body)
      assert.same({ "log" }, r.notes)
    end)
  end)
end)
