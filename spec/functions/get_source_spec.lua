local hosts = require "spec.support.hosts"


local OPTIONS = { gateway = true, both_bindings = true }


hosts.each("the source", OPTIONS, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("get_source()", function()
    it("follows the flags of ngx.ctx", function()
      local r = run { header_filter = [[
        local function source(unexpected, exited, proxied)
          ngx.ctx.KONG_UNEXPECTED = unexpected
          ngx.ctx.KONG_EXITED = exited
          ngx.ctx.KONG_PROXIED = proxied
          note(response.get_source())
        end
        source(nil, nil, nil)
        source(nil, nil, true)
        source(nil, true, nil)
        source(nil, true, true)
        source(true, nil, nil)
        source(true, nil, true)
        source(true, true, true)
        source(false, false, true)
        source(false, true, false)
        source(false, false, false)
        source(nil, nil, 0)
        source(nil, "", nil)
        source(1, nil, nil)
      ]] }
      assert.same({
        "error", "service", "exit", "exit", "error", "error", "error", "service", "exit", "error",
        "service", "exit", "error",
      }, r.seen.header_filter)
    end)

    it("tells where the response came from", function()
      local code = "return response.get_source()"
      local r = run {
        balancer = "ngx.ctx.KONG_PROXIED = true",
        header_filter = code,
        body_filter = "note(response.get_source())",
        log = code,
      }
      assert.same({ "service" }, r.seen.header_filter)
      assert.equal("service", r.seen.body_filter[1])
      assert.same({ "service" }, r.seen.log)

      r = run {
        access = "ngx.ctx.KONG_PROXIED = true response.exit(403, 'no')",
        header_filter = code,
        body_filter = "note(response.get_source())",
        log = code,
      }
      assert.same({ "exit" }, r.seen.header_filter)
      assert.equal("exit", r.seen.body_filter[1])
      assert.same({ "exit" }, r.seen.log)
      assert.equal("no", r.body)

      r = run { access = "response.error(500)", header_filter = code, log = code }
      assert.same({ "exit" }, r.seen.header_filter)
      assert.same({ "exit" }, r.seen.log)

      r = run { path = "/broken", header_filter = code, log = code }
      assert.same({ "error" }, r.seen.header_filter)
      assert.same({ "error" }, r.seen.log)
    end)

    it("does not return exit after an exit that raised an error", function()
      local r = run {
        access = "note(fails(response.exit, 1)) note(fails(response.error, 200))",
        header_filter = "return response.get_source(), ngx.ctx.KONG_EXITED == nil",
      }
      assert.same({ "error", true }, r.seen.header_filter)
    end)

    it("reads a given table in any phase", function()
      local asks = [[
        note(response.get_source({}), response.get_source { KONG_PROXIED = true },
          response.get_source { KONG_EXITED = true, KONG_PROXIED = true },
          response.get_source { KONG_UNEXPECTED = true, KONG_EXITED = true })
      ]]
      for _, phase in ipairs { "rewrite", "access", "balancer", "header_filter", "log" } do
        local r = run { [phase] = "ngx.ctx.KONG_EXITED = true\n" .. asks }
        assert.same({ "error", "service", "exit", "error" }, r.seen[phase], phase)
        r = run { [phase] = "ngx.ctx.KONG_PHASE = nil\n" .. asks }
        assert.same({ "error", "service", "exit", "error" }, r.seen[phase], phase)
      end
    end)

    it("treats nil as no table", function()
      local r = run {
        access = "return fails(response.get_source, nil)",
        header_filter = "ngx.ctx.KONG_EXITED = true return response.get_source(nil)",
      }
      assert.same({
        "function cannot be called in access phase (only in: "
          .. "response, header_filter, body_filter, log, error, admin_api)",
      }, r.seen.access)
      assert.same({ "exit" }, r.seen.header_filter)
    end)

    it("can be called in every phase of nginx", function()
      for _, phase in ipairs { "rewrite", "access", "content", "header_filter", "log" } do
        local r = run { [phase] = [[
          ngx.ctx.KONG_PHASE = 0x2000
          ngx.ctx.KONG_PROXIED = true
          note(response.get_source(), select("#", response.get_source()))
        ]] }
        assert.same({ "service", 1 }, r.seen[phase], phase)
      end
    end)

    it("can be called in a timer", function()
      local r = run { access = [[
        local source
        ngx.timer.at(0, function()
          ngx.ctx.KONG_PHASE = 0x2000
          ngx.ctx.KONG_PROXIED = true
          source = response.get_source() .. " " .. response.get_source { KONG_EXITED = true }
        end)
        repeat ngx.sleep(0.001) until source
        return source
      ]] }
      assert.same({ "service exit" }, r.seen.access)
    end)

    it("names the plugin's line in errors", function()
      local r = run {
        raises = true,
        access = "\nlocal source = response.get_source()\nnote(source)",
      }
      assert.equal("plugin.lua:2: function cannot be called in access phase (only in: "
        .. "response, header_filter, body_filter, log, error, admin_api)", r.errors.access)
    end)
  end)
end)
