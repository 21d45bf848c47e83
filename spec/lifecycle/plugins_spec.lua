local lifecycle = require "spec.support.lifecycle"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


served.describe("under the life cycle,", function()
  return lifecycle.start { http = "proxy_http_version 1.1;" }
end, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("plugins", function()
    it("run in the order of their priority, with their config", function()
      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        local r = run(lifecycle.all(phase, [[
          if not kong.ctx.plugin.seen then
            kong.ctx.plugin.seen = true
            note(conf.of)
          end
        ]]))
        assert.same({ "one", "two", "three" }, r.notes, phase)
        assert.equal("upstream", r.body)
      end
    end)

    it("see the phase in ngx.ctx.KONG_PHASE", function()
      local one = {}
      for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
        one[phase] = "note(('" .. phase .. " 0x%x'):format(ngx.ctx.KONG_PHASE)) "
      end
      one.body_filter = "if ngx.arg[2] then " .. one.body_filter .. " end"
      local r = run { one = one }
      assert.same({
        "rewrite 0x10", "access 0x20", "header_filter 0x200", "body_filter 0x400", "log 0x2000",
      }, r.notes)
    end)

    it("see their own phase, also after a plugin that has printed", function()
      local r = run {
        path = "/content",
        one = { access = "ngx.say('x') ngx.flush(true)" },
        two = { access = "note(ngx.ctx.KONG_PHASE)" },
      }
      assert.same({ "32" }, r.notes)
    end)

    it("get an error for a call in the wrong phase", function()
      local r = run { one = {
        access = "note(select(2, pcall(kong.response.get_status)))",
        log = "note(select(2, pcall(kong.response.set_status, 200)))",
      } }
      assert.same({
        "function cannot be called in access phase (only in: response, header_filter, "
          .. "body_filter, log, error, admin_api)",
        "function cannot be called in log phase (only in: rewrite, access, balancer, response, "
          .. "header_filter, error, admin_api)",
      }, r.notes)
    end)

    it("can wait for something", function()
      local r = run {
        one = { rewrite = "ngx.sleep(0.01) note('one')", access = "ngx.sleep(0.01) note('one')" },
        two = {
          rewrite = "note('two')",
          access = [[
            local thread = ngx.thread.spawn(function() ngx.sleep(0.01) return "thread" end)
            note(select(2, ngx.thread.wait(thread)))
          ]],
        },
      }
      assert.same({ "one", "two", "one", "thread" }, r.notes)
      assert.equal("upstream", r.body)
    end)

    it("run to their end if they yield", function()
      local r = run {
        one = { access = [[
          local turns = 0
          ngx.thread.spawn(function()
            for i = 1, 3 do
              turns = i
              coroutine.yield()
            end
          end)
          while turns < 3 do
            coroutine.yield()
          end
          note("one")
        ]] },
        two = { access = "note('two')" },
      }
      assert.same({ "one", "two" }, r.notes)
    end)
  end)


  describe("each request", function()
    it("has one kong.ctx.shared for all plugins and a kong.ctx.plugin for each", function()
      local count = [[
        local shared, own = kong.ctx.shared, kong.ctx.plugin
        shared.n, own.n = (shared.n or 0) + 1, (own.n or 0) + 1
        note(shared.n, own.n)
      ]]
      local case = lifecycle.all("access", count)
      case.one.log, case.two.log, case.three.log = count, count, count
      for _ = 1, 2 do
        assert.same({ "1 1", "2 1", "3 1", "4 2", "5 2", "6 2" }, run(case).notes)
      end
    end)

    it("has the plugin's kong.ctx.plugin if the filters run inside of its handler", function()
      local r = run {
        path = "/content",
        one = {
          access = "kong.ctx.plugin.of = 'one' ngx.say('x') ngx.flush() note(kong.ctx.plugin.of)",
          header_filter = "note(kong.ctx.plugin.of)",
        },
        two = { header_filter = "note(kong.ctx.plugin.of)" },
      }
      assert.same({ "one", "nil", "one" }, r.notes)
    end)

    it("has no other fields in kong.ctx", function()
      local r = run {
        one = { access = [[
          note(select(2, pcall(function() kong.ctx.x = 1 end)))
          note(kong.ctx.x, kong.ctx.plugin ~= nil)
        ]] },
        path = "/content",
        content = "note(kong.ctx.plugin, kong.ctx.shared ~= nil)",
      }
      assert.same({
        "one.access:1: kong.ctx cannot be changed, only kong.ctx.shared and kong.ctx.plugin",
        "nil true",
        "nil true",
      }, r.notes)
    end)
  end)


  it("two plugins can buffer and change the body", function()
    local function change(from, to)
      return [[
        local body = kong.response.get_raw_body()
        if body then
          kong.response.set_raw_body((body:gsub("]] .. from .. [[", "]] .. to .. [[")))
        end
      ]]
    end
    local r = run {
      one = {
        header_filter = "kong.response.clear_header('Content-Length')",
        body_filter = change("a", "bb"),
      },
      two = { body_filter = change("bb", "ccc") },
      three = {
        body_filter = "if ngx.arg[2] then note(#ngx.arg[1], kong.response.get_source()) end",
      },
      upstream = [[
        for i = 1, 4 do
          ngx.print(("a"):rep(10000))
          ngx.flush(true)
        end
        return true
      ]],
    }
    assert.equal(120000, #r.body)
    assert.equal("", (r.body:gsub("c", "")))
    assert.same({ "120000 service" }, r.notes)
  end)


  it("many clients are served at the same time", function()
    local header = server:prepare {
      one = {
        access = [[
          kong.ctx.plugin.id, kong.ctx.shared.id = ngx.var.arg_id, ngx.var.arg_id
          ngx.sleep(math.random() / 50)
          if ngx.var.arg_id % 2 == 0 then
            kong.response.exit(403, "exit " .. kong.ctx.plugin.id)
          end
        ]],
        header_filter = [[
          kong.response.set_header("X-Id", kong.ctx.plugin.id .. " " .. kong.ctx.shared.id)
          kong.response.set_header("X-Source", kong.response.get_source())
        ]],
      },
    }
    local requests = {}
    for i = 1, 100 do
      requests[i] = { path = "/?id=" .. i, headers = { header } }
    end
    for i, r in ipairs(server:requests(requests)) do
      assert.equal(i .. " " .. i, r:header("X-Id"))
      assert.equal(i % 2 == 0 and "exit" or "service", r:header("X-Source"))
      assert.equal(i % 2 == 0 and "exit " .. i or "upstream", r.body)
    end
  end)
end)


it("twenty plugins run in the order of their priority", function()
  -- those without one have 0
  local priorities = {
    5, 1000000, -1, 17, 3, 3, 0, "false", 250, 1.5, 1, 999, -20, 17, 2, "false", 100, 12, 3, -0.5,
  }
  local order = { 2, 12, 9, 17, 4, 14, 18, 1, 5, 6, 19, 15, 10, 11, 7, 8, 16, 20, 3, 13 }

  nginx.once({
    init = [[
      local plugins = {}
      for i, priority in ipairs { ]] .. table.concat(priorities, ", ") .. [[ } do
        local function see()
          ngx.ctx.seen = (ngx.ctx.seen and ngx.ctx.seen .. " " or "") .. i
        end
        plugins[i] = { plugin = { PRIORITY = priority or nil, access = see, header_filter = see } }
      end
      lifecycle = require("kong.response.lifecycle").new(plugins)
    ]],
    locations = [[
      location / {
        access_by_lua_block { lifecycle.access() }
        content_by_lua_block { ngx.print(ngx.ctx.seen) }
        header_filter_by_lua_block {
          ngx.ctx.seen = nil
          lifecycle.header_filter()
          ngx.header["X-Seen"] = ngx.ctx.seen
        }
      }
    ]],
  }, function(server)
    local r = server:get("/")
    assert.equal(table.concat(order, " "), r.body)
    assert.equal(table.concat(order, " "), r:header("X-Seen"))
  end)
end)


describe("require of the life cycle", function()
  it("makes the global kong, which plugins take at their top", function()
    require("spec.support.nginx").once({
      files = {
        ["early.lua"] = [[
          local kong = kong
          local Early = {}
          function Early:access()
            return kong.response.exit(200, "early " .. tostring(kong.ctx.plugin ~= nil))
          end
          return Early
        ]],
      },
      init = [[
        lifecycle = require("kong.response.lifecycle").new { { plugin = require "early" } }
      ]],
      locations = [[
        location = /early {
          access_by_lua_block { lifecycle.access() }
          content_by_lua_block { ngx.print("content") }
        }
      ]],
    }, function(server)
      assert.equal("early true", server:get("/early").body)
    end)
  end)
end)
