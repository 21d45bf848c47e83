local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"


local THREE_CHUNKS = bodies.THREE_CHUNKS

local NAMES = {
  [0x1] = "init_worker",
  [0x2] = "certificate",
  [0x8] = "client_hello",
  [0x10] = "rewrite",
  [0x20] = "access",
  [0x40] = "balancer",
  [0x80] = "response",
  [0x100] = "cluster_listener",
  [0x200] = "header_filter",
  [0x2000] = "log",
  [0x4000] = "preread",
  [0x1000000] = "error",
  [0x10000000] = "admin_api",
  [0x4] = "'unknown phase'",
  [0x800] = "'unknown phase'",
  [0x20000000] = "'unknown phase'",
}


hosts.each("the phase check of the body functions", {
  both_bindings = true, gateway = true, locations = bodies.LOCATIONS,
}, function(server)
  local function run(...)
    return server:run(...)
  end


  -- set_raw_body is given no string: the phase is checked before that
  local CALL = [[
    note(pcall(response.get_raw_body))
    note(pcall(response.set_raw_body))
    note(pcall(function() local body = response.get_raw_body() return body end))
    note(pcall(function() response.set_raw_body(1) end))
  ]]

  local function refusals(message)
    return {
      false, message,
      false, message,
      false, "plugin.lua:3: " .. message,
      false, "plugin.lua:4: " .. message,
    }
  end

  it("allows the body functions in the body filter", function()
    local r = run {
      path = "/content",
      content = THREE_CHUNKS,
      body_filter = [[
        ngx.ctx.KONG_PHASE = 0x400
        local body = response.get_raw_body()
        if body then response.set_raw_body(body:upper()) end
      ]],
    }
    assert.equal("ONE TWO THREE", r.body)
  end)

  it("names the phase of KONG_PHASE in the error", function()
    for bit, name in pairs(NAMES) do
      local r = run {
        path = "/return",
        body_filter = "ngx.ctx.KONG_PHASE = " .. bit .. " " .. CALL,
      }
      assert.equal("all at once", r.body)
      assert.same(refusals("function cannot be called in " .. name
        .. " phase (only in: body_filter)"), r.notes)
    end
  end)

  it("names nginx's phase if KONG_PHASE is body_filter elsewhere", function()
    for bit, phase in pairs {
      [0x10] = "rewrite",
      [0x20] = "access",
      [0x200] = "header_filter",
      [0x2000] = "log",
    } do
      local r = run {
        path = "/content",
        content = "ngx.exit(200)",
        [phase] = "ngx.ctx.KONG_PHASE = " .. bit .. " " .. CALL,
      }
      assert.same(refusals("function cannot be called in " .. phase
        .. " phase (only in: body_filter)"), r.notes)
    end
  end)

  it("treats nginx's content phase as admin_api", function()
    local r = run { path = "/content", content = CALL .. " ngx.print('text')" }
    assert.same(refusals(
      "function cannot be called in admin_api phase (only in: body_filter)"), r.notes)
  end)

  it("raises an error if KONG_PHASE is missing", function()
    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      local r = run {
        path = "/content",
        content = "ngx.exit(200)",
        [phase] = "ngx.ctx.KONG_PHASE = nil " .. CALL,
      }
      assert.equal(200, r.status)
      assert.same(refusals(
        "no phase in ngx.ctx.KONG_PHASE, (need one of body_filter)"), r.notes)
    end
  end)

  it("is skipped without the global kong or without kong.ctx", function()
    for _, hide in ipairs { "kong = nil", "kong = {}" } do
      local r = run {
        path = "/return",
        body_filter = "local saved = kong " .. hide .. " note(response.get_raw_body()) "
          .. "response.set_raw_body('new at once') kong = saved",
      }
      assert.equal("new at once", r.body)
      assert.same({ "all at once" }, r.notes)
    end
  end)
end)
