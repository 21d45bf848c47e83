-- The life cycle inside of nginx: filters that run while a handler prints, the log of what fails,
-- and connections that are no responses.

local lifecycle = require "spec.support.lifecycle"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local ALL_PRINTS = {
  ["ngx.say"] = "ngx.say('x')",
  ["ngx.print and ngx.flush"] = "ngx.print('x') ngx.flush(true)",
  ["ngx.send_headers"] = "ngx.send_headers()",
  ["ngx.print in a coroutine"] = "coroutine.wrap(function() ngx.print('x') end)()",
  ["ngx.print in a light thread"] =
    "ngx.thread.wait(ngx.thread.spawn(function() ngx.print('x') ngx.flush(true) end))",
  ["a subrequest that shares ngx.ctx"] =
    "ngx.location.capture('/sub', { ctx = ngx.ctx }) ngx.print('x')",
}

local SENT = "headers have already been sent"


served.describe("the life cycle runs filters inside of another phase:", function()
  return lifecycle.start {
    http = "proxy_http_version 1.1;",
    locations = [[
      location = /sub { content_by_lua_block { ngx.print("sub") } }
      location = /exec {
        rewrite_by_lua_block { lifecycle.rewrite() }
        access_by_lua_block { lifecycle.access() }
        content_by_lua_block { ngx.exec("/content") }
      }
      location = /page {
        error_page 404 /error_page;
        return 404;
      }
      location = /error_page {
        content_by_lua_block {
          local after = ngx.ctx.KONG_PHASE
          ngx.ctx.KONG_PHASE = 0x1000000
          ngx.print("page")
          require("plugins").note(("0x%x"):format(ngx.ctx.KONG_PHASE), after)
          require("plugins").run("content")
        }
      }
    ]],
  }
end, function(server)
  for what, code in pairs(ALL_PRINTS) do
    for phase, bit in pairs { rewrite = "0x10", access = "0x20" } do
      it(what .. " in " .. phase .. ", and an exit raises an error", function()
        -- lua-nginx-module has no subrequests over HTTP/2.
        for _, http2 in ipairs(code:find("capture", 1, true) and { false } or { false, true }) do
          local r = server:run {
            path = "/content",
            http2 = http2,
            one = {
              [phase] = code .. [[

                note(("0x%x"):format(ngx.ctx.KONG_PHASE))
                note(pcall(function() local _ = kong.response.exit(403, "no") end))
                note(pcall(function() local _ = kong.response.error(500) end))
                note(pcall(function() kong.response.set_status(404) end))
                kong.response.exit(403, "no")
              ]],
            },
          }
          local message = "one." .. phase .. ":%d: " .. SENT
          assert.same({
            bit, "false " .. message:format(3), "false " .. message:format(4),
            "false " .. message:format(5),
          }, r.notes)
          assert.matches(message:format(6) .. " (the " .. phase .. ' handler of plugin "one"',
                         r.log, 1, true)
          assert.is_nil(r.log:find("body_filter phase", 1, true))
          assert.is_nil(r.log:find("header_filter phase", 1, true))
        end
      end)
    end
  end

  it("in content, which keeps its phase", function()
    local r = server:run {
      path = "/content",
      one = { access = "note(('0x%x'):format(ngx.ctx.KONG_PHASE))" },
      content = [[
        local note = require("plugins").note
        ngx.print("x")
        ngx.flush(true)
        note(("0x%x"):format(ngx.ctx.KONG_PHASE))
        note(pcall(function() local _ = kong.response.exit(403, "no") end))
      ]],
    }
    assert.same({ "0x20", "0x20", "false content:5: " .. SENT }, r.notes)
  end)

  it("in the error phase", function()
    local r = server:run { path = "/page", content = [[
      local note = require("plugins").note
      note(pcall(function() local _ = kong.response.error(500) end))
    ]] }
    assert.same({ "0x1000000 nil", "false content:2: " .. SENT }, r.notes)
  end)

  it("after which an exit is delayed, also with the ngx.ctx of a subrequest", function()
    local r = server:run {
      path = "/content",
      one = { access = [[
        ngx.location.capture("/sub", { ctx = ngx.ctx })
        note(ngx.ctx.delay_response)
        kong.response.exit(403, "no")
      ]] },
      two = { access = "note('two')" },
    }
    assert.equal(403, r.status)
    assert.equal("no", r.body)
    assert.same({ "true" }, r.notes)
  end)

  it("whose phase stays after a handler raised an error", function()
    local r = server:run {
      path = "/content",
      one = {
        access = [[
          pcall(ngx.print, "x")
          pcall(ngx.flush, true)
          note(("0x%x"):format(ngx.ctx.KONG_PHASE))
        ]],
        body_filter = "error('x')",
      },
    }
    assert.equal("0x20", r.notes[1])
  end)

  it("with the flag for the end of an empty body before handlers run", function()
    for _, path in ipairs { "/", "/content", "/page", "/exec" } do
      local r = server:run {
        path = path,
        one = { header_filter = "note(ngx.ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY)" },
        content = "ngx.print('x')",
      }
      assert.same({ "true" }, { r.notes[#r.notes - (path == "/page" and 1 or 0)] }, path)
    end
  end)
end)


describe("the log line of a failed handler", function()
  local server, stable

  setup(function()
    server = lifecycle.start { http = "proxy_http_version 1.1;" }
    -- If the configuration uses the variable, a request has only one id.
    stable = lifecycle.start { http = "log_format ids $request_id;" }
  end)

  teardown(function()
    server:stop()
    stable:stop()
  end)

  --- The lines of the level error, without what nginx puts around them.
  local function lines(log)
    local found = {}
    for line in log:gmatch("%[error%] %d+#%d+: %*%d+ ([^\n]*)") do
      found[#found + 1] = line
    end
    return found
  end

  local HANDLERS = {
    rewrite = { rewrite = "error('boom')" },
    access = { access = "error('boom')" },
    header_filter = { header_filter = "error('boom')" },
  }

  for phase, handlers in pairs(HANDLERS) do
    it("in " .. phase .. " begins with its message and has the id of the page", function()
      for _, request in ipairs {
        {}, { http_version = "1.0" }, { http2 = true }, { headers = { "Accept: text/html" } },
        stable,
      } do
        local r
        if request == stable then
          r = stable:run { one = handlers }
        else
          request.one = handlers
          r = server:run(request)
        end
        assert.equal(500, r.status)
        local id = r.body:match("request_id\":\"(%x+)") or r.body:match("request_id: (%x+)")
        assert.equal(32, #id)
        local found = lines(r.log)
        assert.equal(1, #found)
        local expected = ('one.%s:1: boom (the %s handler of plugin "one" failed, request_id: %s)')
          :format(phase, phase, id)
        assert.equal(expected, found[1]:sub(1, #expected))
        assert.is_truthy(r.log:find(expected .. "\nstack traceback:\n", 1, true))
      end
    end)
  end

  it("has the id of the page if its response cannot be sent", function()
    local r = server:run {
      one = { access = [[
        coroutine.wrap(function() kong.response.exit(403, "no") end)()
        ngx.ctx.delayed_response.status_code = 1000
      ]] },
    }
    local id = r.body:match("request_id\":\"(%x+)")
    assert.same({ "code must be a number between 100 and 599 (the delayed response of plugin "
      .. '"one" cannot be sent, request_id: ' .. id .. ")" },
      { (lines(r.log)[1]:gsub(", client: .*", "")) })
  end)

  it("in body_filter and log has the id of the page that was sent before", function()
    local r = server:run {
      one = { access = "error('boom')", log = "error('log')" },
      two = { log = "error('again')" },
    }
    local id = r.body:match("request_id\":\"(%x+)")
    local found = lines(r.log)
    assert.equal(3, #found)
    for i, text in ipairs { "one.access:1: boom", "one.log:1: log", "two.log:1: again" } do
      assert.equal(1, found[i]:find(text, 1, true))
      assert.is_truthy(found[i]:find("failed, request_id: " .. id .. ")", 1, true), found[i])
    end

    r = server:run {
      one = { access = "error('boom')", body_filter = "error('body')" },
    }
    found = lines(r.log)
    id = found[1]:match("request_id: (%x+)")
    assert.is_truthy(found[2]:find("one.body_filter:1: body (the body_filter handler of plugin "
      .. '"one" failed, request_id: ' .. id .. ")", 1, true), found[2])
  end)

  it("in body_filter and log has an id only if the configuration uses it", function()
    for host, has_id in pairs { [stable] = true, [server] = false } do
      local r = host:run {
        one = {
          body_filter = "if ngx.arg[2] then error('body') end",
          log = "note(ngx.var.request_id) error('log')",
        },
      }
      local found = lines(r.log)
      assert.equal(2, #found)
      for i, phase in ipairs { "body_filter", "log" } do
        local id = has_id and ", request_id: " .. r.notes[1] or ""
        assert.is_truthy(found[i]:find("(the " .. phase .. ' handler of plugin "one" failed'
          .. id .. ")", 1, true), found[i])
      end
    end
  end)

  it("shows errors that are not strings, and the beginning of long ones", function()
    local r = server:run { one = { access = "error({})" } }
    assert.equal(1, lines(r.log)[1]:find("table: 0x", 1, true))
    r = server:run { one = { access = [[
      error(setmetatable({}, { __tostring = function() error("no") end }))
    ]] } }
    assert.equal(500, r.status)
    assert.equal(1, lines(r.log)[1]:find("(error object is a table value) (the access handler", 1,
                                         true))
    for _, phase in ipairs { "access", "header_filter", "log" } do
      r = server:run { one = { [phase] = "error(('x'):rep(5000))" } }
      local line = lines(r.log)[1]
      assert.equal(1, line:find("one." .. phase .. ":1: xxx", 1, true))
      assert.is_truthy(line:find("xxx ... (the " .. phase .. ' handler of plugin "one" failed', 1,
                                 true))
    end
  end)

  it("has the id of the option request_id, which is called once for a request", function()
    nginx.once({
      init = [[
        local asked = 0
        kong = { response = require("kong.response.instance").new {
          request_id = function()
            asked = asked + 1
            return ngx.var.arg_id and ngx.var.arg_id .. "-" .. asked
          end,
        } }
        lifecycle = require("kong.response.lifecycle").new {
          { name = "one", plugin = {
            access = function() error("boom", 0) end,
            log = function() error("log", 0) end,
          } },
        }
      ]],
      locations = [[
        location / {
          access_by_lua_block { lifecycle.access() }
          log_by_lua_block { lifecycle.log() ngx.log(ngx.NOTICE, "over") }
        }
      ]],
    }, function(other)
      assert.matches('"request_id":"mine-1"', other:get("/?id=mine").body, 1, true)
      assert.truthy(other:wait_log("over", 2))
      local found = lines(other:log())
      assert.equal(2, #found)
      assert.matches("boom (the access handler at ", found[1], 1, true)
      for _, line in ipairs(found) do
        assert.matches('of plugin "one" failed, request_id: mine-1)', line, 1, true)
      end
      -- One that says nothing leaves the page's empty.
      other:clear_log()
      assert.matches('"request_id":""', other:get("/").body, 1, true)
      assert.matches("failed, request_id: )", lines(other:log())[1], 1, true)
    end)
  end)
end)


served.describe("a handler of header_filter on an accepted upgrade", function()
  return lifecycle.start {
    locations = [[
      location = /socket {
        rewrite_by_lua_block { lifecycle.rewrite() }
        access_by_lua_block { lifecycle.access() }
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_pass http://127.0.0.1:%{socket_port};
      }
    ]],
    servers = [[
      # Accepts an upgrade, speaks first, and notes what the client says.
      server {
        listen 127.0.0.1:%{socket_port};
        location / {
          content_by_lua_block {
            local note = require("plugins").note
            local socket = assert(ngx.req.socket(true))
            socket:settimeout(2000)
            assert(socket:send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              .. "Connection: Upgrade\r\n\r\nfrom upstream\n"))
            while true do
              local line, err = socket:receive()
              note("upstream got ", line, err)
              if not line then break end
              socket:send("echo " .. line .. "\n")
            end
          }
        }
      }
    ]],
  }
end, function(server)
  --- Shakes hands, and speaks when the upstream has spoken or the connection is closed.
  local function shake_hands(case)
    server:clear_log()
    local connection = server:connect()
    connection:send("GET /socket HTTP/1.1\r\nHost: a\r\n" .. server:prepare(case)
      .. "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nfrom client, early\n")
    local answer, closed = connection:read { pattern = "echo", seconds = 3 }
    connection:send("from client, late\n")
    local rest, over = connection:read { pattern = "late", seconds = closed and 0 or 3 }
    connection:close()
    return answer .. rest, closed or over
  end

  it("that does not fail lets bytes pass in both directions", function()
    local answer, closed = shake_hands { one = { header_filter = "note('head')" } }
    assert.matches("^HTTP/1.1 101 ", answer)
    assert.matches("\r\n\r\nfrom upstream\necho from client, early\necho from client, late\n$",
                   answer)
    assert.is_false(closed)
  end)

  for what, code in pairs {
    ["raises"] = "error('boom')",
    ["raises after it changed the status"] = "kong.response.set_status(403) error('boom')",
    ["calls a function wrongly"] = "kong.response.set_status('x')",
  } do
    it("that " .. what .. " ends the connection, and no bytes pass", function()
      local answer, closed = shake_hands {
        one = { header_filter = code, log = "note(kong.response.get_source())" },
      }
      assert.is_true(closed)
      assert.is_nil(answer:find("from upstream", 1, true))
      assert.is_nil(answer:find("echo", 1, true))
      assert.is_nil(answer:find("101", 1, true))
      assert.truthy(server:wait_log("upstream got", 3))
      local log = server:log()
      assert.is_nil(log:find("upstream got  from client", 1, true))
      assert.matches('(the header_filter handler of plugin "one" failed', log, 1, true)
      assert.matches("noted <<error>>", log, 1, true)
    end)
  end
end)
