--- Configurations that forget to call a function of the life cycle.

local nginx = require "spec.support.nginx"


local CALLS = {
  rewrite = "rewrite_by_lua_block { lifecycle.rewrite() }",
  access = "access_by_lua_block { lifecycle.access() }",
  header_filter = "header_filter_by_lua_block { lifecycle.header_filter() }",
  body_filter = "body_filter_by_lua_block { lifecycle.body_filter() }",
  log = "log_by_lua_block { lifecycle.log() }",
}


local function plugin(phases)
  local methods = {}
  for i, phase in ipairs(phases) do
    methods[i] = phase .. " = function() end"
  end
  return ("{ plugin = { %s }, name = 'keys' }"):format(table.concat(methods, ", "))
end


-- Returns the warnings of a worker that gets these requests. The configuration calls all functions
-- except one.
local function warnings(forgotten, handlers, paths)
  local calls = {}
  for phase, call in pairs(CALLS) do
    calls[#calls + 1] = phase ~= forgotten and call or nil
  end
  local found = {}
  nginx.once({
    init = ("lifecycle = require('kong.response.lifecycle').new { %s }"):format(plugin(handlers)),
    http = "server { listen 127.0.0.1:%{upstream_port}; location / { return 200 coffee; } }",
    locations = table.concat(calls, "\n") .. [[
      location / { proxy_pass http://127.0.0.1:%{upstream_port}; }
      location /own { return 200 own; }
      location /page { content_by_lua_block { ngx.print("page") } }
    ]],
  }, function(server)
    for i = 1, #paths do
      local r = server:request(paths[i])
      assert.equal(200, r.status)
    end
    -- The worker answers after it has logged the requests before.
    server:get "/own"
    for text in server:log():gmatch("%[warn%][^\n]-(lifecycle%.[^\n]- { [%w_]+%.[%w_]+%(%) })") do
      found[#found + 1] = text
    end
  end)
  return found
end


local GET, HEAD = { path = "/" }, { path = "/", method = "HEAD" }
local ALL = { "rewrite", "access", "header_filter", "body_filter", "log" }


describe("a configuration that does not call", function()
  for phase, directive in pairs {
    rewrite = "rewrite_by_lua_block", access = "access_by_lua_block",
    header_filter = "header_filter_by_lua_block", body_filter = "body_filter_by_lua_block",
  } do
    local text = ('lifecycle.%s() was never called in this worker, so the %s handler of plugin '
      .. '"keys" does not run: add %s { lifecycle.%s() }'):format(phase, phase, directive, phase)

    it(phase .. " gets one warning for each worker", function()
      assert.same({ text }, warnings(phase, ALL, { GET, GET }))
    end)

    it(phase .. " gets no warning if no plugin has a handler for it", function()
      local handlers = {}
      for i = 1, #ALL do
        handlers[#handlers + 1] = ALL[i] ~= phase and ALL[i] or nil
      end
      local expected = {}
      if phase == "body_filter" then
        expected[1] = "lifecycle.body_filter() was never called in this worker, so the response of"
          .. " an exit in header_filter has the upstream's body: add body_filter_by_lua_block"
          .. " { lifecycle.body_filter() }"
      end
      assert.same(expected, warnings(phase, handlers, { GET }))
    end)

    it(phase .. " gets no warning for requests without an upstream", function()
      local pages = { { path = "/own" }, { path = "/page" } }
      local expected = phase == "rewrite" and { text } or {}
      assert.same(expected, warnings(phase, ALL, pages))
    end)
  end

  it("body_filter gets no warning for responses without a body", function()
    assert.same({}, warnings("body_filter", ALL, { HEAD }))
  end)
end)


describe("a configuration that calls all functions", function()
  it("gets no warning", function()
    assert.same({}, warnings(nil, ALL, { GET, HEAD, { path = "/own" }, { path = "/page" } }))
  end)
end)
