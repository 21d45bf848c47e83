local hosts = require "spec.support.hosts"
local module = require "spec.support.module"


local FUNCTIONS = module.FUNCTIONS

local BITS = {
  { 0x1, "init_worker" },
  { 0x2, "certificate" },
  { 0x8, "client_hello" },
  { 0x10, "rewrite" },
  { 0x20, "access" },
  { 0x40, "balancer" },
  { 0x80, "response" },
  { 0x100, "cluster_listener" },
  { 0x200, "header_filter" },
  { 0x400, "body_filter" },
  { 0x2000, "log" },
  { 0x4000, "preread" },
  { 0x1000000, "error" },
  { 0x10000000, "admin_api" },
  { 0x4, "'unknown phase'" },
  { 0x800, "'unknown phase'" },
  { 0x1000, "'unknown phase'" },
  { 0x2000000, "'unknown phase'" },
  { 0x40000000, "'unknown phase'" },
}

local READERS, WRITERS = module.READERS, module.WRITERS

-- The error of each function for these arguments in an allowed phase. The error ends the call
-- before it changes anything. It is false if no argument is wrong.
local RIGHT_PHASE = {
  get_status = { READERS, false },
  get_header = { READERS, "header name must be a string" },
  get_headers = { READERS, "max_headers must be a number" },
  get_source = { READERS, false },
  set_status = { WRITERS, "code must be a number" },
  set_header = { WRITERS, 'invalid header name "true": got boolean, expected string' },
  add_header = { WRITERS, 'invalid header name "true": got boolean, expected string' },
  clear_header = { WRITERS, "header name must be a string" },
  set_headers = { WRITERS, "headers must be a table" },
  exit = { WRITERS, "code must be a number" },
  error = { WRITERS, "code must be a number" },
  get_raw_body = { "body_filter", false },
  set_raw_body = { "body_filter", "body must be a string" },
}


local function bits_source()
  local list = {}
  for i, bit in ipairs(BITS) do
    list[i] = bit[1]
  end
  return "{" .. table.concat(list, ",") .. "}"
end


--- Code that calls each of `names` under each phase bit and shows { name = { messages } }.
local function calls_under_all_bits(names)
  return [[
    local results = {}
    for _, name in ipairs { "]] .. table.concat(names, '", "') .. [[" } do
      results[name] = {}
      for i, bit in ipairs ]] .. bits_source() .. [[ do
        ngx.ctx.KONG_PHASE = bit
        if name == "get_source" or name == "get_status" or name == "get_raw_body" then
          results[name][i] = fails(response[name])
        else
          results[name][i] = fails(response[name], true)
        end
      end
    end
    return results
  ]]
end


local function assert_all_bits(results, names)
  for _, name in ipairs(names) do
    local phases, right = RIGHT_PHASE[name][1], RIGHT_PHASE[name][2]
    for i, bit in ipairs(BITS) do
      local expected = "function cannot be called in " .. bit[2] .. " phase (only in: " .. phases
        .. ")"
      if (", " .. phases .. ", "):find(", " .. bit[2] .. ", ", 1, true) then
        expected = right
      end
      assert.equal(expected, results[name][i], name .. " in " .. bit[2])
    end
  end
end


local ALL_CALLS, all, NO_REQUEST = module.ALL_CALLS, module.all, module.NO_REQUEST

local INIT = [[
  local function fails(f, ...)
    local ok, err = pcall(f, ...)
    return not ok and err
  end
  local response = require "kong.response"
  function _G.every_call()
]] .. ALL_CALLS .. [[
    return results
  end
]]


