local lifecycle = require "spec.support.lifecycle"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


served.describe("the life cycle", function()
  return lifecycle.start { http = "proxy_http_version 1.1;" }
end, function(server)
  local function run(case)
    return server:run(case)
  end

  describe("after a failure of a handler,", function()
    for _, phase in ipairs { "rewrite", "access" } do
      it("sends a 500 in the client's format in " .. phase, function()
        local case = lifecycle.all(phase, "note(conf.of)")
        case.two[phase] = "note(conf.of) error('secret')"
        case.three.log = "note(kong.response.get_source(), kong.response.get_status())"
        case.upstream = "note('upstream')"
        case.headers = { "Accept: text/plain" }
        local r = run(case)
        assert.equal(500, r.status)
        assert.equal("An unexpected error occurred\nrequest_id: ", r.body:sub(1, 41))
        assert.not_matches("secret", r.body, 1, true)
        assert.same({ "one", "two", "error 500" }, r.notes)
        assert.matches("two." .. phase .. ":1: secret (the " .. phase .. ' handler of plugin "'
                       .. server.dir .. '/plugins.lua" failed, request_id: ', r.log, 1, true)

        case.headers = { "Accept: application/xml" }
        r = run(case)
        assert.equal(500, r.status)
        assert.matches("<message>An unexpected error occurred</message>", r.body, 1, true)
      end)
    end

    it("replaces the response and all its headers in header_filter", function()
      local r = run {
        one = { header_filter = "kong.response.set_header('X-One', '1')" },
        two = { header_filter = "error({})" },
        three = {
          header_filter = "note('three')",
          body_filter = "if ngx.arg[2] then note(kong.response.get_source()) end",
          log = "note(kong.response.get_source(), kong.response.get_status())",
        },
        upstream = [[
          ngx.header["Content-Encoding"] = "gzip"
          ngx.header["X-Secret"] = "x"
          ngx.header["Set-Cookie"] = { "a=1", "b=2" }
          ngx.header["ETag"] = '"x"'
          ngx.header["Cache-Control"] = "max-age=3600"
          ngx.header["Content-Length"] = 100000
          ngx.print(("x"):rep(100000))
          return true
        ]],
        headers = { "Accept: application/json" },
      }
      assert.equal(500, r.status)
      assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
      assert.equal(tostring(#r.body), r:header("Content-Length"))
      local names = {}
      for i, header in ipairs(r.headers) do
        names[i] = header[1]:lower()
      end
      table.sort(names)
      assert.same({ "connection", "content-length", "content-type", "date", "server" }, names)
      assert.same({ "error", "error 500" }, r.notes)
    end)

    it("replaces an exit in header_filter", function()
      for _, exit in ipairs { "exit(403, 'no')", "exit(403)" } do
        local r = run {
          one = { access = "kong.response." .. exit, log = "note(kong.response.get_source())" },
          two = { header_filter = "error('x')" },
        }
        assert.equal(500, r.status)
        assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
        assert.equal(tostring(#r.body), r:header("Content-Length"))
        assert.same({ "error" }, r.notes)
      end
    end)

    it("replaces a response without a body in header_filter", function()
      for _, case in ipairs {
        { upstream = "ngx.status = 204 return true" },
        { upstream = "ngx.status = 304 return true" },
        { upstream = "ngx.header['Content-Length'] = 0 return true" },
        { method = "HEAD" },
        { http2 = true },
      } do
        case.one = { header_filter = "error('x')", log = "note(kong.response.get_source())" }
        local r = run(case)
        assert.equal(500, r.status)
        assert.equal(0, r.exit)
        if case.method == "HEAD" then
          assert.equal("97", r:header("Content-Length"))
        else
          assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
        end
        assert.same({ "error" }, r.notes)
      end
    end)

    describe("sends the 500 of header_filter although a body filter makes", function()
      for what, code in pairs {
        ["a shorter body"] = [[
          if kong.response.get_raw_body() then kong.response.set_raw_body("{}") end
        ]],
        ["a longer body"] = "ngx.arg[2] = true ngx.arg[1] = ('x'):rep(10000)",
        ["no body and no end"] = "ngx.arg[2] = false ngx.arg[1] = nil",
        ["a body without an end"] = "ngx.arg[1] = 'x' ngx.arg[2] = false",
        ["an end that is lost"] = "ngx.arg[1] = nil ngx.arg[2] = true",
        ["another replacement"] = "ngx.ctx.response_body = 'x'",
        ["a table for a chunk"] = "ngx.arg[1] = { 'x', 'y' }",
      } do
        it(what, function()
          for _, request in ipairs {
            {}, { http_version = "1.0" }, { http2 = true }, { method = "HEAD" },
            { http2 = true, headers = { "Content-Type: application/grpc" }, grpc = true },
          } do
            request.max_time = 3
            request.one = {
              header_filter = "kong.response.clear_header('Content-Length') error('x')",
              body_filter = code,
            }
            request.two = { body_filter = "note(ngx.arg[2])" }
            request.upstream = [[
              for i = 1, 3 do
                ngx.print(("x"):rep(10000))
                ngx.flush(true)
              end
              return true
            ]]
            local r = run(request)
            assert.equal(0, r.exit)
            assert.equal(500, r.status)
            if request.grpc then
              assert.equal("13", r:header("grpc-status"))
              assert.equal("", r.body)
            elseif request.method == "HEAD" then
              assert.equal("97", r:header("Content-Length"))
            else
              assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
              assert.equal(tostring(#r.body), r:header("Content-Length"))
              assert.equal(1, #r.notes) -- all body filters have run
            end
          end
        end)
      end
    end)

    describe("adds the handler's place to an error without a position", function()
      -- The functions that the harness makes of all handlers.
      local PLACE = "[^()]*/plugins%.lua:%d+"

      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        it("in " .. phase, function()
          local r = run { one = { [phase] = "return kong.response.exit('400')" } }
          local message = "code must be a number"
          if phase == "body_filter" or phase == "log" then
            message = "function cannot be called in " .. phase .. " phase"
          end
          assert.matches(message .. "[^\n]* %(the " .. phase .. " handler at " .. PLACE
                         .. ' of plugin "one" failed', r.log)
        end)
      end

      it("unless the error has a position", function()
        local r = run { one = { access = "local _ = kong.response.exit('400')" } }
        assert.matches('one.access:1: code must be a number (the access handler of plugin "one"'
                       .. " failed, request_id: ", r.log, 1, true)
      end)
    end)

    it("names a plugin without a file by its position in the list", function()
      nginx.once({
        init = [[
          lifecycle = require("kong.response.lifecycle").new {
            { plugin = {} },
            { plugin = { access = loadstring("error('x', 0)", "=inline") } },
          }
        ]],
        locations = "location / { access_by_lua_block { lifecycle.access() } }",
      }, function(other)
        other:get("/")
        assert.matches(': %*%d+ x %(the access handler at inline:0 of plugin "plugins%[2%]" failed',
                       other:log())
      end)
    end)

    it("breaks the response off in body_filter", function()
      local r = run {
        one = {
          body_filter = "kong.ctx.plugin.n = (kong.ctx.plugin.n or 0) + 1 "
            .. "if kong.ctx.plugin.n == 2 then error('x') end",
          log = "note(kong.response.get_source())",
        },
        two = { body_filter = "note('two')" },
        upstream = [[
          for i = 1, 5 do
            ngx.print("chunk " .. i)
            ngx.flush(true)
            ngx.sleep(0.02)
          end
          return true
        ]],
      }
      assert.not_equal(0, r.exit)
      assert.equal("chunk 1", r.body)
      assert.same({ "two", "error" }, r.notes)
      assert.matches('one.body_filter:1: x (the body_filter handler of plugin "one" failed)',
                     r.log, 1, true)
    end)

    it("sends nothing after the missing chunk in body_filter", function()
      local r = run {
        path = "/content",
        one = { body_filter = "if ngx.arg[1] == 'chunk 2' then error('x') end" },
        content = [[
          for i = 1, 4 do
            ngx.print("chunk " .. i)
            ngx.flush(true)
          end
        ]],
      }
      assert.not_equal(0, r.exit)
      assert.equal("chunk 1", r.body)
    end)

    it("runs the next handler in log", function()
      local r = run {
        one = { log = "error('x')" },
        two = { log = "note(kong.response.get_source())" },
      }
      assert.equal(200, r.status)
      assert.same({ "service" }, r.notes)
      assert.matches('one.log:1: x (the log handler of plugin "one" failed)', r.log, 1, true)
    end)

    it("sends a 500 if the delayed response is invalid", function()
      local r = run {
        one = { access = [[
          coroutine.wrap(function() kong.response.exit(403, "no") end)()
          ngx.ctx.delayed_response.status_code = 1000
        ]] },
        two = { log = "note(kong.response.get_source(), kong.response.get_status())" },
      }
      assert.equal(500, r.status)
      assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
      assert.same({ "error 500" }, r.notes)
      assert.matches("code must be a number between 100 and 599 (the delayed response of plugin "
                     .. '"one" cannot be sent, request_id: ', r.log, 1, true)
    end)

    it("breaks the response off if the handler has sent output", function()
      local r = run {
        path = "/content",
        one = {
          access = "ngx.print('half') ngx.flush(true) error('x')",
          log = "note(kong.response.get_source())",
        },
        content = "note('content')",
      }
      assert.equal("half", r.body)
      assert.not_equal(0, r.exit)
      assert.same({ "error" }, r.notes)
    end)
  end)
end)
