local hosts = require "spec.support.hosts"


local NOT_A_NUMBER = "code must be a number"
local OUT_OF_RANGE = "code must be a number between 100 and 599"


local OPTIONS = { gateway = true, both_bindings = true }


hosts.each("the status", OPTIONS, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("get_status()", function()
    it("returns the upstream's status in every later phase", function()
      for _, status in ipairs { 200, 201, 404, 500, 503 } do
        local r = run {
          upstream = "ngx.status = " .. status .. " ngx.print('body')",
          header_filter = "return response.get_status()",
          body_filter = "return response.get_status()",
          log = "return response.get_status()",
        }
        assert.equal(status, r.seen.header_filter[1])
        assert.equal(status, r.seen.body_filter[1])
        assert.equal(status, r.seen.log[1])
        assert.equal(status, r.status)
      end
    end)

    it("returns the status of the plugin that exited", function()
      local r = run {
        access = "response.exit(403, 'no')",
        header_filter = "return response.get_status()",
        log = "return response.get_status()",
      }
      assert.same({ 403 }, r.seen.header_filter)
      assert.same({ 403 }, r.seen.log)
      assert.equal(403, r.status)
    end)

    it("returns nginx's status if the upstream cannot be reached", function()
      local r = run {
        path = "/broken",
        header_filter = "return response.get_status()",
        log = "return response.get_status()",
      }
      assert.same({ 502 }, r.seen.header_filter)
      assert.same({ 502 }, r.seen.log)
      assert.equal(502, r.status)
    end)

    it("returns ngx.status if there is no status yet", function()
      local r = run { access = [[
        ngx.ctx.KONG_PHASE = 0x80
        return response.get_status() == ngx.status, response.get_status()
      ]] }
      assert.same({ true, 0 }, r.seen.access)
    end)

    it("returns one number, also if other code has set it", function()
      local r = run {
        header_filter = [[
          ngx.status = 418
          note(select("#", response.get_status()), response.get_status())
          response.set_status(201)
          note(response.get_status(), ngx.status)
        ]],
      }
      assert.same({ 1, 418, 201, 201 }, r.seen.header_filter)
      assert.equal(201, r.status)
    end)
  end)


  describe("set_status()", function()
    it("raises an error if the status is not a number", function()
      local r = run { access = [[
        for _, value in ipairs { "200", true, {}, print, ngx.null, 200LL } do
          note(fails(response.set_status, value))
        end
        note(fails(response.set_status), fails(response.set_status, nil))
      ]] }
      assert.equal(8, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal(NOT_A_NUMBER, message)
      end
    end)

    it("raises an error if the status is not between 100 and 599", function()
      local r = run { access = [[
        for _, value in ipairs {
          99, 600, 99.9, 599.1, 0, -1, -200, 1e300, -1e300, 1/0, -1/0, 0/0, 2^32 + 200,
        } do
          note(fails(response.set_status, value))
        end
      ]] }
      assert.equal(13, #r.seen.access)
      for _, message in ipairs(r.seen.access) do
        assert.equal(OUT_OF_RANGE, message)
      end
    end)

    it("names the plugin's line", function()
      local r = run { raises = true, access = "\nresponse.set_status('x')\nreturn 1",
        header_filter = "local function set(status)\n  response.set_status(status)\nend\nset(600)" }
      assert.equal("plugin.lua:2: " .. NOT_A_NUMBER, r.errors.access)
      assert.equal("plugin.lua:2: " .. OUT_OF_RANGE, r.errors.header_filter)
    end)

    it("reports that headers were sent before other mistakes", function()
      local r = run {
        content = [[
          ngx.status = 202
          ngx.print("content")
          ngx.flush(true)
          ngx.ctx.KONG_PHASE = nil -- the filters have run
          note(fails(response.set_status, 200), fails(response.set_status, "x"))
          response.set_status(404)
        ]],
        raises = true,
      }
      assert.same({ "headers have already been sent", "headers have already been sent" },
        r.seen.content)
      assert.equal("plugin.lua:6: headers have already been sent", r.errors.content)
      assert.equal(202, r.status)
    end)

    it("accepts both ends of the range", function()
      local r = run { header_filter = [[
        for _, status in ipairs { 100, 101, 199, 299, 598, 599 } do
          response.set_status(status)
          note(response.get_status())
        end
      ]] }
      assert.same({ 100, 101, 199, 299, 598, 599 }, r.seen.header_filter)
      assert.equal(599, r.status)
    end)

    it("drops a fraction", function()
      local r = run { header_filter = [[
        response.set_status(200.9)
        note(response.get_status())
        response.set_status(404.5)
        note(response.get_status())
      ]] }
      assert.same({ 200, 404 }, r.seen.header_filter)
      assert.equal(404, r.status)
    end)

    it("returns nothing", function()
      assert.same({ 0 }, run({ access = "return select('#', response.set_status(200))" })
        .seen.access)
    end)

    it("replaces the upstream's status and reason", function()
      local r = run {
        upstream = "ngx.status = 500 ngx.print('broken')",
        header_filter = "response.set_status(404)",
        log = "return response.get_status()",
      }
      assert.matches("^HTTP/1.1 404 Not Found\r\n", r.head)
      assert.equal("broken", r.body)
      assert.same({ 404 }, r.seen.log)
    end)

    it("sets the status of a response that the content phase prints", function()
      local r = run { content = "response.set_status(418) ngx.print('teapot')" }
      assert.equal(418, r.status)
      assert.equal("teapot", r.body)
    end)

    it("can be called in rewrite, access and balancer", function()
      for _, phase in ipairs { "rewrite", "access", "balancer" } do
        local r = run { [phase] = "response.set_status(404) return ngx.status" }
        assert.same({ 404 }, r.seen[phase])
      end
      local r = run {
        rewrite = "response.set_status(404)",
        content = "ngx.print('content')",
      }
      assert.equal(404, r.status)
    end)

    it("sets the status over HTTP/2", function()
      local r = run { header_filter = "response.set_status(429)", http2 = true }
      assert.equal("2", r.version)
      assert.equal(429, r.status)
    end)

    it("gives the same results in compiled code", function()
      local r = run { header_filter = [[
        local sum, wrong = 0, 0
        for i = 1, 2000 do
          response.set_status(200 + i % 100)
          sum = sum + response.get_status()
        end
        for i = 1, 300 do
          if i % 3 == 0 and fails(response.set_status, 600) == "]] .. OUT_OF_RANGE .. [[" then
            wrong = wrong + 1
          end
        end
        return sum, wrong
      ]] }
      assert.same({ 2000 * 200 + 20 * 4950, 100 }, r.seen.header_filter)
      assert.equal(200, r.status)
    end)
  end)
end)
