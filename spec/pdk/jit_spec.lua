local pdk = require "spec.support.pdk"


-- Runs a call in a loop, and tells whether LuaJIT has compiled all of the loop. A call that it
-- cannot compile would end the trace, or have it return to the interpreter.
local COMPILE = [[
  local util = require "jit.util"
  local function is_compiled(call)
    local is_loop = false
    local function watch(what, trace)
      if what == "stop" and util.traceinfo(trace).linktype == "loop" then
        is_loop = true
      end
    end
    jit.flush()
    jit.attach(watch, "trace")
    for _ = 1, 2000 do
      call()
    end
    jit.attach(watch)
    return is_loop
  end
]]


pdk.each("LuaJIT compiles", { log_level = "warn" }, function(server)
  for _, call in ipairs {
    "kong.request.get_header('X-Foo')", "kong.request.get_header('X-None')",
    "kong.request.get_method()", "kong.request.get_path()", "kong.request.get_host()",
    "kong.service.request.set_header('X-Foo', 'bar')", "kong.log.debug('x')", "kong.log('x')",
    "kong.client.get_ip()", "kong.ctx.shared.x", "kong.ctx.plugin.x", "kong.cache:get('x')",
    "kong.router.get_route()", "kong.client.get_consumer()",
  } do
    it(call, function()
      local seen
      -- Which traces LuaJIT begins also depends on addresses and chance: it may need new code.
      for _ = 1, 3 do
        seen = server:run({
          headers = { "X-Foo: bar" },
          access = COMPILE .. ("note(is_compiled(function() local _ = %s end))"):format(call),
        }).seen.access
        if seen[1] then
          break
        end
      end
      assert.same({ true }, seen)
    end)
  end

  it("no string.gsub, so that the others say something", function()
    assert.same({ false }, server:run({
      access = COMPILE .. "note(is_compiled(function() local _ = ('x'):gsub('x', 'y') end))",
    }).seen.access)
  end)
end)