hosts.each("the module", {
  gateway = true, both_bindings = true, init = INIT,
}, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("kong.response", function()
    it("has thirteen functions and nothing else", function()
      local r = run { access = [[
        for name, value in pairs(response) do
          note { name, type(value) }
        end
      ]] }
      local found = {}
      for i, pair in ipairs(r.seen.access) do
        assert.equal("function", pair[2], pair[1])
        found[i] = pair[1]
      end
      table.sort(found)
      assert.same(FUNCTIONS, found)
    end)

    it("is the same table at each require", function()
      assert.same({ true }, run({ access = "return response == require 'kong.response'" })
        .seen.access)
    end)
  end)


  describe("the phase check", function()
    local outside_body = {}
    for _, name in ipairs(FUNCTIONS) do
      if not name:find("raw_body", 1, true) then
        outside_body[#outside_body + 1] = name
      end
    end

    it("lets a function be called in its phases only", function()
      local r = run { header_filter = calls_under_all_bits(outside_body) }
      assert_all_bits(r.seen.header_filter[1], outside_body)
      assert.equal(200, r.status)
      assert.equal("upstream", r.body)
    end)

    it("follows KONG_PHASE, not nginx's phase", function()
      local r = run { rewrite = calls_under_all_bits(outside_body) }
      assert_all_bits(r.seen.rewrite[1], outside_body)
      assert.equal("upstream", r.body)
    end)

    it("lets the body functions be called in body_filter only", function()
      local names = { "get_raw_body", "set_raw_body" }
      local r = run { body_filter = calls_under_all_bits(names) }
      assert_all_bits(r.seen.body_filter[1], names)
    end)

    it("precedes every other check", function()
      local r = run {
        log = [[
          note(fails(response.set_status, "x"), fails(response.set_raw_body, 1))
        ]],
        body_filter = [[
          if not ngx.ctx.once then
            ngx.ctx.once = true
            note(fails(response.exit, "x"))
          end
        ]],
      }
      assert.same({
        "function cannot be called in log phase (only in: " .. WRITERS .. ")",
        "function cannot be called in log phase (only in: body_filter)",
      }, r.seen.log)
      assert.same({
        "function cannot be called in body_filter phase (only in: " .. WRITERS .. ")",
      }, r.seen.body_filter)
    end)

    it("names the plugin's line", function()
      local r = run {
        raises = true,
        log = "\n\nresponse.set_status(200)\nreturn 1",
        access = "\nlocal status = response.get_status()\nreturn status",
      }
      assert.equal("plugin.lua:3: function cannot be called in log phase (only in: "
        .. WRITERS .. ")",
        r.errors.log)
      assert.equal("plugin.lua:2: function cannot be called in access phase (only in: " .. READERS
        .. ")", r.errors.access)
    end)

    it("names the plugin's line for each function", function()
      for _, name in ipairs(FUNCTIONS) do
        local r = run {
          raises = true,
          log = "ngx.ctx.KONG_PHASE = 0x1\n\nresponse." .. name .. "()\nreturn 1",
        }
        assert.equal("plugin.lua:3: function cannot be called in init_worker phase (only in: "
          .. RIGHT_PHASE[name][1] .. ")", r.errors.log)
      end
    end)

    it("calls every other number an unknown phase", function()
      local r = run { access = [[
        for _, phase in ipairs { 0, 0.5, 2^31, 2^40, 2^53, 0/0 } do
          ngx.ctx.KONG_PHASE = phase
          note(fails(response.set_status, 200))
        end
      ]] }
      assert.equal(6, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal("function cannot be called in 'unknown phase' phase (only in: " .. WRITERS
          .. ")", message)
      end
    end)

    it("converts numbers as bit.band does", function()
      local r = run { access = [[
        for _, phase in ipairs { 0x20, 0x10 + 0x400, 32.4, 2^40 + 0x20, -1 } do
          ngx.ctx.KONG_PHASE = phase
          note(pcall(response.set_status, 200))
        end
      ]] }
      assert.same({ true, true, true, true, true }, r.seen.access)
    end)

    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      it("raises an error without KONG_PHASE in " .. phase, function()
        local r = run { [phase] = [[
          if not ngx.ctx.once then
            ngx.ctx.once = true
            ngx.ctx.KONG_PHASE = nil
            ]] .. ALL_CALLS .. [[
            note(results)
          end
        ]] }
        assert.same({ module.refused_in(nil) }, r.seen[phase])
      end)
    end

    it("treats nginx's content phase as admin_api", function()
      local r = run { content = [[
        assert(ngx.ctx.KONG_PHASE == nil)
        response.set_status(202)
        response.set_header("X-One", "1")
        response.add_header("X-One", "2")
        response.set_headers { ["X-Two"] = "2" }
        response.set_header("X-Three", "3")
        response.clear_header("X-Three")
        note(response.get_status(), response.get_header("x-one"), response.get_headers()["x-two"],
          response.get_source())
        note(fails(response.get_raw_body), fails(response.set_raw_body, "x"))
        ngx.print("content")
      ]] }
      assert.same({
        202, "1", "2", "error",
        "function cannot be called in admin_api phase (only in: body_filter)",
        "function cannot be called in admin_api phase (only in: body_filter)",
      }, r.seen.content)
      assert.equal(202, r.status)
      assert.same({ "1", "2" }, r:values("X-One"))
      assert.same({ "2" }, r:values("X-Two"))
      assert.same({}, r:values("X-Three"))
      assert.equal("content", r.body)
    end)

    it("prefers KONG_PHASE to nginx's content phase", function()
      local r = run { content = [[
        ngx.ctx.KONG_PHASE = 0x2000
        note(fails(response.set_status, 200), fails(response.get_status))
        ngx.print("content")
      ]] }
      assert.same({
        "function cannot be called in log phase (only in: " .. WRITERS .. ")", false,
      }, r.seen.content)
    end)

    it("is made only while kong and kong.ctx both exist", function()
      local r = run {
        access = [[
          ngx.ctx.KONG_PHASE = nil
          local gateway = kong
          rawset(_G, "kong", nil)
          note(fails(response.set_header, "X-One", "1"), fails(response.get_header, "X-One"))
          rawset(_G, "kong", {})
          note(fails(response.set_header, "X-Two", "2"), fails(response.get_status))
          rawset(_G, "kong", gateway)
          note(fails(response.set_header, "X-Three", "3"))
        ]],
      }
      assert.same({
        false, false, false, false,
        "no phase in ngx.ctx.KONG_PHASE, (need one of " .. WRITERS .. ")",
      }, r.seen.access)
      assert.equal("1", r:header("X-One"))
      assert.equal("2", r:header("X-Two"))
      assert.is_nil(r:header("X-Three"))
    end)
  end)


  describe("in phases where nginx cannot do the work", function()
    it("the body functions raise an error outside of nginx's body filter", function()
      for _, phase in ipairs { "rewrite", "access", "header_filter", "log", "content" } do
        local r = run { [phase] = [[
          ngx.ctx.KONG_PHASE = 0x400
          note(fails(response.get_raw_body), fails(response.set_raw_body, "x"))
          if ngx.get_phase() == "content" then
            ngx.print("content")
          end
        ]] }
        assert.same({ NO_REQUEST, NO_REQUEST }, r.seen[phase], phase)
      end
    end)

    it("a timer gets the error of the phase check, then that of the missing request", function()
      local r = run { access = [[
        local results, done = {}, false
        ngx.timer.at(0, function()
          results[0] = every_call()
          for _, bit in ipairs { 0x1, 0x2, 0x8, 0x20, 0x200, 0x400, 0x2000, 0x10000000 } do
            ngx.ctx.KONG_PHASE = bit
            results[bit] = every_call()
          end
          ngx.ctx.KONG_PHASE = 0x2000
          ngx.ctx.KONG_EXITED = true
          results.source = response.get_source()
          done = true
        end)
        repeat ngx.sleep(0.001) until done
        return results
      ]] }
      local results = r.seen.access[1]
      assert.equal("exit", results.source)
      assert.same(module.refused_in(nil), results[0])
      for bit, phase in pairs {
        [0x1] = "init_worker", [0x2] = "certificate", [0x8] = "client_hello", [0x20] = "access",
        [0x200] = "header_filter", [0x400] = "body_filter", [0x2000] = "log",
        [0x10000000] = "admin_api",
      } do
        local expected = all(NO_REQUEST, module.refused_in(phase))
        -- It needs no more than ngx.ctx.
        expected.get_source = module.refused_in(phase).get_source or false
        assert.same(expected, results[bit], phase)
      end
    end)

    it("headers that were sent can be read, but not set", function()
      local r = run {
        header_filter = "response.set_header('X-One', '1')",
        log = [[
          ngx.ctx.KONG_PHASE = 0x200
        ]] .. ALL_CALLS .. [[
          note(results)
        ]],
      }
      assert.same({ all("headers have already been sent", {
        get_status = false, get_header = false, get_headers = false, get_source = false,
        get_raw_body = "function cannot be called in header_filter phase (only in: body_filter)",
        set_raw_body = "function cannot be called in header_filter phase (only in: body_filter)",
      }) }, r.seen.log)
    end)
  end)
end)


hosts.each("the module", {
  both_bindings = true, init = INIT,
}, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("without a gateway", function()
    it("the functions need no KONG_PHASE", function()
      local r = run {
        rewrite = [[
          ngx.ctx.KONG_PHASE = nil
          response.set_header("X-One", "1")
          note(response.get_header("X-One"), response.get_source())
        ]],
        access = [[
          ngx.ctx.KONG_PHASE = 0x2000
          response.add_header("X-One", "2")
          note(response.get_headers()["x-one"])
        ]],
        header_filter = [[
          ngx.ctx.KONG_PHASE = 0x1
          response.set_status(404)
          response.clear_header("Content-Length")
          note(response.get_status())
        ]],
        body_filter = [[
          ngx.ctx.KONG_PHASE = nil
          local body = response.get_raw_body()
          if body then
            response.set_raw_body("<" .. body .. ">")
          end
        ]],
        log = [[
          ngx.ctx.KONG_PHASE = nil
          note(response.get_status(), response.get_header("X-One"))
        ]],
      }
      assert.same({ "1", "error" }, r.seen.rewrite)
      assert.same({ { "1", "2" } }, r.seen.access)
      assert.same({ 404 }, r.seen.header_filter)
      assert.same({ 404, "1" }, r.seen.log)
      assert.equal(404, r.status)
      assert.same({ "1", "2" }, r:values("X-One"))
      assert.equal("<upstream>", r.body)
    end)

    it("the functions raise an error where nginx cannot do the work", function()
      local r = run {
        header_filter = "note(fails(response.get_raw_body), fails(response.set_raw_body, 'x'))",
        log = [[
          note(fails(response.set_status, 200), fails(response.set_header, "X", "1"),
            fails(response.exit, 200), fails(response.error, 500), fails(response.get_raw_body))
        ]],
      }
      assert.same({ NO_REQUEST, NO_REQUEST }, r.seen.header_filter)
      assert.same({
        "headers have already been sent", "headers have already been sent",
        "headers have already been sent", "headers have already been sent", NO_REQUEST,
      }, r.seen.log)
    end)

    it("the functions raise an error in timers", function()
      local r = run { access = [[
        local results
        ngx.timer.at(0, function()
          results = every_call()
        end)
        repeat ngx.sleep(0.001) until results
        return results
      ]] }
      assert.same({ all(NO_REQUEST, { get_source = false }) }, r.seen.access)
    end)
  end)
end)
