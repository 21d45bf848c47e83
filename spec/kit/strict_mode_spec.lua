local testing = require "kong.response.testing"
local strict_mode = require "spec.support.strict_mode"


local FILE = "spec/kit/strict_mode_spec.lua"

local line_here = strict_mode.line_here
local mistakes = strict_mode.mistakes
local places = strict_mode.places


describe("strict mode", function()
  it("is on by default, and finds nothing in a good plugin", function()
    assert.same({}, mistakes({
      access = function() kong.response.set_header("A", "b") end,
      header_filter = function()
        kong.response.clear_header("Content-Length")
        kong.response.set_header("C", "d")
      end,
      body_filter = function()
        local body = kong.response.get_raw_body()
        if body then
          kong.response.set_raw_body(body .. "!")
        end
      end,
      log = function() return kong.response.get_status() end,
    }, { upstream = { body = "abc" } }))
  end)

  it("names the line of the test", function()
    local ok, err = pcall(function()
      testing.run { plugin = { log = function() ngx.status = 1 end }, strict = true }
      return nil
    end)
    assert.is_false(ok)
    assert.matches("^" .. FILE .. ":%d+: strict mode found:\n  ngx.status was set after", err)
    assert.matches("nginx ignores it, at " .. FILE .. ":%d+\n", err)
  end)

  it("lists several mistakes, each once", function()
    assert.same({
      "ngx.status was set after the headers were sent: nginx ignores it",
      'ngx.header["A"] was set after the headers were sent: nginx ignores it',
    }, (mistakes {
      log = function()
        for _ = 1, 2 do
          ngx.status = 404
          ngx.header.A = "b"
        end
      end,
    }))
  end)

  it("keeps the positions of errors", function()
    local function position(code)
      local err
      testing.run {
        plugin = {
          access = function()
            local _, raised = pcall(code)
            err = raised
          end,
        },
        strict = true,
      }
      return err
    end
    assert.matches("^" .. FILE .. ":%d+: code must be a number$",
      position(function() kong.response.set_status("1") return nil end))
    assert.matches("^" .. FILE .. ":%d+: code must be a number$",
      position(function() kong.response.exit("1") return nil end))
  end)
end)


