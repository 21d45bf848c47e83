local testing = require "kong.response.testing"


local FILE = "spec/kit/strict_mode_spec.lua"


-- The mistakes that strict mode finds in a plugin, or in a list of them, and where. Without it the
-- same test must pass.
local function places(plugin, case)
  local one, list = plugin, nil
  if plugin[1] then
    one, list = nil, plugin
  end
  local result = testing.with { plugin = one, plugins = list, strict = false }(case)
  local ok, err = pcall(testing.with { plugin = one, plugins = list }, case)
  if ok then
    return {}, result
  end
  local found = {}
  local lines, shown = err:match("^strict mode found:\n(.-)\n\n(.*)$")
  for line in lines:gmatch("  ([^\n]+)") do
    found[#found + 1] = line
  end
  assert.equal(result:describe(), shown)
  return found, result
end


-- The mistakes alone: those behind an exit are nothing but a place.
local function mistakes(plugin, case)
  local found, result = places(plugin, case)
  for i, text in ipairs(found) do
    if not text:find("^code ran after") then
      found[i] = text:gsub(", at " .. FILE .. ":%d+$", "")
        :gsub(", in the handler at " .. FILE .. ":%d+$", "")
    end
  end
  return found, result
end


local function line_here()
  return debug.getinfo(2, "l").currentline
end


describe("strict mode", function()
  it("is on by default, and lets a good plugin pass", function()
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


describe("code behind an exit in header_filter", function()
  local function found(handler, case)
    return (mistakes({ header_filter = handler }, case))
  end

  local function at(line)
    return { ("code ran after an exit in header_filter, at %s:%d"):format(FILE, line) }
  end

  it("is found", function()
    local line
    assert.same(at(line_here() + 2), found(function()
      kong.response.exit(403)
      line = 1
    end))
    assert.equal(1, line)
  end)

  it("is found when it calls a function", function()
    local line = line_here() + 3
    assert.same(at(line), found(function()
      kong.response.exit(403)
      kong.response.set_header("X-Foo", "bar")
    end))
  end)

  it("is found behind error, too", function()
    local line = line_here() + 3
    assert.same(at(line), found(function()
      kong.response.error(403)
      kong.response.set_header("X-Foo", "bar")
    end))
  end)

  it("is found on the line of the exit", function()
    local line = line_here() + 2
    assert.same(at(line), found(function()
      kong.response.exit(403) kong.response.set_header("X-Foo", "bar")
    end))
  end)

  it("is found in the function that has called the one with the exit", function()
    local function refuse()
      kong.response.exit(403)
    end
    local line = line_here() + 3
    assert.same(at(line), found(function()
      refuse()
      if ngx.ctx.nothing then
        return
      end
    end))
  end)

  it("is found in a tail call", function()
    local function more()
      return kong.response.get_status()
    end
    local before = line_here()
    local list = found(function()
      kong.response.exit(403)
      return more()
    end)
    assert.equal(1, #list)
    local line = tonumber(list[1]:match(":(%d+)$"))
    assert.is_true(line >= before - 3 and line <= before + 4)
  end)

  it("is found behind a coroutine of the plugin's own", function()
    local line = line_here() + 3
    assert.same(at(line), found(function()
      coroutine.wrap(function() kong.response.exit(403) end)()
      kong.response.set_header("X-Foo", "bar")
    end))
    line = line_here() + 4
    assert.same(at(line), found(function()
      local co = coroutine.create(function() kong.response.exit(403) end)
      coroutine.resume(co)
      kong.response.set_header("X-Foo", "bar")
    end))
  end)

  it("is found in every run, compiled or not", function()
    local handler = function()
      kong.response.exit(403)
      kong.response.set_header("X-Foo", "bar")
    end
    for _ = 1, 200 do
      local ok = pcall(testing.run, { plugin = { header_filter = handler }, strict = true })
      assert.is_false(ok)
    end
  end)

  it("is none where the exit is returned", function()
    assert.same({}, found(function()
      return kong.response.exit(403, { message = "no" })
    end))
  end)

  it("is none where the handler only leaves", function()
    assert.same({}, found(function()
      kong.response.exit(403, { message = "no" })
    end))
    assert.same({}, found(function()
      if kong.response.get_status() == 200 then
        kong.response.exit(403)
      else
        kong.response.set_header("A", "b")
      end
    end))
    assert.same({}, found(function()
      kong.response.exit(403)
      return -- done
    end))
    assert.same({}, found(function()
      local function refuse()
        return kong.response.exit(403)
      end
      refuse()
    end))
    assert.same({}, found(function() kong.response.exit(403) end))
    assert.same({}, found(function()
      coroutine.wrap(function() kong.response.exit(403) end)()
    end))
    assert.same({}, found(function()
      local status = kong.response.get_status()
      if status == 200 then
        kong.response.exit(403)
      elseif status == 404 then
        kong.response.exit(410)
      end
    end))
    assert.same({}, found(function()
      for _, status in ipairs { 404, 200, 500 } do
        if kong.response.get_status() == status then
          kong.response.exit(403)
          break
        end
      end
    end))
    assert.same({}, found(function()
      kong.response.exit(403)
      return nil, "refused"
    end))
    assert.same({}, mistakes { header_filter = function()
      kong.response.exit(403)
    end })
  end)

  it("is found where the last line still does something", function()
    for _, text in ipairs {
      "return 1, kong.response.get_status()", "return { ngx.ctx }", "break_off = 1",
    } do
      local code = "return function()\nkong.response.exit(403)\n" .. text .. "\nend"
      local file = os.tmpname()
      local output = assert(io.open(file, "wb"))
      output:write(code)
      output:close()
      local list = found(setfenv(assert(loadfile(file))(), setmetatable({}, { __index = _G })))
      os.remove(file)
      assert.equal(1, #list, text)
    end
  end)

  it("is none where another plugin's handler follows", function()
    local given = {
      plugins = {
        { plugin = { header_filter = function() return kong.response.exit(403) end } },
        { plugin = { header_filter = function() kong.response.set_header("A", "b") end } },
      },
      strict = true,
    }
    assert.equal(403, testing.run(given).status)
  end)

  it("is none where the handler fails: the kit itself answers", function()
    assert.same({}, found(function() error "boom" end))
  end)

  it("leaves a hook in place that was set", function()
    local calls = 0
    local function hook()
      calls = calls + 1
    end
    debug.sethook(hook, "", 1000000)
    pcall(found, function()
      kong.response.exit(403)
      kong.response.set_header("A", "b")
    end)
    pcall(found, function() return kong.response.exit(403) end)
    local now = debug.gethook()
    debug.sethook()
    assert.equal(hook, now)
  end)
end)


describe("Content-Length behind set_raw_body", function()
  local function replacing(body, header_filter)
    return {
      header_filter = header_filter,
      body_filter = function()
        if kong.response.get_raw_body() then
          kong.response.set_raw_body(body)
        end
      end,
    }
  end

  local upstream = { upstream = { body = "abc" } }

  it("is found when it was left in place", function()
    assert.same({
      "Content-Length: 3 was left in place, and set_raw_body made the body 6 bytes",
    }, (mistakes(replacing("abcdef"), upstream)))
  end)

  it("is found when the new body has the same length by chance", function()
    assert.same({
      "Content-Length: 3 was left in place, and set_raw_body made the body 3 bytes",
    }, (mistakes(replacing("def"), upstream)))
  end)

  it("is found when an exit has set it", function()
    local plugin = replacing("abcdef")
    plugin.access = function() return kong.response.exit(200, "abc") end
    assert.equal(1, #mistakes(plugin))
  end)

  it("is no mistake when it was cleared, or set to the right length", function()
    assert.same({}, (mistakes(replacing("abcdef", function()
      kong.response.clear_header("Content-Length")
    end), upstream)))
    assert.same({}, (mistakes(replacing("abcdef", function()
      kong.response.set_header("Content-Length", 6)
    end), upstream)))
  end)

  it("is no mistake when the body was not set", function()
    assert.same({}, (mistakes({ body_filter = function() kong.response.get_raw_body() end },
      upstream)))
  end)
end)


describe("a body with a status that has none", function()
  for _, status in ipairs { 204, 304 } do
    local expected = { ("a body with status %d: nginx does not send it"):format(status) }

    it("is found: exit(" .. status .. ", body)", function()
      local found, result = mistakes {
        access = function() return kong.response.exit(status, "x") end,
      }
      assert.same(expected, found)
      assert.equal("", result.body)
    end)

    it("is found: exit(" .. status .. ", body) in header_filter", function()
      assert.same(expected, (mistakes {
        header_filter = function() return kong.response.exit(status, "x") end,
      }))
    end)

    it("is found: set_status(" .. status .. ") for the upstream's body", function()
      assert.same(expected, (mistakes({
        header_filter = function() kong.response.set_status(status) end,
      }, { upstream = { body = "x" } })))
    end)

    it("is found: set_raw_body for the upstream's " .. status, function()
      local found, result = mistakes({
        body_filter = function()
          if kong.response.get_raw_body() then
            kong.response.set_raw_body("x")
          end
        end,
      }, { upstream = { status = status } })
      assert.same(expected, found)
      assert.same({}, result.chunks)
    end)

    it("is found: ngx.arg for the upstream's " .. status, function()
      local found, result = mistakes({
        body_filter = function()
          if ngx.arg[2] then
            ngx.arg[1] = "x"
          end
        end,
      }, { upstream = { status = status } })
      assert.same({
        ("a body with status %d: the client reads it as the next response"):format(status),
      }, found)
      assert.same({ "x" }, result.chunks)
      assert.equal("", result.body)
    end)

    it("is none: a body filter for the upstream's " .. status, function()
      assert.same({}, (mistakes({
        body_filter = function()
          local body = kong.response.get_raw_body()
          if body then
            kong.response.set_raw_body(body)
          end
        end,
      }, { upstream = { status = status } })))
    end)

    it("is none: exit(" .. status .. ")", function()
      assert.same({}, (mistakes { access = function() return kong.response.exit(status) end }))
      assert.same({}, (mistakes {
        access = function() return kong.response.exit(status, "") end,
      }))
      assert.same({}, (mistakes({}, { upstream = { status = status } })))
    end)
  end

  it("is none where it is the answer to HEAD", function()
    assert.same({}, (mistakes({
      access = function() return kong.response.exit(200, "x") end,
    }, { request = { method = "HEAD" } })))
  end)
end)


describe("reading a body that is encoded", function()
  local function reading(encoding)
    return (mistakes({
      body_filter = function() kong.response.get_raw_body() end,
    }, { upstream = { headers = { ["Content-Encoding"] = encoding }, body = "x" } }))
  end

  it("is found", function()
    assert.same({ "get_raw_body read a body with Content-Encoding: gzip" }, reading("gzip"))
    assert.same({ "get_raw_body read a body with Content-Encoding: BR" }, reading("BR"))
  end)

  it("is found in a response handler", function()
    local function read(handlers)
      local plugin = {
        response = function()
          local body = kong.service.response.get_raw_body()
          if handlers.after then
            handlers.after(body)
          end
        end,
      }
      local filter = { header_filter = handlers.header_filter }
      return (mistakes({ { plugin = plugin }, { plugin = filter } }, {
        upstream = { headers = { ["Content-Encoding"] = "gzip" }, body = "x" },
      }))
    end
    local expected = {
      "kong.service.response.get_raw_body read a body with Content-Encoding: gzip",
    }
    assert.same(expected, read {})
    assert.same(expected, read {
      after = function(body) return kong.response.exit(200, body .. "!") end,
    })
    -- who decodes it says so in the head
    assert.same({}, read {
      after = function(body)
        kong.response.clear_header("Content-Encoding")
        return kong.response.exit(200, body .. "!")
      end,
    })
    assert.same({}, read {
      header_filter = function() kong.response.clear_header("Content-Encoding") end,
    })
  end)

  it("is none for identity, or without an encoding", function()
    assert.same({}, reading("identity"))
    assert.same({}, (mistakes({ body_filter = function() kong.response.get_raw_body() end })))
  end)
end)


describe("a header written after the head was sent", function()
  local function late(name)
    return { name .. " was set after the headers were sent: nginx ignores it" }
  end

  it("is found: ngx.header", function()
    for _, phase in ipairs { "body_filter", "log" } do
      local found, result = mistakes { [phase] = function() ngx.header["X-Foo"] = "bar" end }
      assert.same(late 'ngx.header["X-Foo"]', found)
      assert.is_nil(result.headers["X-Foo"])
      assert.matches("attempt to set ngx.header", result.log.err[1], 1, true)
    end
  end)

  it("is found: ngx.status", function()
    local found, result = mistakes { body_filter = function() ngx.status = 404 end }
    assert.same(late "ngx.status", found)
    assert.equal(200, result.status)
  end)

  it("is found: behind ngx.print", function()
    assert.same(late 'ngx.header["X-Foo"]', (mistakes {
      access = function()
        ngx.print("x")
        ngx.header["X-Foo"] = "bar"
        ngx.exit(200)
      end,
    }))
  end)

  it("is found: a function of kong.response whose error was caught", function()
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


describe("an end of the body that is set behind an empty chunk", function()
  it("is found: the client would wait for ever", function()
    local found, result = mistakes({
      body_filter = function()
        ngx.arg[1] = nil
        ngx.arg[2] = true
      end,
    }, { upstream = { body = { "a", "b" } } })
    assert.same({
      "ngx.arg[2] was set after ngx.arg[1] was cleared: the end of the body is lost",
    }, found)
    assert.is_true(result.truncated)
  end)

  it("is found as well where the end is cleared", function()
    for _, gateway in ipairs { true, false } do
      local found, result = mistakes({
        body_filter = function()
          ngx.arg[2] = false
        end,
      }, { gateway = gateway, upstream = { body = { "a", "b" } } })
      assert.same({ "ngx.arg[2] was cleared: the end of the body is lost" }, found)
      assert.is_true(result.truncated)
    end
  end)

  it("is none when the end is set first", function()
    assert.same({}, (mistakes({
      body_filter = function()
        ngx.arg[2] = true
        ngx.arg[1] = nil
      end,
    }, { upstream = { body = { "a", "b" } } })))
  end)
end)


describe("replacing an encoded body unread", function()
  local TEXT = "Content-Encoding: %s was left in place, and set_raw_body replaced the body"

  local function replacing(encoding, handlers, body)
    return (mistakes({
      header_filter = function()
        kong.response.clear_header("Content-Length")
        if handlers.header_filter then
          handlers.header_filter()
        end
      end,
      body_filter = function()
        if handlers.body_filter then
          handlers.body_filter()
        end
        kong.response.set_raw_body(body or "plain")
      end,
    }, { upstream = { headers = { ["Content-Encoding"] = encoding }, body = "x" } }))
  end

  it("is found", function()
    assert.same({ TEXT:format "gzip" }, replacing("gzip", {}))
    assert.same({ TEXT:format "BR" }, replacing("BR", {}))
  end)

  it("is found as reading where it was read, once", function()
    assert.same({ "get_raw_body read a body with Content-Encoding: gzip" }, replacing("gzip", {
      body_filter = function() kong.response.get_raw_body() end,
    }))
  end)

  it("is none where the head is right", function()
    assert.same({}, replacing("identity", {}))
    assert.same({}, replacing("gzip", {}, "\31\139 and so on"))
    assert.same({}, replacing("gzip", {}, "x"))
    assert.same({}, replacing("gzip", {
      header_filter = function() kong.response.clear_header("Content-Encoding") end,
    }))
    assert.same({}, replacing("gzip", {
      header_filter = function() kong.response.set_header("Content-Encoding", "br") end,
    }))
    assert.same({}, replacing(nil, {
      header_filter = function() kong.response.set_header("Content-Encoding", "br") end,
    }))
  end)

  it("is none for what is no body", function()
    local found = mistakes({
      body_filter = function() pcall(kong.response.set_raw_body, 5) end,
    }, { upstream = { headers = { ["Content-Encoding"] = "gzip" }, body = "x" } })
    for _, text in ipairs(found) do
      assert.is_nil(text:find("Content-Encoding", 1, true))
    end
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

  it("has the line of the call", function()
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

  it("has it also where a helper or a coroutine makes the call", function()
    local line = line_here() + 2
    local function clear()
      kong.response.set_raw_body("x")
    end
    at(line, { body_filter = function() clear() end }, { upstream = { body = "abc" } })
    at(line, { body_filter = function() coroutine.wrap(clear)() end },
      { upstream = { body = "abc" } })
  end)

  it("names the handler where a tail call has left no line", function()
    local line = line_here() + 1
    local found = places { access = function()
      return kong.response.exit(204, "x")
    end }
    assert.same({
      ("a body with status 204: nginx does not send it, in the handler at %s:%d")
        :format(FILE, line),
    }, found)
  end)

  it("of the upstream's alone has no line", function()
    local found = places({
      header_filter = function() ngx.status = 204 end,
    }, { upstream = { body = "abc" } })
    assert.same({ "a body with status 204: nginx does not send it" }, found)
  end)
end)


describe("a handler that fails without the client's seeing it", function()
  it("is found: body_filter and log", function()
    for _, phase in ipairs { "body_filter", "log" } do
      local line = line_here() + 1
      local plugin = { [phase] = function() kong.response.set_rawbody("x") return nil end }
      local text = ("%s:%d: attempt to call field 'set_rawbody' (a nil value)"):format(FILE, line)
      assert.same({ phase .. " failed: " .. text }, places(plugin))
      assert.same({ phase .. ' of "e.p" failed: ' .. text }, places(plugin, { name = "e.p" }))
    end
  end)

  it("is found: what fails when it has printed, and a timer", function()
    assert.same({ "access failed: boom" }, places { access = function()
      ngx.print("x")
      error("boom", 0)
    end })
    assert.same({ "a timer failed: boom" }, places { log = function()
      ngx.timer.at(0, function() error("boom", 0) end)
    end })
  end)

  it("is none where the client gets a 500: a test may be about that", function()
    for _, phase in ipairs { "rewrite", "access", "response", "header_filter" } do
      local found, result = places { [phase] = function() error("boom", 0) end }
      assert.same({}, found)
      assert.equal(500, result.status)
    end
  end)

  it("fails by the assertion, where that is one", function()
    local ok, err = pcall(testing.run, {
      plugin = { log = function() assert.equal(1, 2) end }, strict = true,
    })
    assert.is_false(ok)
    assert.matches("Expected objects to be equal", tostring(err), 1, true)
    assert.not_matches("strict mode", tostring(err), 1, true)
  end)

  it("passes a test that is not strict", function()
    local run = testing.with { plugin = { log = function() error("boom", 0) end }, strict = true }
    assert.same({ "boom" }, run({ strict = false }).log.err)
  end)
end)


describe("a header whose value is a table with names", function()
  it("is found: the rest of the table is what counts", function()
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

  it("is none: a list, an empty one, too, and what raises an error", function()
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
