local nginx = require "spec.support.nginx"
local pdk = require "spec.support.pdk"


pdk.each("LuaJIT", {
  log_level = "warn",
  files = { ["compiled.lua"] = nginx.read "compiled.lua" },
}, function(server)
  local function result(expression)
    return server:run({
      headers = { "X-Foo: bar" },
      access = ("note(require('compiled').result(%q))"):format(expression),
    }).seen.access
  end

  for _, call in ipairs {
    "kong.request.get_header('X-Foo')", "kong.request.get_header('X-None')",
    "kong.request.get_method()", "kong.request.get_path()", "kong.request.get_host()",
    "kong.service.request.set_header('X-Foo', 'bar')", "kong.log.debug('x')", "kong.log('x')",
    "kong.client.get_ip()", "kong.ctx.shared.x", "kong.ctx.plugin.x", "kong.cache:get('x')",
    "kong.router.get_route()", "kong.client.get_consumer()",
  } do
    it("compiles " .. call, function()
      assert.same({ "compiled" }, result(call))
    end)
  end

  it("does not compile string.gsub, so the other cases can fail", function()
    assert.same({ "not compiled\n" }, result "('x'):gsub('x', 'y')")
  end)
end)