describe("a mistake in strict mode", function()
  local GZIP = { headers = { ["Content-Encoding"] = "gzip" }, body = "abc" }

  local function at(line, plugin, case)
    local found = places(plugin, case)
    assert.equal(1, #found)
    assert.equal(("%s:%d"):format(FILE, line), found[1]:match(", at (%S+)$"))
    return found[1]
  end

  it("is reported with the line of the call", function()
    at(line_here() + 1, { access = function()
      return nil, kong.response.exit(204, "x") end })
    at(line_here() + 1, { header_filter = function()
      kong.response.exit(304, "x") end })
    at(line_here() + 1, { body_filter = function()
      local body = kong.response.get_raw_body() return body end }, { upstream = GZIP })
    at(line_here() + 1, { body_filter = function()
      kong.response.set_raw_body("abd") end,
      header_filter = function() kong.response.clear_header("Content-Length") end,
    }, { upstream = GZIP })
    at(line_here() + 1, { response = function()
      local body = kong.service.response.get_raw_body() return body end }, { upstream = GZIP })
    at(line_here() + 1, { body_filter = function()
      kong.response.set_raw_body("x") end }, { upstream = { body = "abc" } })
    at(line_here() + 1, { header_filter = function()
      kong.response.set_status(204) end }, { upstream = { body = "abc" } })
    at(line_here() + 1, { body_filter = function()
      kong.response.set_raw_body("x") end }, { upstream = { status = 304 } })
    at(line_here() + 1, { body_filter = function()
      ngx.arg[1] = "x" end }, { upstream = { status = 204 } })
    at(line_here() + 2, { body_filter = function()
      ngx.arg[1] = nil
      ngx.arg[2] = true end }, { upstream = { body = { "a", "b" } } })
    at(line_here() + 1, { log = function()
      ngx.header.A = "b" end })
    at(line_here() + 1, { log = function()
      pcall(kong.response.set_status, 200) end })
  end)

  it("is reported with the line if a helper or a coroutine makes the call", function()
    local line = line_here() + 2
    local function clear()
      kong.response.set_raw_body("x")
    end
    at(line, { body_filter = function() clear() end }, { upstream = { body = "abc" } })
    at(line, { body_filter = function() coroutine.wrap(clear)() end },
      { upstream = { body = "abc" } })
  end)

  it("is reported with the handler if a tail call leaves no line", function()
    local line = line_here() + 1
    local found = places { access = function()
      return kong.response.exit(204, "x")
    end }
    assert.same({
      ("a body with status 204: nginx does not send it, in the handler at %s:%d")
        :format(FILE, line),
    }, found)
  end)

  it("is reported without a line if no call made it", function()
    local found = places({
      header_filter = function() ngx.status = 204 end,
    }, { upstream = { body = "abc" } })
    assert.same({ "a body with status 204: nginx does not send it" }, found)
  end)
end)


describe("a failed handler that the client does not notice", function()
  it("is found in body_filter and log", function()
    for _, phase in ipairs { "body_filter", "log" } do
      local line = line_here() + 1
      local plugin = { [phase] = function() kong.response.set_rawbody("x") return nil end }
      local text = ("%s:%d: attempt to call field 'set_rawbody' (a nil value)"):format(FILE, line)
      assert.same({ phase .. " failed: " .. text }, places(plugin))
      assert.same({ phase .. ' of "e.p" failed: ' .. text }, places(plugin, { name = "e.p" }))
    end
  end)

  it("is found after output and in a timer", function()
    assert.same({ "access failed: boom" }, places { access = function()
      ngx.print("x")
      error("boom", 0)
    end })
    assert.same({ "a timer failed: boom" }, places { log = function()
      ngx.timer.at(0, function() error("boom", 0) end)
    end })
  end)

  it("is not reported if the client gets a 500", function()
    for _, phase in ipairs { "rewrite", "access", "response", "header_filter" } do
      local found, result = places { [phase] = function() error("boom", 0) end }
      assert.same({}, found)
      assert.equal(500, result.status)
    end
  end)

  it("fails the test with the assertion's message if an assertion failed", function()
    local ok, err = pcall(testing.run, {
      plugin = { log = function() assert.equal(1, 2) end }, strict = true,
    })
    assert.is_false(ok)
    assert.matches("Expected objects to be equal", tostring(err), 1, true)
    assert.not_matches("strict mode", tostring(err), 1, true)
  end)

  it("does not fail a test that is not strict", function()
    local run = testing.with { plugin = { log = function() error("boom", 0) end }, strict = true }
    assert.same({ "boom" }, run({ strict = false }).log.err)
  end)
end)


describe("a header written after the head was sent", function()
  local function late(name)
    return { name .. " was set after the headers were sent: nginx ignores it" }
  end

  it("is found for ngx.header", function()
    for _, phase in ipairs { "body_filter", "log" } do
      local found, result = mistakes { [phase] = function() ngx.header["X-Foo"] = "bar" end }
      assert.same(late 'ngx.header["X-Foo"]', found)
      assert.is_nil(result.headers["X-Foo"])
      assert.matches("attempt to set ngx.header", result.log.err[1], 1, true)
    end
  end)

  it("is found for ngx.status", function()
    local found, result = mistakes { body_filter = function() ngx.status = 404 end }
    assert.same(late "ngx.status", found)
    assert.equal(200, result.status)
  end)

  it("is found after ngx.print", function()
    assert.same(late 'ngx.header["X-Foo"]', (mistakes {
      access = function()
        ngx.print("x")
        ngx.header["X-Foo"] = "bar"
        ngx.exit(200)
      end,
    }))
  end)

  it("is found for a function of kong.response whose error was caught", function()
    assert.same({ "set_header was called after the headers were sent" }, (mistakes {
      access = function()
        ngx.print("x")
        pcall(kong.response.set_header, "X-Foo", "bar")
      end,
    }))
    assert.same({ "exit was called after the headers were sent" }, (mistakes {
      log = function() pcall(kong.response.exit, 403) end,
    }))
  end)
end)


describe("a header's value that is a table with names", function()
  it("is found, because only the array part of the table is used", function()
    local removed = 'set_header ignored the key "a" of the value of "X-Foo", and removed the header'
    local found, result = mistakes {
      header_filter = function()
        kong.response.set_header("X-Foo", "1")
        kong.response.set_header("X-Foo", { a = 1 })
      end,
    }
    assert.same({ removed }, found)
    assert.is_nil(result.headers["X-Foo"])

    assert.same({
      'set_header ignored the key "a" of the value of "X-Foo"',
      'add_header ignored the key "a" of the value of "X-Foo", and added nothing',
      'set_headers ignored the key "a" of the value of "X-Foo", and removed the header',
    }, (mistakes {
      header_filter = function()
        kong.response.set_header("X-Foo", { "b", a = 1 })
        kong.response.add_header("X-Foo", { a = 1 })
        kong.response.set_headers { ["X-Foo"] = { a = 1 } }
      end,
    }))
    assert.same({ 'exit ignored the key "a" of the value of "X-Foo", and removed the header' },
      (mistakes {
        access = function()
          kong.response.set_header("X-Foo", "1")
          kong.response.exit(200, "x", { ["X-Foo"] = { a = 1 } })
        end,
      }))
    assert.same({ 'error ignored the key 3 of the value of "X-Foo"' }, (mistakes {
      access = function() kong.response.error(404, "x", { ["X-Foo"] = { "a", [3] = 1 } }) end,
    }))
  end)

  it("is found for the request to the upstream", function()
    local found, result = mistakes({
      access = function()
        kong.service.request.set_header("X-Foo", { a = 1 })
        kong.service.request.add_header("X-Bar", { a = 1 })
        kong.service.request.set_headers { ["X-Baz"] = { "b", a = 1 } }
        kong.service.request.set_header("X-Qux", {})
      end,
    }, { request = { headers = { ["X-Foo"] = "1", ["X-Bar"] = "1" } } })
    local call = "kong.service.request."
    assert.same({
      call .. 'set_header ignored the key "a" of the value of "X-Foo", and removed the header',
      call .. 'add_header ignored the key "a" of the value of "X-Bar", and added nothing',
      call .. 'set_headers ignored the key "a" of the value of "X-Baz"',
    }, found)
    local headers = result.upstream.request.headers
    assert.same({ nil, "1", "b" }, { headers["X-Foo"], headers["X-Bar"], headers["X-Baz"] })
  end)

  it("is not reported for lists, empty lists and calls that raise an error", function()
    assert.same({}, (mistakes {
      header_filter = function()
        kong.response.set_header("X-Foo", { "a", 1, true })
        kong.response.set_header("X-Bar", {})
        kong.response.set_headers { A = "b", C = { "d" } }
        pcall(kong.response.set_headers, 5)
        pcall(kong.response.set_headers)
        pcall(kong.response.set_header, nil, { "a" })
      end,
    }))
  end)
end)


describe("what the upstream's answer replaces", function()
  local STATUS = "set_status before the upstream's answer, whose status replaces it"
  local TYPE = "Content-Type was set before the upstream's answer, whose Content-Type replaces it"
  local UPSTREAM = { headers = { ["Content-Type"] = "text/plain" }, body = "x" }

  it("is found", function()
    for _, phase in ipairs { "rewrite", "access" } do
      local line = line_here() + 2
      local found, result = places({ [phase] = function()
        kong.response.set_status(201)
        kong.response.set_header("Content-Type", "a/b")
      end }, { upstream = UPSTREAM })
      assert.same({
        ("%s, at %s:%d"):format(STATUS, FILE, line), ("%s, at %s:%d"):format(TYPE, FILE, line + 1),
      }, found)
      assert.equal(200, result.status)
      assert.equal("text/plain", result.headers["Content-Type"])
    end
    assert.same({ TYPE }, (mistakes({
      access = function() kong.response.set_headers { content_type = "a/b" } end,
      response = function() end,
    }, { upstream = UPSTREAM })))
  end)

  it("is no mistake if a plugin or nobody answers", function()
    local function set()
      kong.response.set_status(201)
      kong.response.set_header("Content-Type", "a/b")
    end
    assert.same({}, (mistakes { access = function()
      set()
      kong.response.exit(200, "x")
    end }))
    assert.same({}, (mistakes({ access = set }, { upstream = { failure = "refused" } })))
    assert.same({}, (mistakes({ header_filter = set }, { upstream = UPSTREAM })))
    assert.same({}, (mistakes({ response = set }, { upstream = UPSTREAM })))
    assert.same({}, (mistakes({ access = function()
      kong.response.set_header("Content-Type", "a/b")
    end })))
  end)
end)


describe("LuaJIT", function()
  it("compiles a handler of header_filter again after a test", function()
    local function handler()
      local sum = 0
      for i = 1, 200 do
        sum = sum + i
      end
      return sum
    end
    local started = 0
    local function watch(what, _, code)
      started = started + (what == "start" and code == handler and 1 or 0)
    end
    assert.same({}, (mistakes { header_filter = handler }))
    jit.attach(watch, "trace")
    handler()
    handler()
    jit.attach(watch)
    assert.is_true(started > 0)
  end)
end)
