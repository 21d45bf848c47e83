local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"


local KEEP = bodies.KEEP
local WRAP = bodies.WRAP
local all_bytes = bodies.all_bytes
local each_version = bodies.each_version


hosts.each("get_raw_body", {
  both_bindings = true, locations = bodies.LOCATIONS,
}, function(server)
  local function run(...)
    return server:run(...)
  end


  describe("chunk by chunk", function()
    it("returns nil until the last chunk, then the whole body", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
        body_filter = KEEP,
      }
      assert.equal("one two three", r.body)
      assert.same({ "(nil)", "(nil)", "(nil)", "one two three" }, r.notes)
    end)

    it("removes the chunk from ngx.arg while it buffers", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          response.get_raw_body()
          note(ngx.arg[1], ngx.arg[2])
        ]],
      }
      assert.equal("one two", r.body)
      -- nginx shows a chunk that was set to nil as ""
      assert.same({ "", false, "", false, "one two", true }, r.notes)
    end)

    it("returns a body of one chunk at once", function()
      each_version(function(options)
        local r = run({
          path = "/return",
          body_filter = "note(ngx.arg[2], response.get_raw_body(), ngx.arg[1], ngx.arg[2])",
        }, options)
        assert.equal("all at once", r.body)
        assert.same({ true, "all at once", "all at once", true }, r.notes)
      end)
    end)

    it("returns the empty string for an empty body", function()
      each_version(function(options)
        for path, content in pairs {
          ["/return_nothing"] = "",
          ["/content"] = "ngx.exit(200)",
          ["/proxy"] = "",
          ["/proxy11"] = "",
          ["/unbuffered"] = "",
        } do
          local r = run({
            path = path,
            content = content,
            upstream = "ngx.header.content_length = 0",
            body_filter = KEEP,
          }, options)
          assert.equal(200, r.status)
          assert.equal(0, r.exit)
          assert.equal("", r.body)
          assert.equal("", r.notes[#r.notes])
          for i = 1, #r.notes - 1 do
            assert.equal("(nil)", r.notes[i])
          end
        end
      end)
    end)

    it("distinguishes an empty chunked body from no body", function()
      local r = run {
        path = "/proxy11",
        upstream = [[ngx.print("") ngx.flush(true)]],
        body_filter = KEEP,
      }
      assert.equal(0, r.exit)
      assert.equal("", r.body)
      assert.equal("", r.notes[#r.notes])
    end)

    it("skips empty chunks", function()
      local r = run {
        path = "/content",
        content = [[
          ngx.flush(true) ngx.print("") ngx.print("a") ngx.print("")
          ngx.flush(true) ngx.print("b") ngx.flush(true)
        ]],
        body_filter = WRAP,
      }
      assert.equal("<ba>", r.body)
    end)

    it("buffers the chunks from the first call on", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
        body_filter = [[
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          if ngx.ctx.chunks > 1 then
            local body = response.get_raw_body()
            note(body)
            if body then response.set_raw_body("[" .. body .. "]") end
          end
        ]],
      }
      assert.equal("one [two three]", r.body)
      assert.same({ "(nil)", "(nil)", "two three" }, r.notes)
    end)

    it("sends the chunks between two calls to the client", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("1") ngx.print("2") ngx.print("3") ngx.print("4")]],
        body_filter = [[
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          if ngx.ctx.chunks ~= 2 then
            response.get_raw_body()
          end
        ]],
      }
      assert.equal("2134", r.body)
    end)

    it("keeps every byte", function()
      each_version(function(options)
        local r = run({
          path = "/content",
          content = [[
            for byte = 0, 255 do
              ngx.print(string.char(byte))
            end
          ]],
          body_filter = "local body = response.get_raw_body() if body then note(body) end",
        }, options)
        assert.equal(all_bytes(), r.body)
        assert.same({ all_bytes() }, r.notes)
      end)
    end)

    it("keeps every byte in compiled code", function()
      local r = run {
        path = "/content",
        content = "for i = 1, 3000 do ngx.print(i, ',') end",
        body_filter = WRAP,
      }
      local expected = {}
      for i = 1, 3000 do
        expected[i] = i .. ","
      end
      assert.equal("<" .. table.concat(expected):reverse() .. ">", r.body)
    end)

    it("ignores arguments", function()
      local r = run { path = "/return", body_filter = "note(response.get_raw_body(1, {}, nil))" }
      assert.equal("all at once", r.body)
    end)
  end)


  describe("called again", function()
    it("adds no chunk twice", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          note(response.get_raw_body())
          note(response.get_raw_body())
          note(response.get_raw_body())
        ]],
      }
      assert.equal("one two", r.body)
      assert.same({
        "(nil)", "(nil)", "(nil)",
        "(nil)", "(nil)", "(nil)",
        "one two", "one two", "one two",
      }, r.notes)
    end)

    it("adds the data that other code has put into the chunk since", function()
      for value, text in pairs {
        ['"text"'] = "text",
        ["17"] = "17",
        ['{ "a", { "b", 1 } }'] = "ab1",
        ["nil"] = "",
        ['""'] = "",
        ["{ {} }"] = "",
        ["0.1 + 0.2"] = "0.3",
        ["{ 1 / 3, 1e15 }"] = "0.333333333333331e+15",
        ["0 / 0"] = "nan",
      } do
        local r = run {
          path = "/content",
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = "note(response.get_raw_body())"
            .. "if not ngx.arg[2] then ngx.arg[1] = " .. value .. " end "
            .. "note(response.get_raw_body())",
        }
        local body = "one " .. text .. "two" .. text
        assert.equal(body, r.body)
        assert.same({ "(nil)", "(nil)", "(nil)", "(nil)", body, body }, r.notes)
      end
    end)

    it("keeps a chunk that nginx refuses in ngx.arg[1]", function()
      for value, refusal in pairs {
        ["true"] = "bad chunk data type: boolean",
        ["{ true }"] = "bad argument #3 to '__newindex' (bad data type boolean found)",
        ["{ 'a', nil, 'b' }"] = "bad argument #3 to '__newindex' (bad data type nil found)",
        ["{ { [2] = 'a' } }"] = "bad argument #3 to '__newindex' (bad data type nil found)",
        ["{ 'a', b = 'c' }"] = "bad argument #3 to '__newindex' (non-array table found)",
        ["{ [0] = 'a' }"] = "bad argument #3 to '__newindex' (non-array table found)",
        ["{ [1.5] = 'a' }"] = "bad argument #3 to '__newindex' (non-array table found)",
      } do
        local r = run {
          path = "/content",
          content = [[ngx.print("one")]],
          body_filter = ([[
            if ngx.arg[1] ~= "" then
              note(select(2, pcall(function() ngx.arg[1] = %s end)))
            end
          ]]):format(value),
        }
        assert.equal("one", r.body)
        assert.equal(1, #r.notes)
        assert.matches(refusal, r.notes[1], 1, true)
      end
    end)

    it("adds the data that other code has put into the chunk before the call", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          ngx.arg[1] = ngx.arg[1]:upper() .. (ngx.arg[2] and "." or "")
          response.get_raw_body()
        ]],
      }
      assert.equal("ONE TWO.", r.body)
    end)

    it("returns the whole body if other code ends it early", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
        body_filter = [[
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          note(response.get_raw_body())
          if ngx.ctx.chunks == 2 then
            ngx.arg[1] = "end"
            ngx.arg[2] = true
            note(response.get_raw_body())
          end
        ]],
      }
      assert.equal("one two end", r.body)
      assert.same({ "(nil)", "(nil)", "one two end" }, r.notes)
    end)

    it("returns nil after the last chunk", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          local body = response.get_raw_body()
          if body then
            ngx.arg[1] = "other"
            note(body, response.get_raw_body(), ngx.arg[1])
          end
        ]],
      }
      assert.equal("other", r.body)
      assert.same({ "one two", "other", "other" }, r.notes)
    end)

    it("keeps the whole body if other code removes the last chunk", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          local body = response.get_raw_body()
          if body then
            ngx.arg[1] = nil
            note(body, response.get_raw_body())
          end
        ]],
      }
      assert.equal("", r.body)
      assert.same({ "one two", "" }, r.notes)
    end)
  end)


  describe("with several plugins", function()
    it("gives each plugin the body of the plugin before it", function()
      each_version(function(options)
        local r = run({
          path = "/content",
          content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
          body_filter = [[
            for _, mark in ipairs { "A", "B", "C" } do
              local body = response.get_raw_body()
              if body then
                response.set_raw_body(mark .. "(" .. body .. ")")
              end
            end
          ]],
        }, options)
        assert.equal("C(B(A(one two three)))", r.body)
      end)
    end)

    it("works after a plugin that changes each chunk", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          ngx.arg[1] = ngx.arg[1]:upper()
          local body = response.get_raw_body()
          if body then
            response.set_raw_body("(" .. body .. ")")
          end
        ]],
      }
      assert.equal("(ONE TWO)", r.body)
    end)

    it("works before a plugin that changes each chunk", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          response.get_raw_body()
          note(ngx.arg[1])
          ngx.arg[1] = ngx.arg[1]:upper()
        ]],
      }
      assert.equal("ONE TWO", r.body)
      assert.same({ "", "", "one two" }, r.notes)
    end)

    it("keeps the body if the next plugin only reads it", function()
      local r = run {
        path = "/content",
        content = [[ngx.print("one ") ngx.print("two")]],
        body_filter = [[
          local body = response.get_raw_body()
          if body then response.set_raw_body(body:upper()) end
          note(response.get_raw_body())
        ]],
      }
      assert.equal("ONE TWO", r.body)
      assert.same({ "(nil)", "(nil)", "ONE TWO" }, r.notes)
    end)
  end)
end)
