local inline = require "spec.support.inline"
local nginx = require "spec.support.nginx"


local CONTENT = inline.phase "content"

local UPSTREAM = "proxy_http_version 1.1; proxy_pass http://127.0.0.1:%{upstream_port}/;\n"

local LOCATIONS = table.concat {
  inline.location("= /content", CONTENT),
  inline.location("= /sub", CONTENT),
  inline.location("= /return", 'return 200 "all at once";'),
  inline.location("= /return_nothing", 'return 200 "";'),
  inline.location("= /proxy", UPSTREAM),
  inline.location("= /unbuffered", "proxy_buffering off;" .. UPSTREAM),
}

local SERVERS = [[
  server {
    listen 127.0.0.1:%{upstream_port};
    location / {
      ]] .. inline.phase("upstream", "content") .. [[
    }
  }
]]

local CLEAR_LENGTH = "ngx.header.content_length = nil"
local THREE_CHUNKS = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]]

local ODD_BODIES = {
  "", "nil", "true", "17", "{}", "{ 'text' }", "print", "ngx.null", "newproxy(true)",
  "coroutine.create(print)", "require('ffi').new('int')", "setmetatable({}, {"
    .. " __tostring = function() return 'text' end })",
}

local NAMES = {
  [0x1] = "init_worker",
  [0x2] = "certificate",
  [0x8] = "client_hello",
  [0x10] = "rewrite",
  [0x20] = "access",
  [0x40] = "balancer",
  [0x80] = "response",
  [0x100] = "cluster_listener",
  [0x200] = "header_filter",
  [0x2000] = "log",
  [0x4000] = "preread",
  [0x1000000] = "error",
  [0x10000000] = "admin_api",
  [0x4] = "'unknown phase'",
  [0x800] = "'unknown phase'",
  [0x20000000] = "'unknown phase'",
}


