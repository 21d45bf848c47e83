local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"


local BIG = bodies.BIG
local CLEAR_LENGTH = bodies.CLEAR_LENGTH
local THREE_CHUNKS = bodies.THREE_CHUNKS
local all_bytes = bodies.all_bytes
local each_version = bodies.each_version

local ODD_BODIES = {
  "", "nil", "true", "17", "{}", "{ 'text' }", "print", "ngx.null", "newproxy(true)",
  "coroutine.create(print)", "require('ffi').new('int')", "setmetatable({}, {"
    .. " __tostring = function() return 'text' end })",
}


hosts.each("set_raw_body", {
  both_bindings = true, locations = bodies.LOCATIONS,
}, function(server)
  local function run(...)
    return server:run(...)
  end


  describe("with invalid arguments", function()
    it("raises an error at the plugin's line if the body is not a string", function()
      for _, value in ipairs(ODD_BODIES) do
        local r = run {
          path = "/content",
          content = THREE_CHUNKS,
          body_filter = "note(pcall(function()\n\n  response.set_raw_body(" .. value
            .. ")\nend))",
        }
        assert.equal("one two three", r.body)
        assert.equal(8, #r.notes)
        for i = 1, #r.notes, 2 do
          assert.equal(false, r.notes[i])
          assert.equal("plugin.lua:3: body must be a string", r.notes[i + 1])
        end
      end
    end)

    it("raises an error without a position if no plugin calls", function()
      for _, value in ipairs(ODD_BODIES) do
        local r = run {
          path = "/return",
          body_filter = "note(pcall(response.set_raw_body"
            .. (value == "" and "" or ", " .. value) .. "))",
        }
        assert.equal("all at once", r.body)
        assert.same({ false, "body must be a string" }, r.notes)
      end
    end)

    it("raises an error that nginx can log", function()
      local r = run {
        raises = true,
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = "\nresponse.set_raw_body(nil)",
      }
      assert.not_equal(0, r.exit)
      assert.truthy(server:wait_log(
        "failed to run body_filter_by_lua%*: plugin.lua:2: body must be a string"))
    end)

    it("does not change the buffered body", function()
      local r = run {
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = [[
          local body = response.get_raw_body()
          pcall(response.set_raw_body, nil)
          note(body, ngx.arg[1], ngx.arg[2])
        ]],
      }
      assert.equal("one two three", r.body)
      assert.same({
        "(nil)", "", false, "(nil)", "", false, "(nil)", "", false,
        "one two three", "one two three", true,
      }, r.notes)
    end)
  end)


  it("returns nothing", function()
    local r = run {
      path = "/return",
      header_filter = CLEAR_LENGTH,
      body_filter = "note(select('#', response.set_raw_body('text')))",
    }
    assert.same({ 0 }, r.notes)
  end)

  it("replaces a body of one chunk", function()
    each_version(function(options)
      local r = run({
        path = "/return",
        header_filter = CLEAR_LENGTH,
        body_filter = [[
          response.set_raw_body("something longer than it was")
          note(ngx.arg[1], ngx.arg[2])
        ]],
      }, options)
      assert.equal(0, r.exit)
      assert.equal("something longer than it was", r.body)
      assert.same({ "something longer than it was", true }, r.notes)
    end)
  end)

  it("replaces an empty body", function()
    each_version(function(options)
      for path, content in pairs {
        ["/return_nothing"] = "",
        ["/content"] = "ngx.exit(200)",
        ["/proxy11"] = "",
        ["/unbuffered"] = "",
      } do
        local r = run({
          path = path,
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

  it("ends the body, so later chunks are dropped", function()
    each_version(function(options)
      local r = run({
        raises = true,
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = "note(ngx.arg[1]) response.set_raw_body('new') note(ngx.arg[2])",
      }, options)
      assert.equal(0, r.exit)
      assert.equal("new", r.body)
      -- nginx has no reason to call the filter again
      assert.same({ "one ", true }, r.notes)

      for _, path in ipairs { "/proxy11", "/unbuffered" } do
        r = run({
          path = path,
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
    local r = run {
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        if ngx.arg[1] == "two " then
          response.set_raw_body("new")
        end
      ]],
    }
    assert.equal(0, r.exit)
    assert.equal("one new", r.body)
  end)

  it("sends a line end for the empty string", function()
    each_version(function(options)
      local r = run({
        raises = true,
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = "response.set_raw_body('') note(ngx.arg[1], ngx.arg[2])",
      }, options)
      assert.equal(0, r.exit)
      assert.equal("\n", r.body)
      assert.same({ "\n", true }, r.notes)

      r = run({
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = "if response.get_raw_body() then response.set_raw_body('') end",
      }, options)
      assert.equal(0, r.exit)
      assert.equal("\n", r.body)
    end)
  end)

  it("sends every byte", function()
    local bytes = all_bytes()
    each_version(function(options)
      local r = run({
        path = "/return",
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
      r = run({
        path = "/return",
        header_filter = CLEAR_LENGTH,
        body_filter = [[response.set_raw_body("\0")]],
      }, options)
      assert.equal("\0", r.body)
    end)
  end)

  it("sends 5 MB", function()
    local big = loadstring(BIG .. "return big")()
    each_version(function(options)
      local r = run({
        raises = true,
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = BIG .. "response.set_raw_body(big)",
      }, options)
      assert.equal(0, r.exit)
      -- not assert.equal: a failure would print 5 MB
      assert.is_true(r.body == big)
    end)
  end)

  it("sends the last of several bodies", function()
    local r = run {
      raises = true,
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        response.set_raw_body("first")
        response.set_raw_body("second")
        response.set_raw_body("third")
      ]],
    }
    assert.equal("third", r.body)
  end)

  it("sets a body that later plugins see", function()
    local r = run {
      raises = true,
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        response.set_raw_body("new")
        note(response.get_raw_body(), response.get_raw_body(), ngx.arg[1], ngx.arg[2])
      ]],
    }
    assert.equal("new", r.body)
    assert.same({ "new", "new", "new", true }, r.notes)
  end)

  it("sets a body that later plugins can change", function()
    local r = run {
      raises = true,
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        response.set_raw_body("new")
        ngx.arg[1] = ngx.arg[1]:upper()
      ]],
    }
    assert.equal("NEW", r.body)
  end)

  it("drops the buffered body", function()
    local r = run {
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
        response.get_raw_body()
        if ngx.ctx.chunks == 2 then
          response.set_raw_body("new")
          note(response.get_raw_body())
        end
      ]],
    }
    assert.equal("new", r.body)
    assert.same({ "new" }, r.notes)
  end)

  it("drops the buffered body if no plugin reads it again", function()
    local r = run {
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
        if ngx.ctx.chunks == 1 then
          response.get_raw_body()
        else
          response.set_raw_body("new")
        end
      ]],
    }
    assert.equal("new", r.body)
  end)

  it("sends the string that get_raw_body returned, or a changed one", function()
    each_version(function(options)
      for change, expected in pairs {
        ["body"] = "one two three",
        ["body .. ''"] = "one two three",
        ["body:upper()"] = "ONE TWO THREE",
        ["body:sub(1, 3)"] = "one",
      } do
        local r = run({
          path = "/content",
          content = THREE_CHUNKS,
          body_filter = "local body = response.get_raw_body() if body then response.set_raw_body("
            .. change .. ") end",
        }, options)
        assert.equal(expected, r.body)
      end
    end)
  end)

  it("sends the string even if the chunk has changed since get_raw_body", function()
    for _, change in ipairs { "'other'", "nil", "body:upper()", "{ 'one two', ' three' }" } do
      local r = run {
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = "local body = response.get_raw_body() if body then ngx.arg[1] = " .. change
          .. " response.set_raw_body(body) end",
      }
      assert.equal("one two three", r.body)
    end
  end)

  it("sends the string that another request's get_raw_body returned", function()
    for _ = 1, 3 do
      local r = run {
        path = "/content",
        content = THREE_CHUNKS,
        body_filter = [[
          local body = response.get_raw_body()
          if body then
            last_body = last_body or body
            response.set_raw_body(last_body)
          end
        ]],
      }
      assert.equal("one two three", r.body)
    end
  end)

  it("ends the body again after other code cleared its end", function()
    local r = run {
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        local body = response.get_raw_body()
        if body then
          ngx.arg[2] = false
          response.set_raw_body(body)
          note(ngx.arg[2])
        end
      ]],
    }
    assert.equal(0, r.exit)
    assert.equal("one two three", r.body)
  end)

  it("does not change Content-Length", function()
    local r = run {
      path = "/proxy11", max_time = 2,
      upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
      body_filter = "response.set_raw_body('new')",
    } -- the client waits for seven more bytes
    assert.equal("10", r:header("Content-Length"))
    assert.equal("new", r.body)

    r = run {
      path = "/proxy11",
      upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
      body_filter = "response.set_raw_body('abcdefghij')",
    }
    assert.equal(0, r.exit)
    assert.equal("abcdefghij", r.body)
  end)

  it("sends no body to HEAD or with 204 and 304", function()
    each_version(function(options)
      options.method = "HEAD"
      local r = run({
        path = "/proxy11",
        upstream = "ngx.header.content_length = 5 ngx.print('hello')",
        body_filter = "response.set_raw_body('new')",
      }, options)
      assert.equal(0, r.exit)
      assert.equal("5", r:header("Content-Length"))
      assert.equal("", r.body)
      options.method = nil
      for _, status in ipairs { 204, 304 } do
        r = run({
          path = "/proxy11",
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
