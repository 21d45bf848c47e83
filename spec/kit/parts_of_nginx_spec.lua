-- The parts of nginx that the kit plays, as far as a plugin sees them.

local module = require "spec.support.module"
local testing = require "kong.response.testing"


describe("a timer", function()
  it("runs without a client, while code sleeps or after the request", function()
    local seen = {}
    local function note(...)
      seen[#seen + 1] = table.concat({ ... }, " ")
    end
    local result = testing.run { plugin = {
      access = function()
        ngx.ctx.mine = true
        assert(ngx.timer.at(0, function(premature, ...)
          note("first", tostring(premature), ...)
          note(ngx.get_phase(), tostring(ngx.ctx.mine))
          note(select(2, pcall(kong.response.set_status, 200)))
        end, "a", "b"))
        note("before")
        ngx.sleep(0)
        note("after", ngx.get_phase(), tostring(ngx.ctx.mine))
      end,
      log = function()
        ngx.timer.at(5, function()
          note("second")
          error("boom", 0)
        end)
        note("log")
      end,
    } }
    testing.advance(4)
    assert.equal("log", seen[#seen])
    testing.advance(1)
    assert.same({
      "before", "first false a b", "timer nil", module.refused_in(nil).set_status,
      "after access true", "log", "second",
    }, seen)
    assert.equal("lua entry thread aborted: runtime error: boom", result.log.err[1])
    assert.equal("timer", result.log[1].phase)
  end)

  it("runs once for each interval if it sleeps longer than that", function()
    local runs = 0
    testing.run { plugin = { access = function()
      ngx.timer.every(1, function()
        runs = runs + 1
        ngx.sleep(2)
      end)
    end } }
    testing.advance(3)
    assert.equal(3, runs)
  end)

  it("comes to an end if it sets itself again before it sleeps", function()
    local runs = 0
    local function again()
      runs = runs + 1
      ngx.timer.at(0, again)
      ngx.sleep(1)
    end
    testing.run { plugin = { access = function() ngx.timer.at(0, again) end } }
    assert.equal(50, runs)
  end)

  it("raises an error without a delay and a function", function()
    testing.run { plugin = { access = function()
      assert.has_error(function() ngx.timer.at("x", print) end,
        "bad argument #1 to 'at' (number expected, got string)")
      assert.has_error(function() ngx.timer.at(0, "x") end,
        "bad argument #2 to 'at' (Lua function expected)")
      assert.has_error(function() ngx.timer.every(-1, function() end) end,
        "delay cannot be negative")
    end } }
  end)
end)


describe("code that waits", function()
  local FOREVER = ": the code has waited 100000 times in one test:"
                  .. " what it waits for does not happen"

  local function failure(access)
    local line = debug.getinfo(access, "S").linedefined
    local ok, err = pcall(testing.run, { plugin = { access = access } })
    assert.is_false(ok)
    local at, text = err:match("parts_of_nginx_spec.lua:(%d+)(.*)$")
    assert.equal(FOREVER, text)
    assert.equal(line, tonumber(at))
  end

  it("for something that does not happen fails the test with its line", function()
    failure(function() while true do ngx.sleep(0) end end)
    failure(function() ngx.thread.spawn(function() while true do ngx.sleep(1) end end) end)
    failure(function() ngx.timer.at(0, function() while true do ngx.sleep(1) end end) end)
    failure(function() local s = require("ngx.semaphore").new() while not s:wait(1) do end end)
  end)

  it("for something that does not happen fails the test if a timer runs later", function()
    testing.run { plugin = { access = function()
      ngx.timer.at(5, function() while true do ngx.sleep(1) end end)
    end } }
    local ok, err = pcall(testing.advance, 5)
    assert.is_false(ok)
    assert.truthy(err:find(FOREVER, 1, true))
  end)

  it("for a semaphore moves the clock, and a timer can post", function()
    local seen
    testing.run { clock = 100, plugin = { access = function()
      local semaphore = require("ngx.semaphore").new()
      local first, reason = semaphore:wait(2)
      ngx.timer.at(3, function() semaphore:post() end)
      local second = semaphore:wait(3)
      seen = { first, reason, second, semaphore:count(), ngx.now() }
    end } }
    assert.same({ false, "timeout", true, 0, 105 }, seen)
  end)
end)


describe("a body", function()
  it("is not read by clients if a plugin sets it for a 204 or 304", function()
    for _, status in ipairs { 204, 304 } do
      local result = testing.run {
        strict = false,
        upstream = { status = status },
        plugin = { body_filter = function() kong.response.set_raw_body("new") end },
      }
      assert.equal(status, result.status)
      assert.equal("", result.body)
      assert.is_false(result.truncated)
    end
  end)

  it("stays complete if code after it fails", function()
    local result = testing.run { plugin = {
      rewrite = function()
        ngx.print("one")
        ngx.print("two")
        error("boom")
      end,
      body_filter = function() kong.response.set_raw_body("new") end,
    }, strict = false }
    assert.equal("new", result.body)
    assert.is_false(result.truncated)
  end)

  it("has its length if code prints it for a client of HTTP/1.0", function()
    local result = testing.run {
      request = { http_version = 1.0 },
      plugin = { access = function()
        ngx.print("one ")
        ngx.print("two")
        ngx.exit(200)
      end },
    }
    assert.equal("7", result.headers["Content-Length"])
    assert.equal("close", result.headers.Connection)
    assert.equal("one two", result.body)
  end)

  it("gets one more chunk from a flush after the head", function()
    local chunks, outcomes = {}, {}
    testing.run { plugin = {
      access = function()
        outcomes[1] = select(2, ngx.flush(true))
        ngx.print("one")
        outcomes[2] = ngx.flush(true)
        ngx.exit(200)
      end,
      body_filter = function()
        chunks[#chunks + 1] = ngx.arg[1]
      end,
    } }
    assert.same({ "nothing to flush", 1 }, outcomes)
    assert.same({ "one", "", "" }, chunks)
  end)
end)


describe("ngx.header", function()
  it("keeps underscores if the host is made so", function()
    local native = require "kong.response.testing.native"
    local host = native.memory_host { transform_underscores = false }
    host:set_header("X_Foo", "1")
    host:set_header("X-Foo", "2")
    assert.equal("1", host:get_header("x_foo"))
    assert.equal("2", host:get_header("x-foo"))
    assert.has_error(function() native.memory_host { transform_underscores = 1 } end,
      "request.transform_underscores must be a boolean, got number")
  end)
end)