for _, jit_mode in ipairs { "on", "off" } do
  describe("set_raw_body with the JIT " .. jit_mode, function()
    local server, pids

    setup(function()
      server = nginx.start(inline.options {
        init = "jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
      })
      pids = server:worker_pids()
    end)

    teardown(function()
      server:stop()
    end)

    before_each(function()
      server:clear_log()
    end)

    after_each(function()
      assert.same({}, inline.alarms(server))
      assert.same(pids, server:worker_pids())
    end)

    local function ask(...)
      return inline.ask(server, ...)
    end

    --- Runs the test over both versions of HTTP.
    local function each_version(test)
      for _, http2 in ipairs { false, true } do
        test({ http2 = http2 })
      end
    end


    describe("refuses", function()
      it("a body that is not a string, at the plugin's line", function()
        for _, value in ipairs(ODD_BODIES) do
          local r, notes = ask("/content", {
            content = THREE_CHUNKS,
            body_filter = "note(pcall(function()\n\n  response.set_raw_body(" .. value
              .. ")\nend))",
          })
          assert.equal("one two three", r.body)
          assert.equal(8, #notes)
          for i = 1, #notes, 2 do
            assert.equal("(false)", notes[i])
            assert.equal("body_filter.lua:3: body must be a string", notes[i + 1])
          end
        end
      end)

      it("a body that is not a string, with no position when there is no plugin", function()
        for _, value in ipairs(ODD_BODIES) do
          local r, notes = ask("/return", {
            body_filter = "note(pcall(response.set_raw_body"
              .. (value == "" and "" or ", " .. value) .. "))",
          })
          assert.equal("all at once", r.body)
          assert.same({ "(false)", "body must be a string" }, notes)
        end
      end)

      it("with an error that nginx can log", function()
        local r = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = "\nresponse.set_raw_body(nil)",
        })
        assert.not_equal(0, r.exit)
        assert.truthy(server:wait_log(
          "failed to run body_filter_by_lua%*: body_filter.lua:2: body must be a string"))
      end)

      it("without touching what is buffered", function()
        local r, notes = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = [[
            local body = response.get_raw_body()
            pcall(response.set_raw_body, nil)
            note(body, ngx.arg[1], ngx.arg[2])
          ]],
        })
        assert.equal("one two three", r.body)
        assert.same({
          "(nil)", "", "(false)", "(nil)", "", "(false)", "(nil)", "", "(false)",
          "one two three", "one two three", "(true)",
        }, notes)
      end)
    end)


    it("returns nothing", function()
      local _, notes = ask("/return", {
        header_filter = CLEAR_LENGTH,
        body_filter = "note(select('#', response.set_raw_body('text')))",
      })
      assert.same({ "(0)" }, notes)
    end)

    it("replaces a body of one chunk", function()
      each_version(function(options)
        local r, notes = ask("/return", {
          header_filter = CLEAR_LENGTH,
          body_filter = [[
            response.set_raw_body("something longer than it was")
            note(ngx.arg[1], ngx.arg[2])
          ]],
        }, options)
        assert.equal(0, r.exit)
        assert.equal("something longer than it was", r.body)
        assert.same({ "something longer than it was", "(true)" }, notes)
      end)
    end)

    it("replaces an empty body", function()
      each_version(function(options)
        for path, content in pairs {
          ["/return_nothing"] = "",
          ["/content"] = "ngx.exit(200)",
          ["/proxy"] = "",
          ["/unbuffered"] = "",
        } do
          local r = ask(path, {
            content = content,
            upstream = "ngx.header.content_length = 0",
            header_filter = CLEAR_LENGTH,
            body_filter = "response.set_raw_body('text')",
          }, options)
          assert.equal(0, r.exit)
          assert.equal("text", r.body)
        end
      end)
    end)

    it("ends the body: later chunks are dropped", function()
      each_version(function(options)
        local r, notes = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = "note(ngx.arg[1]) response.set_raw_body('new') note(ngx.arg[2])",
        }, options)
        assert.equal(0, r.exit)
        assert.equal("new", r.body)
        -- nginx has no reason to call the filter again
        assert.same({ "one ", "(true)" }, notes)

        for _, path in ipairs { "/proxy", "/unbuffered" } do
          r = ask(path, {
            upstream = [[
              for i = 1, 20 do
                ngx.print(("x"):rep(1000))
                ngx.flush(true)
                ngx.sleep(0.002)
              end
            ]],
            body_filter = "response.set_raw_body('new')",
          }, options)
          assert.equal(0, r.exit)
          assert.equal("new", r.body)
        end
      end)
    end)

    it("ends the body in the middle", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          if ngx.arg[1] == "two " then
            response.set_raw_body("new")
          end
        ]],
      })
      assert.equal(0, r.exit)
      assert.equal("one new", r.body)
    end)

    it("sends a line end for the empty string", function()
      each_version(function(options)
        local r, notes = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = "response.set_raw_body('') note(ngx.arg[1], ngx.arg[2])",
        }, options)
        assert.equal(0, r.exit)
        assert.equal("\n", r.body)
        assert.same({ "\n", "(true)" }, notes)

        r = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = "if response.get_raw_body() then response.set_raw_body('') end",
        }, options)
        assert.equal(0, r.exit)
        assert.equal("\n", r.body)
      end)
    end)

    it("sends every byte", function()
      local bytes = {}
      for byte = 0, 255 do
        bytes[#bytes + 1] = string.char(byte)
      end
      bytes = table.concat(bytes)
      each_version(function(options)
        local r = ask("/return", {
          header_filter = CLEAR_LENGTH,
          body_filter = [[
            local bytes = {}
            for byte = 0, 255 do
              bytes[#bytes + 1] = string.char(byte)
            end
            response.set_raw_body(table.concat(bytes):rep(3))
          ]],
        }, options)
        assert.equal(bytes:rep(3), r.body)
        r = ask("/return", {
          header_filter = CLEAR_LENGTH,
          body_filter = [[response.set_raw_body("\0")]],
        }, options)
        assert.equal("\0", r.body)
      end)
    end)

    it("sends 16 MB", function()
      local blocks = {}
      for i = 1, 256 do
        blocks[i] = ("%08x"):format(i):rep(8192)
      end
      local big = table.concat(blocks)
      each_version(function(options)
        local r = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = [[
            local blocks = {}
            for i = 1, 256 do
              blocks[i] = ("%08x"):format(i):rep(8192)
            end
            response.set_raw_body(table.concat(blocks))
          ]],
        }, options)
        assert.equal(0, r.exit)
        -- not assert.equal: a failure would print 16 MB
        assert.is_true(r.body == big)
      end)
    end)

    it("takes the last of several bodies", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          response.set_raw_body("first")
          response.set_raw_body("second")
          response.set_raw_body("third")
        ]],
      })
      assert.equal("third", r.body)
    end)

    it("is seen by the plugins behind", function()
      local r, notes = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          response.set_raw_body("new")
          note(response.get_raw_body(), response.get_raw_body(), ngx.arg[1], ngx.arg[2])
        ]],
      })
      assert.equal("new", r.body)
      assert.same({ "new", "new", "new", "(true)" }, notes)
    end)

    it("can be changed by the plugins behind", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          response.set_raw_body("new")
          ngx.arg[1] = ngx.arg[1]:upper()
        ]],
      })
      assert.equal("NEW", r.body)
    end)

    it("drops what was buffered", function()
      local r, notes = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          response.get_raw_body()
          if ngx.ctx.chunks == 2 then
            response.set_raw_body("new")
            note(response.get_raw_body())
          end
        ]],
      })
      assert.equal("new", r.body)
      assert.same({ "new" }, notes)
    end)

    it("drops what was buffered also when nobody asks again", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          if ngx.ctx.chunks == 1 then
            response.get_raw_body()
          else
            response.set_raw_body("new")
          end
        ]],
      })
      assert.equal("new", r.body)
    end)

    it("sends the very string that get_raw_body returned, and changes of it", function()
      each_version(function(options)
        for change, expected in pairs {
          ["body"] = "one two three",
          ["body .. ''"] = "one two three",
          ["body:upper()"] = "ONE TWO THREE",
          ["body:sub(1, 3)"] = "one",
        } do
          local r = ask("/content", {
            content = THREE_CHUNKS,
            body_filter = "local body = response.get_raw_body() if body then response.set_raw_body("
              .. change .. ") end",
          }, options)
          assert.equal(expected, r.body)
        end
      end)
    end)

    it("sends the string even if the chunk has been changed since get_raw_body", function()
      for _, change in ipairs { "'other'", "nil", "body:upper()", "{ 'one two', ' three' }" } do
        local r = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = "local body = response.get_raw_body() if body then ngx.arg[1] = " .. change
            .. " response.set_raw_body(body) end",
        })
        assert.equal("one two three", r.body)
      end
    end)

    it("sends the string that another request's get_raw_body returned", function()
      for _ = 1, 3 do
        local r = ask("/content", {
          content = THREE_CHUNKS,
          body_filter = [[
            local body = response.get_raw_body()
            if body then
              last_body = last_body or body
              response.set_raw_body(last_body)
            end
          ]],
        })
        assert.equal("one two three", r.body)
      end
    end)

    it("ends the body again after somebody said it goes on", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          local body = response.get_raw_body()
          if body then
            ngx.arg[2] = false
            response.set_raw_body(body)
            note(ngx.arg[2])
          end
        ]],
      })
      assert.equal(0, r.exit)
      assert.equal("one two three", r.body)
    end)

    it("leaves Content-Length alone", function()
      local r = ask("/proxy", {
        upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
        body_filter = "response.set_raw_body('new')",
      }, { max_time = 0.5 }) -- the client waits for seven more bytes
      assert.equal("10", r:header("Content-Length"))
      assert.equal("new", r.body)

      r = ask("/proxy", {
        upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
        body_filter = "response.set_raw_body('abcdefghij')",
      })
      assert.equal(0, r.exit)
      assert.equal("abcdefghij", r.body)
    end)

    it("sets the body of a subrequest only", function()
      local r = ask("/content", {
        content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body, ' end')"):format(
          inline.path("/sub", {
            content = THREE_CHUNKS,
            body_filter = "response.set_raw_body('new')",
          })),
        body_filter = "response.get_raw_body()",
      })
      assert.equal("main new end", r.body)
    end)

    it("does not bring a body to HEAD, 204 and 304", function()
      each_version(function(options)
        options.method = "HEAD"
        local r = ask("/proxy", {
          upstream = "ngx.header.content_length = 5 ngx.print('hello')",
          body_filter = "response.set_raw_body('new')",
        }, options)
        assert.equal(0, r.exit)
        assert.equal("5", r:header("Content-Length"))
        assert.equal("", r.body)
        options.method = nil
        for _, status in ipairs { 204, 304 } do
          r = ask("/proxy", {
            upstream = "ngx.exit(" .. status .. ")",
            body_filter = "response.set_raw_body('new')",
          }, options)
          assert.equal(0, r.exit)
          assert.equal(status, r.status)
          assert.equal("", r.body)
        end
      end)
    end)
  end)


  describe("the phase check of the body functions with the JIT " .. jit_mode, function()
    local server

    setup(function()
      server = nginx.start(inline.options {
        init = "kong = { ctx = {} } jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
      })
    end)

    teardown(function()
      server:stop()
    end)

    local function ask(...)
      return inline.ask(server, ...)
    end

    -- set_raw_body is given no string: the phase is checked before that
    local CALL = [[
      note(pcall(response.get_raw_body))
      note(pcall(response.set_raw_body))
      note(pcall(function() local body = response.get_raw_body() return body end))
      note(pcall(function() response.set_raw_body(1) end))
    ]]

    local function refusals(phase, message)
      return {
        "(false)", message,
        "(false)", message,
        "(false)", phase .. ".lua:3: " .. message,
        "(false)", phase .. ".lua:4: " .. message,
      }
    end

    it("lets them through in the body filter", function()
      local r = ask("/content", {
        content = THREE_CHUNKS,
        body_filter = [[
          ngx.ctx.KONG_PHASE = 0x400
          local body = response.get_raw_body()
          if body then response.set_raw_body(body:upper()) end
        ]],
      })
      assert.equal("ONE TWO THREE", r.body)
    end)

    it("names the phase that KONG_PHASE tells", function()
      for bit, name in pairs(NAMES) do
        local r, notes = ask("/return", {
          body_filter = "ngx.ctx.KONG_PHASE = " .. bit .. " " .. CALL,
        })
        assert.equal("all at once", r.body)
        assert.same(refusals("body_filter", "function cannot be called in " .. name
          .. " phase (only in: body_filter)"), notes)
      end
    end)

    it("names the phase in which they were really called", function()
      for bit, phase in pairs {
        [0x10] = "rewrite",
        [0x20] = "access",
        [0x200] = "header_filter",
        [0x2000] = "log",
      } do
        local _, notes = ask("/content", {
          content = "ngx.exit(200)",
          [phase] = "ngx.ctx.KONG_PHASE = " .. bit .. " " .. CALL,
        })
        assert.same(refusals(phase, "function cannot be called in " .. phase
          .. " phase (only in: body_filter)"), notes)
      end
    end)

    it("takes nginx's content phase for the Admin API", function()
      local _, notes = ask("/content", { content = CALL .. " ngx.print('text')" })
      assert.same(refusals("content",
        "function cannot be called in admin_api phase (only in: body_filter)"), notes)
    end)

    it("asks for a phase where there is none", function()
      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        local r, notes = ask("/content", { content = "ngx.exit(200)", [phase] = CALL })
        assert.equal(200, r.status)
        assert.same(refusals(phase,
          "no phase in ngx.ctx.KONG_PHASE, (need one of body_filter)"), notes)
      end
    end)

    it("is not made without the global kong or without kong.ctx", function()
      for _, hide in ipairs { "kong = nil", "kong = {}" } do
        local r, notes = ask("/return", {
          body_filter = "local saved = kong " .. hide .. " note(response.get_raw_body()) "
            .. "response.set_raw_body('new at once') kong = saved",
        })
        assert.equal("new at once", r.body)
        assert.same({ "all at once" }, notes)
      end
    end)
  end)
end
