local hosts = require "spec.support.hosts"
local tour = require "spec.support.tour"


hosts.each("the functions", { gateway = true, both_bindings = true }, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("for a proxied request", function()
    it("read and change the response in every phase", function()
      tour.check(run(tour.CASE))
    end)

    it("work over HTTP/2", function()
      local r = run(tour.with { http2 = true })
      assert.equal("2", r.version)
      tour.check(r)
    end)

    it("work for HEAD", function()
      local r = run {
        method = "HEAD",
        header_filter = "response.set_header('X-Foo', 'bar') response.set_status(404)",
        log = "return response.get_status(), response.get_header('x-foo')",
      }
      assert.equal(404, r.status)
      assert.equal("bar", r:header("X-Foo"))
      assert.same({ 404, "bar" }, r.seen.log)
    end)
  end)


  describe("called from", function()
    it("a coroutine work, and their errors name its line", function()
      local r = run { access = [[
        local co = coroutine.wrap(function()
          response.set_header("X-One", "1")
          coroutine.yield()
          response.add_header("X-One", "2")
          local ok, err = pcall(function()
            response.clear_header(1)
          end)
          return err
        end)
        co()
        return (co():match("[^/]*$"))
      ]] }
      assert.same({ "plugin.lua:6: header name must be a string" }, r.seen.access)
      assert.same({ "1", "2" }, r:values("X-One"))
    end)

    it("a coroutine raise an error string that ends it", function()
      local r = run { access = [[
        local co = coroutine.create(function()
          response.set_status(1)
          return 1
        end)
        local ok, err = coroutine.resume(co)
        return ok, (err:match("[^/]*$")), coroutine.status(co)
      ]] }
      assert.same({ false, "plugin.lua:2: code must be a number between 100 and 599", "dead" },
        r.seen.access)
    end)

    it("code after ngx.sleep work", function()
      local r = run { access = [[
        response.set_header("X-Before", "1")
        ngx.sleep(0.01)
        response.set_header("X-After", "2")
        ngx.ctx.KONG_PHASE = 0x80
        return response.get_header("X-Before"), response.get_headers()["x-after"]
      ]] }
      assert.same({ "1", "2" }, r.seen.access)
      assert.equal("1", r:header("X-Before"))
      assert.equal("2", r:header("X-After"))
    end)

    it("a metamethod, a sort function or an xpcall handler work", function()
      local r = run { access = [[
        local object = setmetatable({}, { __index = function(_, name)
          response.add_header("X-Name", name)
          return name
        end })
        local name = object.one .. object.two
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b)
          response.set_header("X-Sorted", a)
          return a < b
        end)
        xpcall(error, function()
          response.set_header("X-Handler", "1")
        end)
        local trace = select(2, xpcall(function()
          response.set_header("X-Foo", nil)
          return 1
        end, debug.traceback))
        return (trace:match("([^/]*)\nstack traceback:"))
      ]] }
      assert.same({ "one", "two" }, r:values("X-Name"))
      assert.is_truthy(r:header("X-Sorted"))
      assert.equal("1", r:header("X-Handler"))
      assert.same({ 'plugin.lua:15: invalid header value for "X-Foo": got nil, '
        .. "expected array of string, string, number or boolean" }, r.seen.access)
    end)
  end)
end)
