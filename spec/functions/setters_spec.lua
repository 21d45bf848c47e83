local hosts = require "spec.support.hosts"
local nginx = require "spec.support.nginx"


hosts.each("the setters", {
  gateway = true, both_bindings = true,
  files = { ["header_model.lua"] = nginx.read "header_model.lua" },
}, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("clear_header()", function()
    it("removes every value and nothing else", function()
      local r = run {
        upstream = [[
          ngx.header["X-Foo"] = { "1", "2", "3" }
          ngx.header["X-Foo-Bar"] = "4"
          ngx.header["ETag"] = '"1"'
          ngx.header["Cache-Control"] = { "a", "b" }
          ngx.header["Content-Type"] = "text/html"
          ngx.print("body")
        ]],
        header_filter = [[
          response.add_header("X-Foo", "5")
          response.clear_header("x-foo")
          response.clear_header("etag")
          response.clear_header("Cache-Control")
          response.clear_header("Content-Type")
          response.clear_header("X-None")
          response.clear_header("")
          note(response.get_header("Content-Type") == nil, response.get_header("X-Foo") == nil)
        ]],
      }
      assert.same({ "X-Foo-Bar: 4" }, r:own_headers(": "))
      assert.is_nil(r:header("ETag"))
      assert.is_nil(r:header("Cache-Control"))
      assert.is_nil(r:header("Content-Type"))
      assert.same({ true, true }, r.seen.header_filter)
    end)

    it("removes nginx's own Server and Date", function()
      local r = run { header_filter = [[
        response.clear_header("Server")
        response.clear_header("date")
      ]] }
      assert.is_nil(r:header("Server"))
      assert.is_nil(r:header("Date"))
      assert.equal(200, r.status)
      assert.equal("upstream", r.body)
    end)

    it("lets the header be set again", function()
      local r = run { header_filter = [[
        for _, name in ipairs { "X-Foo", "Server", "Content-Type" } do
          response.set_header(name, "1")
          response.clear_header(name)
          response.set_header(name, "2")
        end
      ]] }
      assert.same({ "2" }, r:values("X-Foo"))
      assert.same({ "2" }, r:values("Server"))
      assert.same({ "2" }, r:values("Content-Type"))
    end)
  end)


  describe("set_headers()", function()
    it("sends headers in the order of their lower-case names", function()
      local r = run { header_filter = [[
        response.set_headers {
          ["X-b"] = "4", ["x-A"] = { "2", "1" }, ["X_C"] = "5", ["X-Bb"] = "6", ["x-a-b"] = "3",
          ["X-1"] = "0", ["X-ZZ"] = "8", ["X-Z"] = "7", ["X-a.b"] = "9", ["X!"] = "10",
        }
      ]] }
      assert.same({
        "X-1: 0", "x-A: 2", "x-A: 1", "x-a-b: 3", "X-a.b: 9", "X-b: 4", "X-Bb: 6", "X-C: 5",
        "X-Z: 7", "X-ZZ: 8",
      }, r:own_headers(": "))
      assert.equal("10", r:header("X!"))
    end)

    it("sends the documented example in its order", function()
      local r = run {
        upstream = "ngx.header['X-Bar'] = 'bar1' ngx.print('body')",
        header_filter = [[
          response.set_headers {
            ["Bla"] = "boo", ["X-Foo"] = "foo3", ["Cache-Control"] = { "no-store", "no-cache" },
          }
        ]],
      }
      assert.truthy(r.head:find("\r\nX-Bar: bar1\r\nBla: boo\r\nCache-Control: no-store\r\n"
        .. "Cache-Control: no-cache\r\nX-Foo: foo3\r\n", 1, true), r.head)
    end)

    it("uses the spelling of a name that sorts last", function()
      local r = run { header_filter = [[
        response.set_headers { ["X-Foo"] = "1", ["x-foo"] = "4", ["X_Foo"] = "2", ["x-Foo"] = "3" }
        response.set_headers { ["X-Bar"] = "1", ["X_BAR"] = "2", ["X_Bar"] = { "3", "4" } }
      ]] }
      assert.same({ "4" }, r:values("X-Foo"))
      assert.same({ "3", "4" }, r:values("X-Bar"))
    end)

    it("replaces the given headers and no others", function()
      local r = run {
        upstream = [[
          ngx.header["X-One"] = { "1", "2" }
          ngx.header["X-Two"] = { "3", "4" }
          ngx.header["Content-Type"] = "text/html"
          ngx.print("body")
        ]],
        header_filter = "response.set_headers { ['X-One'] = '5', ['X-Three'] = { '6', '7' } }",
      }
      assert.same({ "5" }, r:values("X-One"))
      assert.same({ "3", "4" }, r:values("X-Two"))
      assert.same({ "6", "7" }, r:values("X-Three"))
      assert.equal("text/html", r:header("Content-Type"))
    end)

    it("accepts hundreds of headers", function()
      local r = run { header_filter = [[
        local headers = {}
        for i = 1, 500 do
          headers[("X-H-%03d"):format(i)] = i
        end
        response.set_headers(headers)
      ]] }
      local lines = r:own_headers(": ")
      assert.equal(500, #lines)
      assert.equal("X-H-001: 1", lines[1])
      assert.equal("X-H-500: 500", lines[500])
    end)
  end)


  describe("all setters", function()
    it("return nothing", function()
      local r = run { access = [[
        return select("#", response.set_header("X-Foo", "1")),
          select("#", response.add_header("X-Foo", "2")),
          select("#", response.set_headers { ["X-Foo"] = "3" }),
          select("#", response.clear_header("X-Foo")),
          select("#", response.set_header("Transfer-Encoding", "x"))
      ]] }
      assert.same({ 0, 0, 0, 0, 0 }, r.seen.access)
    end)

    it("can be called from rewrite to header_filter", function()
      local r = run {
        rewrite = "response.set_header('X-Rewrite', '1')",
        access = "response.add_header('X-Access', '2') response.add_header('X-Rewrite', '3')",
        balancer = "response.set_headers { ['X-Balancer'] = '4' }",
        header_filter = "response.add_header('X-Filter', '5') response.clear_header('X-Access')",
        http2 = true,
      }
      assert.same({ "1", "3" }, r:values("X-Rewrite"))
      assert.same({}, r:values("X-Access"))
      assert.same({ "4" }, r:values("X-Balancer"))
      assert.same({ "5" }, r:values("X-Filter"))
    end)

    it("set the headers that ngx.header sets", function()
      local r = run { header_filter = [[
        response.set_header("X-One", "1")
        response.add_header("X-One", "2")
        ngx.header["X-Two"] = "3"
        response.add_header("X-Two", "4")
        return ngx.header["X-One"], ngx.header.x_two
      ]] }
      assert.same({ { "1", "2" }, { "3", "4" } }, r.seen.header_filter)
    end)

    it("agree with a simple model in any order of calls", function()
      for seed = 1, 5 do
        local r = run { header_filter = "math.randomseed(" .. seed .. ")\n" .. [[
          local model = require "header_model"
          for step = 1, 200 do
            local call = model.step(response)
            local headers = response.get_headers(1000)
            for _, name in ipairs(model.names) do
              local ours, theirs = headers[name], model.values[name]
              ours = type(ours) == "table" and table.concat(ours, "|") or ours
              theirs = theirs and table.concat(theirs, "|")
              if ours ~= theirs or response.get_header(name) ~= (model.values[name] or {})[1] then
                note(step, call, name, tostring(ours), tostring(theirs))
                return
              end
            end
          end
          note(model.values)
          model.values = {}
        ]] }
        local values = r.seen.header_filter[1]
        if type(values) ~= "table" then
          error("step " .. table.concat(r.seen.header_filter, " / "))
        end
        for _, name in ipairs { "x-a", "x-b-c", "cache-control", "etag" } do
          assert.same(values[name] or {}, r:values(name))
        end
      end
    end)

    it("give the same results in compiled code", function()
      local r = run { header_filter = [[
        for i = 1, 1000 do
          response.set_header("X-Set", i)
          response.set_header("X-Array", { "a", "b" })
          response.add_header("X-Add", "" .. i)
          if i % 10 ~= 0 then
            response.clear_header("X-Add")
          end
          response.set_headers { ["X-All"] = i % 2 == 0, ["X-Text"] = "t" .. i }
        end
      ]] }
      assert.same({ "1000" }, r:values("X-Set"))
      assert.same({ "a", "b" }, r:values("X-Array"))
      assert.same({ "1000" }, r:values("X-Add"))
      assert.same({ "true" }, r:values("X-All"))
      assert.same({ "t1000" }, r:values("X-Text"))
    end)
  end)
end)
