local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"


local BIG = bodies.BIG
local CLEAR_LENGTH = bodies.CLEAR_LENGTH
local KEEP = bodies.KEEP
local WRAP = bodies.WRAP
local each_version = bodies.each_version


hosts.each("get_raw_body", {
  both_bindings = true, locations = bodies.LOCATIONS,
}, function(server)
  local function run(...)
    return server:run(...)
  end


  describe("for an upstream's body,", function()
    local ANSWERS = {
      ["with Content-Length"] = [[
        ngx.header.content_length = 11
        ngx.print("hello ") ngx.flush(true) ngx.sleep(0.01) ngx.print("world")
      ]],
      ["without Content-Length"] = [[
        ngx.print("hello ") ngx.flush(true) ngx.sleep(0.01) ngx.print("world")
      ]],
    }

    for name, upstream in pairs(ANSWERS) do
      for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered", "/small_buffers" } do
        it(name .. ", returns all of it through " .. path, function()
          each_version(function(options)
            local r = run({
              path = path,
              upstream = upstream,
              header_filter = CLEAR_LENGTH,
              body_filter = WRAP,
            }, options)
            assert.equal(200, r.status)
            assert.equal(0, r.exit)
            assert.equal("<dlrow olleh>", r.body)

            r = run({ path = path, upstream = upstream, body_filter = KEEP }, options)
            assert.equal(0, r.exit)
            assert.equal("hello world", r.body)
          end)
        end)
      end
    end

    for _, framing in ipairs { "Content-Length", "chunks" } do
      for _, path in ipairs { "/proxy11", "/unbuffered", "/small_buffers" } do
        it("of 5 MB in " .. framing .. ", returns all of it through " .. path, function()
          local big = loadstring(BIG .. "return big")()
          each_version(function(options)
            local r = run({
              path = path,
              upstream = BIG
                .. (framing == "chunks" and "" or "ngx.header.content_length = #big ")
                .. "ngx.print(big)",
              header_filter = CLEAR_LENGTH,
              body_filter = WRAP,
            }, options)
            assert.equal(0, r.exit)
            assert.equal(#big + 2, #r.body)
            -- not assert.equal: a failure would print 32 MB
            assert.is_true(r.body == "<" .. big:reverse() .. ">")
          end)
        end)
      end
    end

    it("of 5 MB, keeps it unchanged", function()
      local big = loadstring(BIG .. "return big")()
      each_version(function(options)
        local r = run({
          path = "/proxy11",
          upstream = BIG .. "ngx.header.content_length = #big ngx.print(big)",
          body_filter = "response.get_raw_body()",
        }, options)
        assert.equal(0, r.exit)
        assert.equal(tostring(#big), r:header("Content-Length"))
        assert.is_true(r.body == big)
      end)
    end)

    it("joins the buffers of nginx's page, which come as one last chunk", function()
      each_version(function(options)
        local r = run({
          path = "/content",
          access = "ngx.exit(403)",
          body_filter = [[
            note(ngx.arg[2])
            local body = response.get_raw_body()
            note(body)
            response.set_raw_body(body:upper())
          ]],
          header_filter = CLEAR_LENGTH,
        }, options)
        assert.equal(403, r.status)
        assert.equal(true, r.notes[1])
        assert.equal(2, #r.notes)
        assert.matches("^<html>.*<h1>403 Forbidden</h1>.*</html>\r\n$", r.notes[2])
        assert.equal(r.notes[2]:upper(), r.body)
      end)
    end)

    it("returns nil if the upstream breaks off", function()
      for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
        each_version(function(options)
          for _ = 1, 5 do
            local r = run({
              path = path,
              upstream = [[
                ngx.header.content_length = 1000
                ngx.print(("x"):rep(400)) ngx.flush(true) ngx.sleep(0.01) ngx.exit(444)
              ]],
              body_filter = KEEP,
            }, options)
            assert.not_equal(0, r.exit)
            assert.equal("", r.body)
            assert.is_true(#r.notes > 0)
            for _, value in ipairs(r.notes) do
              assert.equal("(nil)", value)
            end
            -- nginx gives the next request the memory of this one
            r = run({
              path = path,
              upstream = "ngx.print('fresh')",
              header_filter = CLEAR_LENGTH,
              body_filter = WRAP,
            }, options)
            assert.equal("<hserf>", r.body)
          end
        end)
      end
      assert.truthy(server:wait_log("upstream prematurely closed connection"))
    end)

    it("returns nil if a plugin fails during the body", function()
      each_version(function(options)
        for _ = 1, 5 do
          local r = run({
            raises = true,
            path = "/content",
            content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
            body_filter = [[
              ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
              response.get_raw_body()
              if ngx.ctx.chunks == 2 then error("out of order") end
            ]],
          }, options)
          assert.not_equal(0, r.exit)
          assert.is_nil((r.body or ""):find("one", 1, true))
          r = run({
            path = "/content", content = "ngx.print('fresh')", body_filter = WRAP,
          }, options)
          assert.equal("<hserf>", r.body)
        end
      end)
    end)

    it("returns an empty body for HEAD, 204 and 304", function()
      each_version(function(options)
        local function none(path, phases, method)
          phases.body_filter = KEEP
          local r = run(phases, { path = path, http2 = options.http2, method = method })
          assert.equal(0, r.exit)
          assert.equal("", r.body)
          for _, value in ipairs(r.notes) do
            assert.is_true(value == "(nil)" or value == "")
          end
          return r
        end

        local r = none("/proxy11", {
          upstream = "ngx.header.content_length = 5 ngx.print('hello')",
        }, "HEAD")
        assert.equal(200, r.status)
        assert.equal("5", r:header("Content-Length"))
        assert.equal(200, none("/content", { content = "ngx.print('hello')" }, "HEAD").status)
        assert.equal(200, none("/return", {}, "HEAD").status)
        assert.equal(204, none("/return_204", {}).status)
        for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
          assert.equal(204, none(path, { upstream = "ngx.exit(204)" }).status)
          assert.equal(304, none(path, { upstream = "ngx.exit(304)" }).status)
        end
      end)
    end)

    it("works for a client of HTTP/1.0", function()
      local r = run {
        path = "/proxy11", http_version = "1.0",
        upstream = ANSWERS["without Content-Length"],
        body_filter = WRAP,
      }
      assert.same({ "close" }, r:values("Connection"))
      assert.equal("<dlrow olleh>", r.body)
    end)
  end)
end)
