local hosts = require "spec.support.hosts"
local json = require "spec.support.json"


hosts.each("a table body", { files = json.FILES }, function(server)
  describe("with metatables", function()
    it("raises the text of errors in their functions", function()
      local throws = "function() error('thrown', 0) end"
      local positioned = "function() error('thrown') end"
      json.check(server, {
        { "setmetatable({ a = 1 }, { __len = " .. throws .. " })", nil, "thrown" },
        { "setmetatable({ 1, nil, 3 }, { __index = " .. throws .. " })", nil, "thrown" },
        { "{ a = { setmetatable({ a = 1 }, { __len = " .. throws .. " }) } }", nil, "thrown" },
        { "setmetatable({}, { __len = " .. positioned .. " })", nil, "plugin.lua:1: thrown" },
        { "setmetatable({}, { __len = function() return 2 end, __index = " .. throws .. " })", nil,
          "thrown" },
        { "setmetatable({}, { __len = function() return 2 end, __index = function(_, i) "
          .. "if i == 2 then error('the second', 0) end return i end })", nil, "the second" },
      })
    end)

    it("has the length that __len returns, without its fraction", function()
      local function with_length(length)
        return "setmetatable({ 1, 2, 3 }, { __len = function() return " .. length .. " end })"
      end
      json.check(server, {
        { with_length "2.9", "[1,2]" },
        { with_length "4", "[1,2,3,null]" },
        { with_length "0.5", "[]" },
        { with_length "-1", "[]" },
        { with_length "true", "[]" },
      })
    end)

    it("handles errors that are not text", function()
      for _, value in ipairs { "nil", "{}", "print", "true", "5", "null", "setmetatable({}, { "
        .. "__tostring = function() error('again') end })" } do
        local found = json.encoded(server,
          "setmetatable({}, { __len = function() error(" .. value .. ") end })",
          "setmetatable({ 1, nil, 3 }, { __index = function() error(" .. value .. ") end })"
        )
        for _, outcome in ipairs(found) do
          assert.is_nil(outcome[1])
          assert.equal(json.REFUSED, outcome[2]:sub(1, #json.REFUSED))
        end
      end
    end)

    it("handles lengths that are not numbers", function()
      for _, length in ipairs {
        "nil", "-1", "0", "0.5", "1.5", "0/0", "1/0", "-1/0", "'3'", "'x'", "{}", "true", "print",
        "null",
      } do
        local found = json.encoded(server,
          "setmetatable({}, { __len = function() return " .. length .. " end })",
          "setmetatable({ 'x' }, { __len = function() return " .. length .. " end })",
          "setmetatable({ a = 1 }, { __len = function() return " .. length .. " end })"
        )
        for _, outcome in ipairs(found) do
          assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #json.REFUSED) == json.REFUSED,
            length)
        end
      end
    end)

    it("handles metamethods that cannot be called or indexed", function()
      for _, value in ipairs { "1", "'x'", "true", "{}", "print", "null" } do
        local found = json.encoded(server,
          "setmetatable({ 'x' }, { __len = " .. value .. " })",
          "setmetatable({ 'x', nil, 'y' }, { __index = " .. value .. " })"
        )
        for _, outcome in ipairs(found) do
          assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #json.REFUSED) == json.REFUSED,
            value)
        end
      end
    end)

    it("reserves no memory for a length before it has read the items", function()
      for _, length in ipairs { "2^31 - 1", "2^31", "2^32 + 1", "2^53", "1e300" } do
        local found = json.encoded(server, "setmetatable({}, { __len = function() return " .. length
          .. " end, __index = function() error('read', 0) end })")[1]
        assert.is_true(found[1] == "{}" or found[2]:sub(1, #json.REFUSED) == json.REFUSED, length)
      end
      json.check(server, {
        { "setmetatable({}, { __len = function() return 2^31 - 2 end, "
          .. "__index = function() error('read', 0) end })", nil, "read" },
      })
    end)

    it("stops at a length that has too many holes", function()
      json.check(server, {
        { "setmetatable({ 1 }, { __len = function() return 2^31 - 1 end })", nil,
          "Cannot serialise table: excessively sparse array" },
      })
      local source = "setmetatable({}, { __len = function() return 2^20 end })"
      local found = json.encoded(server, source)[1]
      assert.equal(5 * 2^20 + 1, #found[1])
    end)

    it("handles metamethods that recurse without end", function()
      for _, source in ipairs {
        "setmetatable({ 1, nil, 3 }, { __index = function(t, i) return t[i] end })",
        "(function() local t = setmetatable({ 1, nil, 3 }, {}) "
          .. "getmetatable(t).__index = t return t end)()",
        "(function() local mt = {} mt.__len = function(t) "
          .. "return #require('encoder').encode('nest(3)') + mt.__len(t) end "
          .. "return setmetatable({}, mt) end)()",
      } do
        local found = json.encoded(server, source)[1]
        assert.is_nil(found[1])
        assert.equal(json.REFUSED, found[2]:sub(1, #json.REFUSED))
      end
    end)

    it("handles metamethods that write their own table without end", function()
      for _, source in ipairs {
        "setmetatable({}, { __len = function(t) "
          .. "return #assert(require('kong.response.json').encode(t)) end })",
        "setmetatable({}, { __len = function() return 2 end, __index = function(t) "
          .. "return assert(require('kong.response.json').encode(t)) end })",
      } do
        local found = json.encoded(server, source)[1]
        assert.is_nil(found[1])
        assert.equal(json.REFUSED, found[2]:sub(1, #json.REFUSED))
        assert.matches("C stack overflow$", found[2])
      end
    end)

    it("reads holes through tables and functions", function()
      json.check(server, {
        { "setmetatable({ 1, nil, 3 }, { __index = { 7, 8, 9 } })", "[1,8,3]" },
        { "setmetatable({ [3] = 3 }, { __index = function(_, i) return 'i' .. i end })",
          '["i1","i2",3]' },
        { "setmetatable({ 1, nil, 3 }, { __index = function() return { a = {} } end })",
          '[1,{"a":{}},3]' },
        { "setmetatable({ 1, nil, 3 }, { __index = function() return print end })", nil,
          "Cannot serialise function: type not supported" },
        { "setmetatable({ a = 1 }, { __index = { b = 2 } })", '{"a":1}' },
      })
    end)

    it("reads items through __len and __index", function()
      json.check(server, {
        { "setmetatable({ 'x', 'y', 'z' }, { __len = function() return 2 end })", '["x","y"]' },
        { "setmetatable({ 'x' }, { __len = function() return 3 end })", '["x",null,null]' },
        { "setmetatable({}, { __len = function() return 2 end, __index = { 'p', 'q', 'r' } })",
          '["p","q"]' },
        { "{ a = setmetatable({ x = 1 }, { __len = function(t) return t.x end, "
          .. "__index = function(_, i) return { i } end }) }", '{"a":[[1]]}' },
      })
    end)

    it("calls no other metamethods", function()
      local throws = "function() error('asked') end"
      json.check(server, {
        { "setmetatable({ a = 1 }, { __pairs = " .. throws .. ", __ipairs = " .. throws
          .. ", __tostring = " .. throws .. ", __call = " .. throws .. ", __eq = " .. throws
          .. ", __metatable = 'locked', __newindex = " .. throws .. " })", '{"a":1}' },
        { "setmetatable({ 1, 2 }, { __metatable = false })", "[1,2]" },
        { "setmetatable({ 1, 2 }, setmetatable({}, { __index = function() return "
          .. throws .. " end }))", "[1,2]" },
      })
    end)

    it("stops at depth 1000 if __index makes tables without end", function()
      json.check(server, {
        { "(function() local mt = { __len = function() return 1 end } "
          .. "mt.__index = function() return setmetatable({}, mt) end "
          .. "return setmetatable({}, mt) end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
        { "(function() local mt = {} "
          .. "mt.__index = function() return setmetatable({ 1, nil, 3 }, mt) end "
          .. "return setmetatable({ 1, nil, 3 }, mt) end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
      })
    end)

    it("handles tables that change while it reads them", function()
      local found = json.encoded(server,
        -- the walk's own table, grown and emptied from an item's __len
        [[(function()
          local t = {}
          for i = 1, 50 do t["k" .. i] = i end
          t.hostile = setmetatable({}, { __len = function()
            for i = 1, 5000 do t["n" .. i] = i end
            return 1
          end })
          return t
        end)()]],
        [[(function()
          local t = {}
          for i = 1, 50 do t["k" .. i] = i end
          t.hostile = setmetatable({}, { __len = function()
            for k in pairs(t) do t[k] = nil end
            collectgarbage() collectgarbage()
            return 1
          end })
          return t
        end)()]],
        [[(function()
          local t = { 1, 2, 3, 4, 5, 6, 7, 8 }
          t[3] = setmetatable({}, { __len = function()
            for i = 1, 8 do t[i] = nil end
            for i = 1, 100 do t["x" .. i] = i end
            collectgarbage() collectgarbage()
            return 1
          end })
          return t
        end)()]],
        [[(function()
          local t = { 1, nil, 3, nil, 5, [40] = 1 }
          return setmetatable(t, { __index = function(_, i)
            for k = 1, 40 do rawset(t, k, nil) end
            for k = 1, 100 do rawset(t, "x" .. k, k) end
            if i < 3 then collectgarbage() end
            return i
          end })
        end)()]],
        [[(function()
          local t = setmetatable({}, {})
          getmetatable(t).__len = function()
            setmetatable(t, nil)
            t.a = "a"
            collectgarbage()
            return 3
          end
          return t
        end)()]],
        [[(function()
          local inner = setmetatable({ "a", "b" }, {})
          local t = { inner, inner, inner }
          getmetatable(inner).__len = function()
            t[1], t[2], t[3] = nil, nil, nil
            collectgarbage() collectgarbage()
            return 2
          end
          return t
        end)()]]
      )
      for _, outcome in ipairs(found) do
        assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #json.REFUSED) == json.REFUSED)
      end
      -- the server is well: what follows is still right
      json.check_vectors(json.results(server, server.dir .. "/vectors.lua"))
    end)

    it("handles a debug hook that changes tables at every call", function()
      local r = server:run {
        content = [[
          local outer, calls = {}, 0
          local function change()
            calls = calls + 1
            for key in pairs(outer) do
              outer[key] = nil
            end
            for i = 1, 40 do
              outer["key" .. calls .. "-" .. i] = { i, { i } }
            end
          end
          local kinds = {}
          for i = 1, 20 do
            change()
            debug.sethook(change, "c")
            local failed, err = pcall(response.error, 500, outer, { [{}] = 1 })
            debug.sethook()
            kinds[i] = tostring(failed) .. type(err)
          end
          ngx.print(table.concat(kinds, " "))
        ]],
      }
      assert.equal(("falsestring "):rep(20):sub(1, -2), r.body)
    end)

    it("raises an error if a metamethod yields", function()
      local r = server:run {
        content = [[
          local errors = {}
          for i, mt in ipairs {
            { __len = function() coroutine.yield() return 1 end },
            { __index = function() coroutine.yield() return 1 end },
          } do
            local thread = coroutine.create(function()
              response.exit(200, { setmetatable({ 1, nil, 3 }, mt) })
            end)
            local ok, err = coroutine.resume(thread)
            errors[i] = tostring(ok) .. " " .. type(err) .. " " .. tostring(err)
          end
          ngx.print(table.concat(errors, "\n"))
        ]],
      }
      local lines = 0
      for line in r.body:gmatch("[^\n]+") do
        lines = lines + 1
        assert.matches("^false string plugin%.lua:7: " .. json.REFUSED
          .. ".*attempt to yield across C%-call boundary", line)
      end
      assert.equal(2, lines)
    end)

    it("lets a metamethod call exit", function()
      local found = json.encoded(server, [[setmetatable({}, {
        __len = function() return 2 end,
        __index = function(_, i)
          return require("encoder").encode("{ a = { " .. i .. ", nest(3) } }")
        end,
      })]])
      assert.equal([=[["{\"a\":[1,[[{}]]]}","{\"a\":[2,[[{}]]]}"]]=], found[1][1])
    end)
  end)
end)
