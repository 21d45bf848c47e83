-- Outside of a body filter nginx's pointer to the chunk leads to memory of another request or of
-- none. Each case comes after requests that have left such a pointer behind.

local inline = require "spec.support.inline"
local nginx = require "spec.support.nginx"


local DISABLED = "API disabled in the current context"

-- without the global `kong` nothing is checked but nginx's own phase; with it, KONG_PHASE claims
-- that this were a body filter
local GATEWAYS = {
  ["without a gateway"] = { init = "", claim = "" },
  ["with KONG_PHASE set by hand"] = {
    init = "kong = { ctx = {} } ",
    claim = "ngx.ctx.KONG_PHASE = 0x400 ",
  },
}

local CALL = [[
note(pcall(response.get_raw_body))
note(pcall(response.set_raw_body, "text"))
note(pcall(response.set_raw_body))
note(pcall(function() local body = response.get_raw_body() return body end))
note(pcall(function() response.set_raw_body("text") end))
]]


local function refusals(phase)
  return {
    "(false)", DISABLED,
    "(false)", DISABLED,
    "(false)", DISABLED,
    "(false)", phase .. ".lua:4: " .. DISABLED,
    "(false)", phase .. ".lua:5: " .. DISABLED,
  }
end


-- for phases without a request: the calls of CALL, and what came of them
local FILES = {
  ["calls.lua"] = [[
    local response = require "kong.response"

    return function()
      local results = {}
      local function add(ok, value)
        results[#results + 1] = tostring(ok) .. " " .. type(value) .. " " .. tostring(value)
      end
      add(pcall(response.get_raw_body))
      add(pcall(response.set_raw_body, "text"))
      add(pcall(response.set_raw_body))
      return table.concat(results, "\n")
    end
  ]],
}

local REFUSED = ("false string " .. DISABLED .. "\n"):rep(3):sub(1, -2)


local HTTP = [[
  upstream balanced {
    server 0.0.0.1;
    balancer_by_lua_block {
      require("phases").run("balancer")
      assert(require("ngx.balancer").set_current_peer("127.0.0.1", %{upstream_port}))
    }
  }
  init_worker_by_lua_block {
    local calls = require "calls"
    results = { init_result, calls() }
    CLAIM
    results[3] = calls()
    ngx.timer.at(0, function()
      results[4] = calls()
      CLAIM
      results[5] = calls()
    end)
  }
]]

local LOCATIONS = table.concat {
  inline.location("= /content", inline.phase "content"),
  inline.location("= /proxy", "proxy_pass http://127.0.0.1:%{upstream_port}/;"),
  inline.location("= /balanced", "proxy_pass http://balanced;"),
  inline.location("= /set", 'set_by_lua_block $set { require("phases").run("set") }'
    .. inline.phase "content"),
  [[
    location = /results {
      content_by_lua_block { ngx.print(table.concat(results, "|")) }
    }
  ]],
}

-- for the phases of a TLS handshake, which come before there is a request
local TLS = [[
  server {
    listen 127.0.0.1:%{tls_port} ssl;
    ssl_certificate PEM;
    ssl_certificate_key PEM;
    ssl_client_hello_by_lua_block {
      CLAIM
      require("phases").note(require("calls")())
    }
    ssl_certificate_by_lua_block {
      CLAIM
      require("phases").note(require("calls")())
    }
    return 204;
  }
]]

local SERVERS = [[
  server {
    listen 127.0.0.1:%{upstream_port};
    location / {
      ]] .. inline.phase("upstream", "content") .. [[
    }
  }
]]


--- Makes a key and a certificate; nil where the command for it is missing.
local function make_pem()
  local path = os.tmpname()
  local status = os.execute("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    .. " -days 2 -subj /CN=localhost -keyout " .. path .. " -out " .. path .. ".crt >/dev/null 2>&1"
    .. " && cat " .. path .. ".crt >> " .. path)
  os.remove(path .. ".crt")
  if status == 0 or status == true then
    return path
  end
  os.remove(path)
end


for _, jit_mode in ipairs { "on", "off" } do
  for gateway, options in pairs(GATEWAYS) do
    describe("the body functions " .. gateway .. ", with the JIT " .. jit_mode, function()
      local server, pids, pem

      setup(function()
        pem = make_pem()
        server = nginx.start(inline.options {
          init = options.init .. "jit." .. jit_mode .. "() init_result = require('calls')()",
          http = HTTP:gsub("CLAIM", options.claim),
          locations = LOCATIONS,
          servers = SERVERS
            .. (pem and TLS:gsub("PEM", pem):gsub("CLAIM", options.claim) or ""),
          files = FILES,
        })
        pids = server:worker_pids()
      end)

      teardown(function()
        server:stop()
        if pem then
          os.remove(pem)
        end
      end)

      local function ask(path, phases, request)
        return inline.ask(server, path, phases, request)
      end

      local UPSTREAM = "ngx.print(('secret '):rep(20000))"

      local LEAVE_BUFFER = options.claim .. "response.get_raw_body()"

      before_each(function()
        server:clear_log()
        -- one body that was read to its end and one that broke off
        local r = ask("/proxy", { upstream = UPSTREAM, body_filter = LEAVE_BUFFER })
        assert.equal(140000, #r.body)
        ask("/proxy", {
          upstream = "ngx.header.content_length = 100000 " .. UPSTREAM:gsub("20000", "5000"),
          body_filter = LEAVE_BUFFER,
        }, { max_time = 0.2 })
        server:clear_log()
      end)

      after_each(function()
        assert.same({}, inline.alarms(server))
        assert.same(pids, server:worker_pids())
      end)


      for _, phase in ipairs { "rewrite", "access", "header_filter", "log" } do
        it("are refused in the phase " .. phase, function()
          for _, http2 in ipairs { false, true } do
            local r, notes = ask("/proxy", {
              upstream = "ngx.print('body')",
              [phase] = options.claim .. CALL,
            }, { http2 = http2 })
            assert.equal(0, r.exit)
            assert.equal("body", r.body)
            assert.same(refusals(phase), notes)
          end
        end)
      end

      it("are refused in the phase content, before and after output", function()
        local r, notes = ask("/content", {
          content = options.claim .. CALL,
        })
        assert.equal("", r.body)
        assert.same(refusals("content"), notes)

        r, notes = ask("/content", {
          content = options.claim .. CALL:gsub("^", "ngx.print('one ') ngx.flush(true) ")
            .. "ngx.print('two')",
          body_filter = options.claim .. "local body = response.get_raw_body() note(body)",
        })
        assert.equal("one two", r.body)
        local refused = {}
        for _, value in ipairs(notes) do
          if value ~= "(nil)" and value ~= "one two" then
            refused[#refused + 1] = value
          end
        end
        assert.same(refusals("content"), refused)
      end)

      it("are refused in the log phase after the body has been buffered", function()
        local r, notes = ask("/content", {
          content = "ngx.print('one ') ngx.print('two')",
          body_filter = LEAVE_BUFFER,
          log = options.claim .. CALL,
        })
        assert.equal("one two", r.body)
        assert.same(refusals("log"), notes)
      end)

      it("are refused in the log phase when the client hung up in the middle", function()
        for _ = 1, 5 do
          local connection = server:connect()
          connection:send("GET " .. inline.path("/proxy", {
            upstream = "ngx.print(('secret '):rep(20000)) ngx.flush(true) note('sent') "
              .. "ngx.sleep(0.2)",
            body_filter = LEAVE_BUFFER,
            log = options.claim .. CALL,
          }) .. " HTTP/1.1\r\nHost: a\r\n\r\n")
          assert.same({ "sent" }, inline.wait_notes(server, 1))
          connection:reset()
          assert.same(refusals("log"), inline.wait_notes(server, 10))
        end
      end)

      it("are refused in the log phase when the upstream died in the middle", function()
        local _, notes = ask("/proxy", {
          upstream = "ngx.header.content_length = 1000000 " .. UPSTREAM
            .. " ngx.flush(true) ngx.exit(444)",
          body_filter = LEAVE_BUFFER,
          log = options.claim .. CALL,
        })
        assert.same(refusals("log"), notes)
      end)

      it("are refused while a variable is set", function()
        local _, notes = ask("/set", {
          set = options.claim .. CALL,
          content = "ngx.print('text')",
        })
        assert.same(refusals("set"), notes)
      end)

      it("are refused in the balancer", function()
        local r, notes = ask("/balanced", {
          upstream = "ngx.print('body')",
          balancer = options.claim .. CALL,
        })
        assert.equal("body", r.body)
        assert.same(refusals("balancer"), notes)
      end)

      it("are refused in timers", function()
        local _, notes = ask("/content", {
          content = "assert(ngx.timer.at(0, function(premature) " .. options.claim .. CALL
            .. " end)) ngx.sleep(0.05)",
        })
        assert.same(refusals("content"), notes)
      end)

      it("are refused in timers that run while a body is being buffered", function()
        local r, notes = ask("/content", {
          content = "ngx.print('one ') "
            .. "assert(ngx.timer.at(0, function() " .. options.claim .. CALL:gsub("\n", " ")
            .. " end)) ngx.sleep(0.05) ngx.print('two')",
          body_filter = LEAVE_BUFFER,
        })
        assert.equal("one two", r.body)
        assert.equal(10, #notes)
        for i = 1, 10, 2 do
          assert.equal("(false)", notes[i])
          assert.matches(DISABLED .. "$", notes[i + 1])
        end
      end)

      it("are refused in light threads and coroutines of the content phase", function()
        for _, way in ipairs {
          "ngx.thread.wait(ngx.thread.spawn(function() %s end))",
          "coroutine.wrap(function() %s end)()",
        } do
          local r, notes = ask("/content", {
            content = options.claim .. way:format(CALL) .. " ngx.print('x')",
          })
          assert.equal("x", r.body)
          assert.same(refusals("content"), notes)
        end
      end)

      it("are refused where there is no request", function()
        local expected = (REFUSED .. "|"):rep(5):sub(1, -2)
        local results
        nginx.wait_until(5, function()
          results = server:get("/results").body
          return #results >= #expected -- the timer has run
        end)
        assert.equal(expected, results)
      end)

      it("are refused during a TLS handshake", function()
        if not pem then
          pending("needs the command openssl")
          return
        end
        local r, notes = ask("/content", {
          content = [[
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", ngx.var.arg_port))
            assert(sock:sslhandshake())
            ngx.print("done")
          ]],
          port = tostring(server.ports.tls_port),
        })
        assert.equal("done", r.body)
        assert.same({ REFUSED, REFUSED }, notes)
      end)

      it("are refused to a subrequest's header filter while the main body is buffered", function()
        local r, notes = ask("/content", {
          content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body)"):format(
            inline.path("/content", {
              content = "ngx.print('sub')",
              header_filter = options.claim .. CALL,
            })),
          body_filter = LEAVE_BUFFER,
        })
        assert.equal("main sub", r.body)
        assert.same(refusals("header_filter"), notes)
      end)

      it("work in a coroutine of the body filter", function()
        local r, notes = ask("/content", {
          content = "ngx.print('one ') ngx.print('two')",
          body_filter = options.claim .. [[
            note(coroutine.wrap(function()
              local body = response.get_raw_body()
              if body then
                response.set_raw_body(body:upper())
              end
              return body
            end)())
          ]],
        })
        assert.equal("ONE TWO", r.body)
        assert.same({ "(nil)", "(nil)", "one two" }, notes)
      end)

      it("serve the next request as ever", function()
        for _, phase in ipairs { "rewrite", "access", "header_filter", "log" } do
          ask("/proxy", { upstream = UPSTREAM, [phase] = options.claim .. CALL })
          local r = ask("/proxy", {
            upstream = "ngx.print('body')",
            body_filter = options.claim .. "local body = response.get_raw_body() "
              .. "if body then response.set_raw_body(body:upper()) end",
            header_filter = "ngx.header.content_length = nil",
          })
          assert.equal("BODY", r.body)
        end
      end)
    end)
  end
end


describe("behind the end of a body, where nginx forgets to leave the filter's phase", function()
  it("the body functions refuse, and still work in a coroutine of a filter", function()
    nginx.once({
      init = [[
        response = require "kong.response"
        seen = {}
        function see(...)
          seen[#seen + 1] = table.concat({ ngx.get_phase(), tostring(...), (select(2, ...)) }, " ")
        end
      ]],
      locations = [[
        location = /seen {
          content_by_lua_block { ngx.print(table.concat(seen, "\n")) }
        }
        location = /stale {
          content_by_lua_block {
            ngx.print("body")
            pcall(ngx.flush, true)
            pcall(ngx.print, "too late")
            see(pcall(response.get_raw_body))
            see(coroutine.wrap(function() return pcall(response.get_raw_body) end)())
            see(pcall(response.set_raw_body, "text"))
          }
          body_filter_by_lua_block {
            ngx.arg[2] = true
            see(coroutine.wrap(function() return pcall(response.get_raw_body) end)())
          }
        }
      ]],
    }, function(server)
      assert.equal("body", server:get("/stale").body)
      assert.equal("body_filter true body\n" .. ("body_filter false " .. DISABLED .. "\n"):rep(2)
        .. "body_filter false " .. DISABLED, server:get("/seen").body)
    end)
  end)
end)
