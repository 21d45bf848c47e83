local testing = require "kong.response.testing"
local strict_mode = require "spec.support.strict_mode"


local FILE = "spec/kit/strict_mode_exit_spec.lua"

local line_here = strict_mode.line_here
local mistakes = strict_mode.mistakes


describe("code after an exit in header_filter", function()
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

  it("is found if it calls a function", function()
    local line = line_here() + 3
    assert.same(at(line), found(function()
      kong.response.exit(403)
      kong.response.set_header("X-Foo", "bar")
    end))
  end)

  it("is found after error", function()
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

  it("is found in the caller of the function with the exit", function()
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

  it("is found after a coroutine of the plugin with the exit", function()
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

  it("is found in every run, in compiled code, too", function()
    local handler = function()
      kong.response.exit(403)
      kong.response.set_header("X-Foo", "bar")
    end
    for _ = 1, 200 do
      local ok = pcall(testing.run, { plugin = { header_filter = handler }, strict = true })
      assert.is_false(ok)
    end
  end)

  it("is not reported if the handler returns the exit", function()
    assert.same({}, found(function()
      return kong.response.exit(403, { message = "no" })
    end))
  end)

  it("is not reported if the handler only ends", function()
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

  it("is found if the last line does some work", function()
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

  it("is not reported if another plugin's handler follows", function()
    local given = {
      plugins = {
        { plugin = { header_filter = function() return kong.response.exit(403) end } },
        { plugin = { header_filter = function() kong.response.set_header("A", "b") end } },
      },
      strict = true,
    }
    assert.equal(403, testing.run(given).status)
  end)

  it("is not reported if the handler fails", function()
    assert.same({}, found(function() error "boom" end))
  end)

  it("is found without removing a debug hook", function()
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
