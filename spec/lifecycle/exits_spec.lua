local lifecycle = require "spec.support.lifecycle"
local served = require "spec.support.served"


served.describe("under the life cycle,", function()
  return lifecycle.start { http = "proxy_http_version 1.1;" }
end, function(server)
  local function run(case)
    return server:run(case)
  end

  describe("an exit", function()
    local LATER = {
      access = "note('access')",
      header_filter = "note('header_filter', kong.response.get_source())",
      body_filter = "if ngx.arg[2] then note('body_filter', kong.response.get_source()) end",
      log = "note('log', kong.response.get_source(), kong.response.get_status())",
    }

    it("skips the later plugins in access, and runs all in later phases", function()
      local r = run {
        one = { access = "note('one')" },
        two = { access = [[
          kong.response.exit(403, { message = "no" }, { ["X-Plugin"] = "two" })
          note("ran on")
        ]] },
        three = LATER,
        upstream = "note('upstream')",
      }
      assert.equal(403, r.status)
      assert.equal('{"message":"no"}', r.body)
      assert.equal("two", r:header("X-Plugin"))
      assert.same({ "one", "header_filter exit", "body_filter exit", "log exit 403" }, r.notes)
    end)

    it("skips access after rewrite", function()
      local r = run {
        one = { rewrite = "kong.response.exit(200, 'early')", access = "note('access')" },
        two = { rewrite = "note('rewrite')" },
        three = LATER,
        upstream = "note('upstream')",
      }
      assert.equal(200, r.status)
      assert.equal("early", r.body)
      assert.same({ "header_filter exit", "body_filter exit", "log exit 200" }, r.notes)
    end)

    it("sends nothing before the end of the phase", function()
      local r = run {
        one = { access = [[
          coroutine.wrap(function() kong.response.exit(403, "no") end)()
          note(ngx.headers_sent, ngx.ctx.delayed_response.status_code)
          kong.response.set_header("X-After", "yes")
        ]] },
        two = { access = "note('two')" },
      }
      assert.equal(403, r.status)
      assert.equal("yes", r:header("X-After"))
      assert.same({ "false 403" }, r.notes)
    end)

    it("works for error, for gRPC and for each format", function()
      local case = { one = { access = "kong.response.error(429)" }, three = LATER }
      case.headers = { "Accept: text/html" }
      local r = run(case)
      assert.equal(429, r.status)
      assert.equal("text/html; charset=utf-8", r:header("Content-Type"))
      assert.matches("<p>Too many requests.</p>", r.body, 1, true)
      assert.same({ "header_filter exit", "body_filter exit", "log exit 429" }, r.notes)

      case.headers, case.http2 = { "Content-Type: application/grpc" }, true
      r = run(case)
      assert.equal(429, r.status)
      assert.equal("8", r:header("grpc-status"))
      assert.equal("", r.body)
    end)

    it("sends its body in place of the upstream's in header_filter", function()
      local r = run {
        one = { header_filter = "kong.response.exit(503, { message = 'closed' })" },
        two = { header_filter = "note('two')", body_filter = [[
          local body = kong.response.get_raw_body()
          if body then
            kong.response.set_raw_body((body:gsub("closed", "opened")))
          end
        ]] },
        three = { log = "note('log', kong.response.get_source())" },
        upstream = [[
          for i = 1, 5 do
            ngx.print(("x"):rep(10000))
            ngx.flush(true)
          end
          return true
        ]],
      }
      assert.equal(503, r.status)
      assert.equal('{"message":"opened"}', r.body)
      assert.same({ "two", "log exit" }, r.notes)
    end)

    it("sends no byte of the upstream's body in header_filter if its own is empty", function()
      local r = run {
        one = { header_filter = "kong.response.exit(200, '')" },
        upstream = "ngx.print(('x'):rep(100000)) return true",
      }
      assert.equal(200, r.status)
      assert.equal("", r.body)
      assert.equal("0", r:header("Content-Length"))
    end)

    it("replaces an ngx.exit in header_filter", function()
      local r = run {
        one = { access = "ngx.exit(403)" },
        two = { header_filter = "kong.response.exit(503, 'replaced')", access = "note('two')" },
        three = { log = LATER.log },
      }
      assert.equal(503, r.status)
      assert.equal("replaced", r.body)
      assert.same({ "log exit 503" }, r.notes)
    end)

    it("is sent at once in content", function()
      local r = run {
        path = "/content",
        one = { access = "note('one')" },
        content = "note(tostring(ngx.ctx.delay_response)) kong.response.exit(202, 'content')",
        three = { log = LATER.log },
      }
      assert.equal(202, r.status)
      assert.equal("content", r.body)
      assert.same({ "one", "nil", "log exit 202" }, r.notes)
    end)
  end)
end)
