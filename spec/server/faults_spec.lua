local faults = require "spec.support.faults"
local nginx = require "spec.support.nginx"
local trees = require "spec.support.trees"


local ORDERED = "kong.response: internal error: as ordered"

-- Arguments with which each function succeeds.
local CALLS = {
  get_status = "",
  get_header = "'a'",
  get_headers = "",
  get_source = "",
  set_status = "201",
  set_header = "'X-A', 'b'",
  add_header = "'X-A', 'b'",
  clear_header = "'X-A'",
  set_headers = "{ ['X-A'] = 'b' }",
  exit = "200, 'done'",
  error = "404",
}

-- Compiled code needs nothing native for these.
local IN_LUA = {
  get_status = true, get_headers = true, get_source = true, set_status = true,
}

local BODY_CALLS = { get_raw_body = "", set_raw_body = "'other'" }

-- Calls that take a fast path, by the name of its function in the library.
local FAST_PATHS = {
  kong_response_set_headers = { [[response.set_headers({ ["X-Many"] = "1" })]] },
  kong_response_write_header = {
    [[response.set_header("X-Set", "1")]], [[response.add_header("X-Add", "1")]],
  },
  kong_response_clear_header = { [[response.clear_header("X-Clear")]] },
  kong_response_get_header = { [[assert(response.get_header("X-There") == "1")]] },
}


describe("a build for production", function()
  it("has no function for faults", function()
    assert.is_nil(require("kong.response.core").order_fault)
  end)
end)


describe("the functions in which faults are ordered", function()
  it("are all functions of kong.response", function()
    local names = {}
    for name in pairs(require "kong.response") do
      names[name] = true
    end
    local ordered = {}
    for _, calls in ipairs { CALLS, BODY_CALLS } do
      for name in pairs(calls) do
        ordered[name] = true
      end
    end
    assert.same(names, ordered)
  end)

  it("are all symbols that the library exports", function()
    local dir = nginx.root .. "/build/faults"
    local shown = {}
    for name in trees.run("nm -D --defined-only " .. dir .. "/" .. trees.native(dir))
                :gmatch("%x+ T ([^\n]+)") do
      shown[name] = true
    end
    -- That one only looks whether a thread has a frame.
    local ordered = { luaopen_kong_response_core = true, kong_response_runs = true }
    for name in pairs(FAST_PATHS) do
      ordered[name] = true
    end
    assert.same(shown, ordered)
  end)
end)


for _, jit_mode in ipairs { "on", "off" } do
  faults.describe("a fault", jit_mode, function(server)
    local calls = {}
    for name, arguments in pairs(CALLS) do
      calls[name] = not (jit_mode == "on" and IN_LUA[name]) and arguments or nil
    end

    for name, arguments in pairs(calls) do
      local call = "response." .. name .. "(" .. arguments .. ")"

      it("in " .. name .. " raises a string, and causes a 500", function()
        for _, phase in ipairs { "rewrite", "access", "content" } do
          server:clear_log()
          local r = server:get(faults.path("/", {
            [phase] = "core.order_fault('panic', 0) " .. call,
          }))
          assert.equal(500, r.status)
          assert.matches("plugin.lua:1: " .. ORDERED, server:log(), 1, true)
        end
      end)

      it("in " .. name .. " can be caught, and changes nothing", function()
        local r = server:get(faults.path("/", {
          access = "local f = function() " .. call .. " end core.order_fault('panic', 0) "
            .. "local ok, err = pcall(f) ngx.header.x_error = type(err) .. ' ' .. tostring(err)",
        }))
        assert.equal(200, r.status)
        assert.equal("string plugin.lua:1: " .. ORDERED, r:header("X-Error"))
        assert.is_nil(r:header("X-A"))
        assert.equal("0123456789", r.body)
      end)
    end

    for name, arguments in pairs(BODY_CALLS) do
      local call = "core.order_fault('panic', 0) response." .. name .. "(" .. arguments .. ")"

      it("in " .. name .. " raises a string, and breaks the response off", function()
        local r = server:get(faults.path("/", { body_filter = call }))
        assert.not_equal(0, r.exit)
        assert.equal("", r.body)
        assert.matches("plugin.lua:1: " .. ORDERED, server:log(), 1, true)
      end)

      it("in " .. name .. " can be caught", function()
        local r = server:get(faults.path("/", {
          body_filter = "local ok, err = pcall(function() " .. call .. " end)"
            .. "assert(type(err) == 'string') ngx.log(ngx.NOTICE, '<', err, '>')",
        }))
        assert.equal("0123456789", r.body)
        assert.matches("<plugin.lua:1: " .. ORDERED .. ">", server:log(), 1, true)
      end)
    end

    if jit_mode == "on" then
      for symbol, statements in pairs(FAST_PATHS) do
        it("in " .. symbol .. " is hidden by the slow path", function()
          local order = " core.order_fault('fast path', 0) "
          local code = order .. table.concat(statements, order)
          local r = server:get(faults.path("/", {
            access = "ngx.header.x_there, ngx.header.x_clear = 1, 1" .. code
              .. " core.order_fault(nil)",
          }))
          assert.equal(200, r.status)
          local sent = { ["X-There"] = "1", ["X-Clear"] = "1" }
          for name in code:gmatch("X%-%u%l+") do
            sent[name] = name ~= "X-Clear" and "1" or nil
          end
          for _, name in ipairs { "X-There", "X-Clear", "X-Many", "X-Set", "X-Add" } do
            assert.equal(sent[name], r:header(name))
          end
          local _, panics = server:log():gsub("panicked at", "")
          assert.equal(#statements, panics)
        end)
      end
    end

    it("in the callback of a delayed response raises a string", function()
      local r = server:get(faults.path("/", { access = [[
        local ctx = ngx.ctx
        ctx.delay_response = true
        coroutine.wrap(response.exit)(403, "no")
        core.order_fault("panic", 0)
        local ok, err = pcall(function() ctx.delayed_response_callback(ctx) end)
        ngx.header.x_error = type(err) .. " " .. tostring(err)
      ]] }))
      assert.equal(200, r.status)
      assert.equal("string plugin.lua:5: " .. ORDERED, r:header("X-Error"))
    end)

    it("in a function that needs no request raises a string", function()
      local counts, failures = server:get("/elsewhere").body:match("^([^\n]*)\n(.*)$")
      assert.equal("5 26 13 2", counts)
      assert.equal("", failures)
    end)
  end)
end


-- A life cycle of one plugin, which runs the code of the request.
local LIFE = [[
local plugin = {}
for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
  plugin[phase] = function() run(phase) end
end
life = require("kong.response.lifecycle").new { { plugin = plugin, name = "p" } }
]]



describe("a fault in the life cycle", function()
  local server

  setup(function()
    -- With the JIT on, compiled code needs nothing native for some functions.
    server = faults.start("off", LIFE)
  end)

  teardown(function()
    server:stop()
  end)

  for name, arguments in pairs(CALLS) do
    it("in " .. name .. " causes a page in the client's format", function()
      local pids = server:worker_pids()
      local r = server:get(faults.path("/life", {
        header_filter = "core.order_fault('panic', 0) response." .. name .. "(" .. arguments .. ")",
      }), { "Accept: text/plain" })
      assert.equal(500, r.status)
      assert.matches("^An unexpected error occurred\nrequest_id: %x+\n$", r.body)
      assert.equal("0123456789", server:get("/life").body)
      assert.same(pids, server:worker_pids())
    end)
  end
end)
