-- Calls of the body functions outside of a body filter, after requests that have left a dangling
-- pointer to a chunk in lua-nginx-module.

local body_calls = require "spec.support.body_calls"
local hosts = require "spec.support.hosts"


local CALL, DISABLED = body_calls.CALL, body_calls.DISABLED
local UPSTREAM = body_calls.UPSTREAM
local refusals = body_calls.refusals


for name, options in pairs(body_calls.GATEWAYS) do
  hosts.each("the body functions " .. name, body_calls.options(options), function(server)
    local function run(...)
      return server:run(...)
    end

    local LEAVE_BUFFER = options.claim .. "response.get_raw_body()"

    before_each(function()
      assert.equal(140000, #body_calls.leave_pointers(server, options.claim).body)
    end)


    for _, phase in ipairs { "rewrite", "access", "header_filter", "log" } do
      it("raise an error in the phase " .. phase, function()
        for _, http2 in ipairs { false, true } do
          local r = run {
            path = "/proxy", http2 = http2,
            upstream = "ngx.print('body')",
            [phase] = options.claim .. CALL,
          }
          assert.equal(0, r.exit)
          assert.equal("body", r.body)
          assert.same(refusals(), r.notes)
        end
      end)
    end

    it("raise an error in the phase content, before and after output", function()
      local r = run {
        path = "/content",
        content = options.claim .. CALL,
      }
      assert.equal("", r.body)
      assert.same(refusals(), r.notes)

      r = run {
        path = "/content",
        content = options.claim .. CALL:gsub("^", "ngx.print('one ') ngx.flush(true) ")
          .. "ngx.print('two')",
        body_filter = options.claim .. "local body = response.get_raw_body() note(body)",
      }
      assert.equal("one two", r.body)
      local refused = {}
      for _, value in ipairs(r.notes) do
        if value ~= "(nil)" and value ~= "one two" then
          refused[#refused + 1] = value
        end
      end
      assert.same(refusals(), refused)
    end)

    it("raise an error in the log phase after the body was buffered", function()
      local r = run {
        path = "/content",
        content = "ngx.print('one ') ngx.print('two')",
        body_filter = LEAVE_BUFFER,
        log = options.claim .. CALL,
      }
      assert.equal("one two", r.body)
      assert.same(refusals(), r.notes)
    end)

    it("raise an error in the log phase after the upstream broke off", function()
      local r = run {
        path = "/proxy",
        upstream = "ngx.header.content_length = 1000000 " .. UPSTREAM
          .. " ngx.flush(true) ngx.exit(444)",
        body_filter = LEAVE_BUFFER,
        log = options.claim .. CALL,
      }
      assert.same(refusals(), r.notes)
    end)

    it("raise an error in the balancer", function()
      local r = run {
        path = "/balanced",
        upstream = "ngx.print('body')",
        balancer = options.claim .. CALL,
      }
      assert.equal("body", r.body)
      assert.same(refusals(), r.notes)
    end)

    it("raise an error in timers", function()
      local r = run {
        path = "/content",
        content = "assert(ngx.timer.at(0, function(premature) " .. options.claim .. CALL
          .. " end)) ngx.sleep(0.05)",
      }
      assert.same(refusals(), r.notes)
    end)

    it("raise an error in timers that run while a body is buffered", function()
      local r = run {
        path = "/content",
        content = "ngx.print('one ') "
          .. "assert(ngx.timer.at(0, function() " .. options.claim .. CALL:gsub("\n", " ")
          .. " end)) ngx.sleep(0.05) ngx.print('two')",
        body_filter = LEAVE_BUFFER,
      }
      assert.equal("one two", r.body)
      assert.equal(10, #r.notes)
      for i = 1, 10, 2 do
        assert.equal(false, r.notes[i])
        assert.matches(DISABLED .. "$", r.notes[i + 1])
      end
    end)

    it("raise an error in coroutines of the content phase", function()
      local r = run {
        path = "/content",
        content = options.claim .. ("coroutine.wrap(function() %s end)()"):format(CALL)
          .. " ngx.print('x')",
      }
      assert.equal("x", r.body)
      assert.same(refusals(), r.notes)
    end)

    it("work in a coroutine of the body filter", function()
      local r = run {
        path = "/content",
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
      }
      assert.equal("ONE TWO", r.body)
      assert.same({ "(nil)", "(nil)", "one two" }, r.notes)
    end)

    it("work in the next request after they raised an error", function()
      for _, phase in ipairs { "rewrite", "access", "header_filter", "log" } do
        run { path = "/proxy", upstream = UPSTREAM, [phase] = options.claim .. CALL }
        local r = run {
          path = "/proxy",
          upstream = "ngx.print('body')",
          body_filter = options.claim .. "local body = response.get_raw_body() "
            .. "if body then response.set_raw_body(body:upper()) end",
          header_filter = "ngx.header.content_length = nil",
        }
        assert.equal("BODY", r.body)
      end
    end)
  end)
end
