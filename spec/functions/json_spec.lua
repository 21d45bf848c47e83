local hosts = require "spec.support.hosts"
local json = require "spec.support.json"
local vectors = require "spec.support.json_vectors"


hosts.each("a table body", { files = json.FILES }, function(server)
  it("is written as a gateway's encoder writes it", function()
    json.check_vectors(json.results(server, server.dir .. "/vectors.lua"))
  end)

  it("is written in the same way with the JIT off", function()
    json.check_vectors(json.results(server, server.dir .. "/vectors.lua", "jit.off()"))
    server:run { access = "jit.on() ngx.exit(204)" }
  end)

  it("is written in the same way each time", function()
    for _ = 1, 6 do
      json.check_vectors(json.results(server, server.dir .. "/vectors.lua"))
    end
  end)

  it("is sent with its length and type", function()
    local requests, rows = {}, {}
    for i = 1, #vectors, 4 do
      local row = vectors[i]
      if row[2] and not row[1]:find("_mt", 1, true) and not row[1]:find("nest", 1, true) then
        rows[#rows + 1] = row
        requests[#requests + 1] = {
          path = server:target {
            content = "local null = ngx.null "
              .. "local empty_array = require('kong.response.json').empty_array "
              .. "response.exit(200, " .. row[1] .. ")",
          },
        }
      end
    end
    assert.is_true(#rows > 20)
    for i, r in ipairs(server:requests(requests)) do
      assert.equal(rows[i][2], r.body)
      assert.same({ tostring(#r.body) }, r:values("Content-Length"))
      assert.same({ "application/json; charset=utf-8" }, r:values("Content-Type"))
    end
  end)


  describe("with the sentinels", function()
    it("uses the library's own if cjson has none", function()
      local r = server:run {
        content = [[
          local json = require "kong.response.json"
          assert(json.null == ngx.null and json.null == require("cjson").null)
          assert(type(json.array_mt) == "table" and type(json.empty_array_mt) == "table")
          assert(json.array_mt ~= json.empty_array_mt)
          assert(json.empty_array ~= nil and json.empty_array ~= json.null)
          response.exit(200, { json.null, json.empty_array, setmetatable({}, json.array_mt) })
        ]],
      }
      assert.equal("[null,[],[]]", r.body)
    end)

    it("refuses other light userdata", function()
      local err = "Cannot serialise userdata: type not supported"
      json.check(server, {
        { "{ other }", nil, err },
        { "{ a = other }", nil, err },
        { "{ 1, { { b = other } } }", nil, err },
        { "{ [other] = 1 }", nil,
          "Cannot serialise userdata: table key must be a number or string" },
        { "{ null, other }", nil, err },
      })
    end)
  end)


  describe("with the keys of many objects", function()
    it("writes each key unchanged", function()
      local found = json.encoded(server,
        "(function() local t = {} for i = 1, 300 do t[i] = { ['k' .. i % 70] = i } end "
          .. "return t end)()",
        "(function() local t = {} for i = 1, 300 do t[i] = { [('/\"x'):rep(i % 9)] = i } end "
          .. "return t end)()",
        "{ { id = 1, n = { id = 2 } }, { id = 3, n = { id = 4 } } }"
      )
      local plain, escaped = {}, {}
      for i = 1, 300 do
        plain[i] = ('{"k%d":%d}'):format(i % 70, i)
        escaped[i] = ('{"%s":%d}'):format(([[\/\"x]]):rep(i % 9), i)
      end
      assert.equal("[" .. table.concat(plain, ",") .. "]", found[1][1])
      assert.equal("[" .. table.concat(escaped, ",") .. "]", found[2][1])
    end)

    it("does not confuse strings after Lua code has run", function()
      -- Each call of `__len` leaves garbage, and room in its place for the next key.
      json.check(server, { { [[(function()
        local t, made = {}, 0
        for i = 1, 12 do
          t[2 * i - 1] = setmetatable({}, { __len = function()
            collectgarbage()
            made = made + 1
            t[2 * i] = { ["key-" .. made] = made }
            if i > 1 then
              t[2 * i - 2] = nil
            end
            collectgarbage()
            return 0
          end })
          t[2 * i] = false
        end
        return t
      end)()]], (function()
        local items = {}
        for i = 1, 12 do
          items[i] = ('[],{"key-%d":%d}'):format(i, i)
        end
        return "[" .. table.concat(items, ",") .. "]"
      end)() } })
    end)
  end)


  describe("with arrays", function()
    it("accepts sparse arrays up to the safe limit", function()
      local found = json.encoded(server,
        "{ [32768] = 1 }",
        "(function() local t = {} for i = 1, 16384 do t[i] = 1 end t[32770] = 1 return t end)()",
        "(function() local t = {} for i = 1, 16384 do t[i] = 1 end t[32771] = 1 return t end)()",
        "{ { [1e9] = 1 } }",
        "{ [2^53] = 1 }",
        "{ [1e300] = 1 }"
      )
      assert.equal("[" .. ("null,"):rep(32767) .. "1]", found[1][1])
      assert.equal("[" .. ("1,"):rep(16384) .. ("null,"):rep(16385) .. "1]", found[2][1])
      for i = 3, 6 do
        assert.equal(json.REFUSED .. "Cannot serialise table: excessively sparse array",
          found[i][2])
      end
    end)

    it("accepts large, nested and mixed arrays", function()
      local found = json.encoded(server,
        "(function() local t = {} for i = 1, 100000 do t[i] = i end return t end)()",
        "(function() local t = {} for i = 1, 3000 do t[i] = { { i }, { a = {} }, 'x' } end "
          .. "return t end)()",
        "{ 1, 2, a = 3 }",
        "{ 1, 2, [2.5] = 3 }"
      )
      local numbers, rows = {}, {}
      for i = 1, 100000 do
        numbers[i] = tostring(i)
      end
      for i = 1, 3000 do
        rows[i] = ('[[%d],{"a":{}},"x"]'):format(i)
      end
      assert.is_true(found[1][1] == "[" .. table.concat(numbers, ",") .. "]")
      assert.is_true(found[2][1] == "[" .. table.concat(rows, ",") .. "]")
      assert.equal([[{"1":1,"2":2,"a":3}]], found[3][1])
      assert.equal([[{"1":1,"2":2,"2.5":3}]], found[4][1])
    end)

    -- The library reads the items of long arrays by number. It must still find all other keys.
    describe("with long arrays", function()
      local SOURCE = "(function() local t = {} for i = %s do t[i] = %s end %s "
                     .. "return t end)()"

      --- The JSON of the items 1 to n after a change, which is Lua code for both sides.
      local function expected(n, item, change)
        local t = {}
        for i = 1, n do
          t[i] = item:gsub("i", i)
        end
        setfenv(loadstring(change), { t = t })()
        local is_array, length, fields = true, 0, {}
        for key, value in pairs(t) do
          is_array = is_array and type(key) == "number" and key >= 1 and key % 1 == 0
          length = type(key) == "number" and math.max(length, key) or length
          fields[#fields + 1] = ('"%s":%s'):format(key, value)
        end
        if not is_array then
          table.sort(fields)
          return "{" .. table.concat(fields, ",") .. "}"
        end
        for i = 1, length do
          t[i] = t[i] or "null"
        end
        return "[" .. table.concat(t, ",") .. "]"
      end

      --- The fields of an object, sorted, because the order of Lua's `pairs` is not defined.
      local function ordered(bytes)
        if bytes:sub(1, 1) ~= "{" then
          return bytes
        end
        local fields = {}
        for field in bytes:sub(2, -2):gmatch("[^,]+") do
          fields[#fields + 1] = field
        end
        table.sort(fields)
        return "{" .. table.concat(fields, ",") .. "}"
      end

      for what, item in pairs { numbers = "i", tables = "[i]" } do
        it("writes arrays of " .. what .. ", with holes and other keys anywhere", function()
          local sources, results = {}, {}
          local function add(n, change)
            local value = item:gsub("%[i%]", "{ i }")
            for _, range in ipairs { "1, " .. n, n .. ", 1, -1" } do
              sources[#sources + 1] = SOURCE:format(range, value, change)
              results[#results + 1] = expected(n, item, change)
            end
          end
          for _, n in ipairs { 7, 8, 9, 10, 16, 17, 40 } do
            add(n, "")
            for hole = 1, n do
              add(n, ("t[%d] = nil"):format(hole))
              add(n, ("t[%d] = nil t.x = 1"):format(hole))
              add(n, ("t[%d] = nil t[%d] = 1"):format(hole, n + 2))
            end
            for _, key in ipairs { "'x'", "0", "-1", "1.5", n + 1, n + 2, 2 * n + 30 } do
              add(n, ("t[%s] = 1"):format(key))
            end
          end
          for i, found in ipairs(json.encoded(server, unpack(sources))) do
            assert.equal(results[i], ordered(found[1] or found[2]), sources[i])
          end
        end)
      end

      it("reports a fault of the array before a fault of an item", function()
        local function with(change)
          return SOURCE:format("1, 20", "i", change)
        end
        local sparse = "Cannot serialise table: excessively sparse array"
        json.check(server, {
          { with "t[15] = print", nil, "Cannot serialise function: type not supported" },
          { with "t[15] = { print }", nil, "Cannot serialise function: type not supported" },
          { with "t[15] = print t[1e6] = 1", nil, sparse },
          { with "t[15] = { print } t[1e6] = 1", nil, sparse },
          { with "t[15] = { print } t[1/0] = 1", nil,
            "Cannot serialise number: must not be NaN or Infinity" },
          { with "for i = 1, 20 do t[i] = nil end t[true] = 1", nil,
            "Cannot serialise boolean: table key must be a number or string" },
        })
      end)
    end)

    it("writes arrays that have grown in the hash part", function()
      json.check(server, {
        { "(function() local t = {} for i = 9, 1, -1 do t[i] = i end return t end)()",
          "[1,2,3,4,5,6,7,8,9]" },
        { "(function() local t = { 1, 2, 3, 4 } t[4] = nil t[3] = nil return t end)()", "[1,2]" },
        { "(function() local t = { a = 1 } t.a = nil t[1] = 1 return t end)()", "[1]" },
        { "(function() local t = { a = 1 } t.a = nil return t end)()", "{}" },
      })
    end)

    it("does not count the depth of other arrays", function()
      json.check(server, {
        { "{ nest(999), nest(999) }", "[" .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. ","
          .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. "]" },
        { "{ nest(1000) }", nil, "Cannot serialise, excessive nesting (1001)" },
        { "{ a = nest(999) }", '{"a":' .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. "}" },
        { "{ a = nest(1000) }", nil, "Cannot serialise, excessive nesting (1001)" },
        { "(function() local a, b = {}, {} a.b, b[1] = b, a return a end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
        { "nest(100000)", nil, "Cannot serialise, excessive nesting (1001)" },
      })
    end)
  end)


  it("gives the same reasons in error", function()
    local r = server:run {
      content = [[
        local errors = {}
        for i, message in ipairs {
          { print }, { 0/0 }, { [32769] = 1 }, { [true] = 1 },
          setmetatable({}, { __len = function() error("thrown", 0) end }),
        } do
          errors[i] = select(2, pcall(response.error, 500, message))
        end
        ngx.print(table.concat(errors, "\n"))
      ]],
    }
    local prefix = "could not JSON encode the error message: "
    assert.equal(table.concat({
      prefix .. "Cannot serialise function: type not supported",
      prefix .. "Cannot serialise number: must not be NaN or Infinity",
      prefix .. "Cannot serialise table: excessively sparse array",
      prefix .. "Cannot serialise boolean: table key must be a number or string",
      prefix .. "thrown",
    }, "\n"), r.body)
  end)
end)
