-- In nginx only: clients that hang up, phases without a request, TLS, subrequests, light threads.

local body_calls = require "spec.support.body_calls"
local hosts = require "spec.support.hosts"
local stages = require "spec.support.stages"
local nginx = require "spec.support.nginx"
local pem = require "spec.support.pem"


local CALL, DISABLED = body_calls.CALL, body_calls.DISABLED
local refusals = body_calls.refusals

-- for phases without a request: the calls of CALL, and what came of them
local CALLS = [[
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
]]

local function refused(message)
  return ("false string " .. message .. "\n"):rep(3):sub(1, -2)
end

local REFUSED = refused(DISABLED)

local HTTP = [[
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

local LOCATIONS = stages.location("= /set", 'set_by_lua_block $set { require("stages").run("set") }'
  .. stages.phase "content") .. [[
    location = /results {
      content_by_lua_block { ngx.print(table.concat(results, "|")) }
    }
  ]]

-- for the phases of a TLS handshake, which come before there is a request
local TLS = [[
  server {
    listen 127.0.0.1:%{tls_port} ssl;
    ssl_certificate %{dir}/tls.pem;
    ssl_certificate_key %{dir}/tls.pem;
    ssl_client_hello_by_lua_block {
      CLAIM
      table.insert(handshake, require("calls")())
    }
    ssl_certificate_by_lua_block {
      CLAIM
      table.insert(handshake, require("calls")())
    }
    return 204;
  }
]]

for name, options in pairs(body_calls.GATEWAYS) do
  local settings = body_calls.options(options)
  settings.init = "handshake = {} init_result = require('calls')()"
  settings.http = HTTP:gsub("CLAIM", options.claim)
  settings.nginx_locations = LOCATIONS
  settings.servers = TLS:gsub("CLAIM", options.claim)
  settings.files = { ["calls.lua"] = CALLS, ["tls.pem"] = pem.make() }

  hosts.nginx("the body functions " .. name, settings, function(server)
    local function run(...)
      return server:run(...)
    end

    local LEAVE_BUFFER = options.claim .. "response.get_raw_body()"

    before_each(function()
      assert.equal(140000, #body_calls.leave_pointers(server, options.claim).body)
    end)


    it("raise an error in the log phase after the client hung up during the body", function()
      for _ = 1, 5 do
        local connection = server:connect()
        connection:send("GET " .. server:target {
          path = "/proxy",
          upstream = "ngx.print(('secret '):rep(20000)) ngx.flush(true) note('sent') "
            .. "ngx.sleep(3)",
          body_filter = LEAVE_BUFFER,
          log = options.claim .. CALL,
        } .. " HTTP/1.1\r\nHost: a\r\n\r\n")
        assert.same({ "sent" }, server:noted(1))
        connection:reset()
        assert.same({ "sent", unpack(refusals()) }, server:noted(11))
      end
    end)

    it("raise an error while nginx evaluates a variable", function()
      local r = run {
        path = "/set",
        set = options.claim .. CALL,
        content = "ngx.print('text')",
      }
      assert.same(refusals(), r.notes)
    end)

    it("raise an error in light threads of the content phase", function()
      local r = run {
        path = "/content",
        content = options.claim .. "ngx.thread.wait(ngx.thread.spawn(function() " .. CALL
          .. " end)) ngx.print('x')",
      }
      assert.equal("x", r.body)
      assert.same(refusals(), r.notes)
    end)

    it("raise an error outside of requests", function()
      local unclaimed = REFUSED
      if options.gateway then
        unclaimed = refused "no phase in ngx.ctx.KONG_PHASE, (need one of body_filter)"
      end
      local expected = table.concat({ REFUSED, unclaimed, REFUSED, unclaimed, REFUSED }, "|")
      local results
      nginx.wait_until(5, function()
        results = server:get("/results").body
        return #results >= #expected -- the timer has run
      end)
      assert.equal(expected, results)
    end)

    it("raise an error during a TLS handshake", function()
      local r = run {
        path = "/content?tls=" .. server.ports.tls_port,
        content = [[
          local sock = ngx.socket.tcp()
          assert(sock:connect("127.0.0.1", ngx.var.arg_tls))
          assert(sock:sslhandshake())
          note(unpack(handshake))
          handshake = {}
          ngx.print("done")
        ]],
      }
      assert.equal("done", r.body)
      assert.same({ REFUSED, REFUSED }, r.notes)
    end)

    it("raise an error in a subrequest's header filter while the main body is buffered", function()
      local r = run {
        path = "/content",
        content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body)"):format(
          server:target {
            path = "/content",
            content = "ngx.print('sub')",
            header_filter = options.claim .. CALL,
          }),
        body_filter = LEAVE_BUFFER,
      }
      assert.equal("main sub", r.body)
      assert.same(refusals(), r.notes)
    end)
  end)
end


describe("after the end of a body, where nginx may stay in the filter's phase,", function()
  it("the body functions raise an error, but work in a coroutine of a filter", function()
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
      local phase = server:has "stale_phase" and "body_filter" or "content"
      assert.equal("body_filter true body" .. ("\n" .. phase .. " false " .. DISABLED):rep(3),
        server:get("/seen").body)
    end)
  end)
end)
