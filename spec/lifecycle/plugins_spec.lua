local lifecycle = require "spec.support.lifecycle"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


served.describe("the life cycle", function()
  return lifecycle.start { http = "proxy_http_version 1.1;" }
end, function(server)
  local function run(case)
    return server:run(case)
  end

  --- The code of one phase for all three plugins.
  local function all(phase, code)
    return { one = { [phase] = code }, two = { [phase] = code }, three = { [phase] = code } }
  end


  describe("runs plugins", function()
    it("in the order of their priority, with their config", function()
      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        local r = run(all(phase, [[
          if not kong.ctx.plugin.seen then
            kong.ctx.plugin.seen = true
            note(conf.of)
          end
        ]]))
        assert.same({ "one", "two", "three" }, r.notes, phase)
        assert.equal("upstream", r.body)
      end
    end)

    it("with the phase in ngx.ctx.KONG_PHASE", function()
      local one = {}
      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        one[phase] = "note(('" .. phase .. " 0x%x'):format(ngx.ctx.KONG_PHASE)) "
      end
      one.body_filter = "if ngx.arg[2] then " .. one.body_filter .. " end"
      local r = run { one = one }
      assert.same({
        "rewrite 0x10", "access 0x20", "header_filter 0x200", "body_filter 0x400", "log 0x2000",
      }, r.notes)
    end)

    it("with their own phase, also behind one that has printed", function()
      local r = run {
        path = "/content",
        one = { access = "ngx.say('x') ngx.flush(true)" },
        two = { access = "note(ngx.ctx.KONG_PHASE)" },
      }
      assert.same({ "32" }, r.notes)
    end)

    it("which are told when a function is called in the wrong phase", function()
      local r = run { one = {
        access = "note(select(2, pcall(kong.response.get_status)))",
        log = "note(select(2, pcall(kong.response.set_status, 200)))",
      } }
      assert.same({
        "function cannot be called in access phase (only in: response, header_filter, "
          .. "body_filter, log, error, admin_api)",
        "function cannot be called in log phase (only in: rewrite, access, balancer, response, "
          .. "header_filter, error, admin_api)",
      }, r.notes)
    end)

    it("that wait for something", function()
      local r = run {
        one = { rewrite = "ngx.sleep(0.01) note('one')", access = "ngx.sleep(0.01) note('one')" },
        two = {
          rewrite = "note('two')",
          access = [[
            local thread = ngx.thread.spawn(function() ngx.sleep(0.01) return "thread" end)
            note(select(2, ngx.thread.wait(thread)))
          ]],
        },
      }
      assert.same({ "one", "two", "one", "thread" }, r.notes)
      assert.equal("upstream", r.body)
    end)

    it("that yield, up to their end", function()
      local r = run {
        one = { access = [[
          local turns = 0
          ngx.thread.spawn(function()
            for i = 1, 3 do
              turns = i
              coroutine.yield()
            end
          end)
          while turns < 3 do
            coroutine.yield()
          end
          note("one")
        ]] },
        two = { access = "note('two')" },
      }
      assert.same({ "one", "two" }, r.notes)
    end)
  end)


  describe("after an exit", function()
    local LATER = {
      access = "note('access')",
      header_filter = "note('header_filter', kong.response.get_source())",
      body_filter = "if ngx.arg[2] then note('body_filter', kong.response.get_source()) end",
      log = "note('log', kong.response.get_source(), kong.response.get_status())",
    }

    it("in access runs no later plugin in that phase, and all in those that follow", function()
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

    it("in rewrite runs no access either", function()
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

    it("sends nothing before the phase is over", function()
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

    it("works with error, with gRPC's rules and with a message per format", function()
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

    it("in header_filter sends its body in place of the upstream's", function()
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

    it("in header_filter with an empty body sends none of the upstream's", function()
      local r = run {
        one = { header_filter = "kong.response.exit(200, '')" },
        upstream = "ngx.print(('x'):rep(100000)) return true",
      }
      assert.equal(200, r.status)
      assert.equal("", r.body)
      assert.equal("0", r:header("Content-Length"))
    end)

    it("of nginx's own, header_filter can still replace it", function()
      local r = run {
        one = { access = "ngx.exit(403)" },
        two = { header_filter = "kong.response.exit(503, 'replaced')", access = "note('two')" },
        three = { log = LATER.log },
      }
      assert.equal(503, r.status)
      assert.equal("replaced", r.body)
      assert.same({ "log exit 503" }, r.notes)
    end)

    it("in content, its own is sent at once", function()
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


  describe("keeps for each request", function()
    it("kong.ctx.shared for all plugins and kong.ctx.plugin for each", function()
      local count = [[
        local shared, own = kong.ctx.shared, kong.ctx.plugin
        shared.n, own.n = (shared.n or 0) + 1, (own.n or 0) + 1
        note(shared.n, own.n)
      ]]
      local case = all("access", count)
      case.one.log, case.two.log, case.three.log = count, count, count
      for _ = 1, 2 do
        assert.same({ "1 1", "2 1", "3 1", "4 2", "5 2", "6 2" }, run(case).notes)
      end
    end)

    it("the plugin's own also when the filters run inside of its handler", function()
      local r = run {
        path = "/content",
        one = {
          access = "kong.ctx.plugin.of = 'one' ngx.say('x') ngx.flush() note(kong.ctx.plugin.of)",
          header_filter = "note(kong.ctx.plugin.of)",
        },
        two = { header_filter = "note(kong.ctx.plugin.of)" },
      }
      assert.same({ "one", "nil", "one" }, r.notes)
    end)

    it("nothing in kong.ctx itself", function()
      local r = run {
        one = { access = [[
          note(select(2, pcall(function() kong.ctx.x = 1 end)))
          note(kong.ctx.x, kong.ctx.plugin ~= nil)
        ]] },
        path = "/content",
        content = "note(kong.ctx.plugin, kong.ctx.shared ~= nil)",
      }
      assert.same({
        "one.access:1: kong.ctx cannot be changed, only kong.ctx.shared and kong.ctx.plugin",
        "nil true",
        "nil true",
      }, r.notes)
    end)
  end)


  describe("when a handler fails", function()
    for _, phase in ipairs { "rewrite", "access" } do
      it("in " .. phase .. " answers with a 500 in the client's format", function()
        local case = all(phase, "note(conf.of)")
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

    it("in header_filter replaces the response, with all its headers", function()
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

    it("in header_filter replaces an exit, too", function()
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

    it("in header_filter replaces a response without a body", function()
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

    describe("in header_filter, what body filters make of the 500 is not sent", function()
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

    describe("with an error that has no place, names the handler's", function()
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

      it("and not where the error has one", function()
        local r = run { one = { access = "local _ = kong.response.exit('400')" } }
        assert.matches('one.access:1: code must be a number (the access handler of plugin "one"'
                       .. " failed, request_id: ", r.log, 1, true)
      end)
    end)

    it("and is in no file, calls its plugin by its place in the list", function()
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

    it("in body_filter breaks the response off", function()
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

    it("in body_filter lets nothing through behind the gap", function()
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

    it("in log runs the next one", function()
      local r = run {
        one = { log = "error('x')" },
        two = { log = "note(kong.response.get_source())" },
      }
      assert.equal(200, r.status)
      assert.same({ "service" }, r.notes)
      assert.matches('one.log:1: x (the log handler of plugin "one" failed)', r.log, 1, true)
    end)

    it("to make a response that can be sent", function()
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

    it("after it has sent something breaks the response off", function()
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


  it("composes two plugins that buffer and change the body", function()
    local function change(from, to)
      return [[
        local body = kong.response.get_raw_body()
        if body then
          kong.response.set_raw_body((body:gsub("]] .. from .. [[", "]] .. to .. [[")))
        end
      ]]
    end
    local r = run {
      one = {
        header_filter = "kong.response.clear_header('Content-Length')",
        body_filter = change("a", "bb"),
      },
      two = { body_filter = change("bb", "ccc") },
      three = {
        body_filter = "if ngx.arg[2] then note(#ngx.arg[1], kong.response.get_source()) end",
      },
      upstream = [[
        for i = 1, 4 do
          ngx.print(("a"):rep(10000))
          ngx.flush(true)
        end
        return true
      ]],
    }
    assert.equal(120000, #r.body)
    assert.equal("", (r.body:gsub("c", "")))
    assert.same({ "120000 service" }, r.notes)
  end)


  it("does the same for many clients at once", function()
    local header = server:prepare {
      one = {
        access = [[
          kong.ctx.plugin.id, kong.ctx.shared.id = ngx.var.arg_id, ngx.var.arg_id
          ngx.sleep(math.random() / 50)
          if ngx.var.arg_id % 2 == 0 then
            kong.response.exit(403, "exit " .. kong.ctx.plugin.id)
          end
        ]],
        header_filter = [[
          kong.response.set_header("X-Id", kong.ctx.plugin.id .. " " .. kong.ctx.shared.id)
          kong.response.set_header("X-Source", kong.response.get_source())
        ]],
      },
    }
    local requests = {}
    for i = 1, 100 do
      requests[i] = { path = "/?id=" .. i, headers = { header } }
    end
    for i, r in ipairs(server:requests(requests)) do
      assert.equal(i .. " " .. i, r:header("X-Id"))
      assert.equal(i % 2 == 0 and "exit" or "service", r:header("X-Source"))
      assert.equal(i % 2 == 0 and "exit " .. i or "upstream", r.body)
    end
  end)
end)


it("twenty plugins run in the order of their priority", function()
  -- those without one have 0
  local priorities = {
    5, 1000000, -1, 17, 3, 3, 0, "false", 250, 1.5, 1, 999, -20, 17, 2, "false", 100, 12, 3, -0.5,
  }
  local order = { 2, 12, 9, 17, 4, 14, 18, 1, 5, 6, 19, 15, 10, 11, 7, 8, 16, 20, 3, 13 }

  nginx.once({
    init = [[
      local plugins = {}
      for i, priority in ipairs { ]] .. table.concat(priorities, ", ") .. [[ } do
        local function see()
          ngx.ctx.seen = (ngx.ctx.seen and ngx.ctx.seen .. " " or "") .. i
        end
        plugins[i] = { plugin = { PRIORITY = priority or nil, access = see, header_filter = see } }
      end
      lifecycle = require("kong.response.lifecycle").new(plugins)
    ]],
    locations = [[
      location / {
        access_by_lua_block { lifecycle.access() }
        content_by_lua_block { ngx.print(ngx.ctx.seen) }
        header_filter_by_lua_block {
          ngx.ctx.seen = nil
          lifecycle.header_filter()
          ngx.header["X-Seen"] = ngx.ctx.seen
        }
      }
    ]],
  }, function(server)
    local r = server:get("/")
    assert.equal(table.concat(order, " "), r.body)
    assert.equal(table.concat(order, " "), r:header("X-Seen"))
  end)
end)


describe("loading kong.response.lifecycle", function()
  it("makes the global kong, which plugins take at their top", function()
    require("spec.support.nginx").once({
      files = {
        ["early.lua"] = [[
          local kong = kong
          local Early = {}
          function Early:access()
            return kong.response.exit(200, "early " .. tostring(kong.ctx.plugin ~= nil))
          end
          return Early
        ]],
      },
      init = [[
        lifecycle = require("kong.response.lifecycle").new { { plugin = require "early" } }
      ]],
      locations = [[
        location = /early {
          access_by_lua_block { lifecycle.access() }
          content_by_lua_block { ngx.print("content") }
        }
      ]],
    }, function(server)
      assert.equal("early true", server:get("/early").body)
    end)
  end)
end)
