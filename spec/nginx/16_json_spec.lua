local nginx = require "spec.support.nginx"
local stages = require "spec.support.stages"
local vectors = require "spec.support.json_vectors"


local REFUSED = "body encoding failed while flushing response: "

-- Encodes by `exit` in header_filter, where the bytes stay in ngx.ctx.response_body.
local ENCODER = [[
local json = require "kong.response.json"

local _M = {}

local environment = setmetatable({
  null = json.null,
  empty_array = json.empty_array,
  array_mt = json.array_mt,
  empty_array_mt = json.empty_array_mt,
  -- light userdata that stands for nothing
  other = debug.upvalueid(function() return _M end, 1),
  nest = function(depth)
    local outer = {}
    for _ = 2, depth do
      outer = { outer }
    end
    return outer
  end,
  cycle = function()
    local t = {}
    t[1] = t
    return t
  end,
}, { __index = _G })

--- Bytes of the value that the source stands for, or nil and what `exit` raised.
function _M.encode(source)
  local chunk = assert(loadstring("return " .. source, "@plugin.lua"))
  setfenv(chunk, environment)
  ngx.ctx.response_body = nil
  local ok, err = pcall(require("kong.response").exit, 200, chunk())
  if not ok then
    assert(type(err) == "string", "an error that is no string")
    return nil, err
  end
  return ngx.ctx.response_body
end

--- Answers with the results of all sources of `file`, each with its length.
function _M.answer(file)
  local out = {}
  local sources = dofile(file)
  collectgarbage()
  for i, source in ipairs(sources) do
    local bytes, err = _M.encode(type(source) == "table" and source[1] or source)
    out[i] = (bytes and "+" or "-") .. #(bytes or err) .. ":" .. (bytes or err)
  end
  require("kong.response").exit(200, table.concat(out), { ["Content-Type"] = "text/plain" })
end

return _M
]]

-- A cjson that has the names Debian's lacks.
local CJSON = [[
local function marker()
  local kept
  local function keep() return kept end
  return debug.upvalueid(keep, 1), keep
end

local empty_array, keep = marker()
return {
  null = ngx.null, empty_array = empty_array, array_mt = {}, empty_array_mt = {}, keep = keep,
}
]]


local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end


describe("a table body", function()
  local server

  setup(function()
    server = stages.start {
      files = {
        ["encoder.lua"] = ENCODER,
        ["vectors.lua"] = read_file(nginx.root .. "/spec/support/json_vectors.lua"),
      },
    }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:clear_log()
  end)


  --- The outcome of each source: { bytes } or { nil, error }.
  local function results(at, file, before)
    local r = at:run {
      header_filter = (before or "") .. " require('encoder').answer('" .. file .. "')",
    }
    assert.equal(0, r.exit)
    local found, position = {}, 1
    while position <= #r.body do
      local sign, length, start = r.body:match("^([+-])(%d+):()", position)
      assert.is_string(sign, r.body:sub(1, 300))
      local text = r.body:sub(start, start + tonumber(length) - 1)
      found[#found + 1] = sign == "+" and { text } or { nil, text }
      position = start + tonumber(length)
    end
    return found
  end

  local function assert_vectors(found)
    assert.equal(#vectors, #found)
    for i, vector in ipairs(vectors) do
      local bytes, err = found[i][1], found[i][2]
      assert.equal(vector[1] .. " -> " .. tostring(vector[2]), vector[1] .. " -> "
        .. tostring(bytes))
      assert.equal(vector[3] and vector[1] .. " -> " .. REFUSED .. vector[3],
        err and vector[1] .. " -> " .. err)
    end
  end

  --- Writes sources to a file of the server and gives their outcomes.
  local count = 0
  local function encoded(...)
    count = count + 1
    local path = ("%s/sources%d.lua"):format(server.dir, count)
    local file = assert(io.open(path, "wb"))
    file:write("return {\n")
    for _, source in ipairs { ... } do
      file:write(("%q,\n"):format(source))
    end
    file:write("}\n")
    file:close()
    local found = results(server, path)
    assert.equal(select("#", ...), #found)
    return found
  end

  local function assert_encoded(cases)
    local sources = {}
    for i, case in ipairs(cases) do
      sources[i] = case[1]
    end
    for i, found in ipairs(encoded(unpack(sources))) do
      local case = cases[i]
      assert.equal(case[1] .. " -> " .. tostring(case[2]), case[1] .. " -> " .. tostring(found[1]))
      assert.equal(case[3] and case[1] .. " -> " .. REFUSED .. case[3],
        found[2] and case[1] .. " -> " .. found[2])
    end
  end


  it("is written as a gateway's encoder does", function()
    assert_vectors(results(server, server.dir .. "/vectors.lua"))
  end)

  it("is written so with the JIT off", function()
    assert_vectors(results(server, server.dir .. "/vectors.lua", "jit.off()"))
    server:run { access = "jit.on() ngx.exit(204)" }
  end)

  it("is written so again and again", function()
    for _ = 1, 20 do
      assert_vectors(results(server, server.dir .. "/vectors.lua"))
    end
  end)

  it("reaches the client with its length and type", function()
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

  it("does not hear of settings that other code changes", function()
    assert_vectors(results(server, server.dir .. "/vectors.lua", [[
      for _, name in ipairs { "cjson", "cjson.safe" } do
        local cjson = require(name)
        cjson.encode_sparse_array(true, 1, 1)
        cjson.encode_number_precision(3)
        cjson.encode_invalid_numbers(true)
        cjson.encode_max_depth(5)
        cjson.encode_keep_buffer(false)
        cjson.encode = function() return "not ours" end
      end
      local ngx_null = ngx.null
      assert(ngx_null == require("kong.response.json").null)
    ]]))
  end)


  describe("with the sentinels", function()
    it("of the host's cjson where it has them", function()
      local gateway = stages.start {
        files = {
          ["encoder.lua"] = ENCODER,
          ["cjson.lua"] = CJSON,
          ["vectors.lua"] = read_file(nginx.root .. "/spec/support/json_vectors.lua"),
        },
      }
      local r = gateway:run {
        content = [[
          local cjson, json = require "cjson", require "kong.response.json"
          for _, name in ipairs { "null", "empty_array", "array_mt", "empty_array_mt" } do
            assert(rawequal(cjson[name], json[name]), name)
          end
          response.exit(200, {
            a = cjson.empty_array,
            b = setmetatable({}, cjson.array_mt),
            c = setmetatable({ x = 1 }, cjson.empty_array_mt),
            d = cjson.null,
          })
        ]],
      }
      local found = results(gateway, gateway.dir .. "/vectors.lua")
      gateway:stop()
      local fields = {}
      for field in r.body:gmatch('"%a":[^,}]+') do
        fields[#fields + 1] = field
      end
      table.sort(fields)
      assert.same({ '"a":[]', '"b":[]', '"c":[]', '"d":null' }, fields)
      assert_vectors(found)
    end)

    it("of our own where it has none", function()
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

    it("and with no other light userdata", function()
      local err = "Cannot serialise userdata: type not supported"
      assert_encoded {
        { "{ other }", nil, err },
        { "{ a = other }", nil, err },
        { "{ 1, { { b = other } } }", nil, err },
        { "{ [other] = 1 }", nil,
          "Cannot serialise userdata: table key must be a number or string" },
        { "{ null, other }", nil, err },
      }
    end)
  end)


  describe("with arrays", function()
    it("may be sparse as far as is safe", function()
      local found = encoded(
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
        assert.equal(REFUSED .. "Cannot serialise table: excessively sparse array", found[i][2])
      end
    end)

    it("may be large, nested and mixed", function()
      local found = encoded(
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

    it("grown in the hash part are arrays all the same", function()
      assert_encoded {
        { "(function() local t = {} for i = 9, 1, -1 do t[i] = i end return t end)()",
          "[1,2,3,4,5,6,7,8,9]" },
        { "(function() local t = { 1, 2, 3, 4 } t[4] = nil t[3] = nil return t end)()", "[1,2]" },
        { "(function() local t = { a = 1 } t.a = nil t[1] = 1 return t end)()", "[1]" },
        { "(function() local t = { a = 1 } t.a = nil return t end)()", "{}" },
      }
    end)

    it("are walked without help of the depth of others", function()
      assert_encoded {
        { "{ nest(999), nest(999) }", "[" .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. ","
          .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. "]" },
        { "{ nest(1000) }", nil, "Cannot serialise, excessive nesting (1001)" },
        { "{ a = nest(999) }", '{"a":' .. ("["):rep(998) .. "{}" .. ("]"):rep(998) .. "}" },
        { "{ a = nest(1000) }", nil, "Cannot serialise, excessive nesting (1001)" },
        { "(function() local a, b = {}, {} a.b, b[1] = b, a return a end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
        { "nest(100000)", nil, "Cannot serialise, excessive nesting (1001)" },
      }
    end)
  end)


  describe("with metatables", function()
    it("takes the text of what their functions throw", function()
      local throws = "function() error('thrown', 0) end"
      local positioned = "function() error('thrown') end"
      assert_encoded {
        { "setmetatable({ a = 1 }, { __len = " .. throws .. " })", nil, "thrown" },
        { "setmetatable({ 1, nil, 3 }, { __index = " .. throws .. " })", nil, "thrown" },
        { "{ a = { setmetatable({ a = 1 }, { __len = " .. throws .. " }) } }", nil, "thrown" },
        { "setmetatable({}, { __len = " .. positioned .. " })", nil, "plugin.lua:1: thrown" },
        { "setmetatable({}, { __len = function() return 2 end, __index = " .. throws .. " })", nil,
          "thrown" },
        { "setmetatable({}, { __len = function() return 2 end, __index = function(_, i) "
          .. "if i == 2 then error('the second', 0) end return i end })", nil, "the second" },
      }
    end)

    it("is not hurt by errors that are no text", function()
      for _, value in ipairs { "nil", "{}", "print", "true", "5", "null", "setmetatable({}, { "
        .. "__tostring = function() error('again') end })" } do
        local found = encoded(
          "setmetatable({}, { __len = function() error(" .. value .. ") end })",
          "setmetatable({ 1, nil, 3 }, { __index = function() error(" .. value .. ") end })"
        )
        for _, outcome in ipairs(found) do
          assert.is_nil(outcome[1])
          assert.equal(REFUSED, outcome[2]:sub(1, #REFUSED))
        end
      end
    end)

    it("is not hurt by lengths that are none", function()
      for _, length in ipairs {
        "nil", "-1", "0", "0.5", "1.5", "0/0", "1/0", "-1/0", "'3'", "'x'", "{}", "true", "print",
        "null",
      } do
        local found = encoded(
          "setmetatable({}, { __len = function() return " .. length .. " end })",
          "setmetatable({ 'x' }, { __len = function() return " .. length .. " end })",
          "setmetatable({ a = 1 }, { __len = function() return " .. length .. " end })"
        )
        for _, outcome in ipairs(found) do
          assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #REFUSED) == REFUSED, length)
        end
      end
    end)

    it("is not hurt by what is nothing to call or to index", function()
      for _, value in ipairs { "1", "'x'", "true", "{}", "print", "null" } do
        local found = encoded(
          "setmetatable({ 'x' }, { __len = " .. value .. " })",
          "setmetatable({ 'x', nil, 'y' }, { __index = " .. value .. " })"
        )
        for _, outcome in ipairs(found) do
          assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #REFUSED) == REFUSED, value)
        end
      end
    end)

    it("believes no length before it has read the items", function()
      for _, length in ipairs { "2^31", "2^32 + 1", "2^53", "1e300" } do
        local found = encoded("setmetatable({}, { __len = function() return " .. length
          .. " end, __index = function() error('read', 0) end })")[1]
        assert.is_true(found[1] == "{}" or found[2]:sub(1, #REFUSED) == REFUSED, length)
      end
      assert_encoded {
        { "setmetatable({}, { __len = function() return 2^31 - 1 end, "
          .. "__index = function() error('read', 0) end })", nil, "read" },
      }
    end)

    it("writes no holes without end", function()
      assert_encoded {
        { "setmetatable({ 1 }, { __len = function() return 2^31 - 1 end })", nil,
          "Cannot serialise table: excessively sparse array" },
      }
      local found = encoded("setmetatable({}, { __len = function() return 2^20 end })")[1]
      assert.equal(5 * 2^20 + 1, #found[1])
    end)

    it("survives metamethods without end", function()
      for _, source in ipairs {
        "setmetatable({ 1, nil, 3 }, { __index = function(t, i) return t[i] end })",
        "(function() local t = setmetatable({ 1, nil, 3 }, {}) "
          .. "getmetatable(t).__index = t return t end)()",
        "(function() local mt = {} mt.__len = function(t) "
          .. "return #require('encoder').encode('nest(3)') + mt.__len(t) end "
          .. "return setmetatable({}, mt) end)()",
      } do
        local found = encoded(source)[1]
        assert.is_nil(found[1])
        assert.equal(REFUSED, found[2]:sub(1, #REFUSED))
      end
    end)

    it("reads holes through tables and functions", function()
      assert_encoded {
        { "setmetatable({ 1, nil, 3 }, { __index = { 7, 8, 9 } })", "[1,8,3]" },
        { "setmetatable({ [3] = 3 }, { __index = function(_, i) return 'i' .. i end })",
          '["i1","i2",3]' },
        { "setmetatable({ 1, nil, 3 }, { __index = function() return { a = {} } end })",
          '[1,{"a":{}},3]' },
        { "setmetatable({ 1, nil, 3 }, { __index = function() return print end })", nil,
          "Cannot serialise function: type not supported" },
        { "setmetatable({ a = 1 }, { __index = { b = 2 } })", '{"a":1}' },
      }
    end)

    it("takes items by __len and __index", function()
      assert_encoded {
        { "setmetatable({ 'x', 'y', 'z' }, { __len = function() return 2 end })", '["x","y"]' },
        { "setmetatable({ 'x' }, { __len = function() return 3 end })", '["x",null,null]' },
        { "setmetatable({}, { __len = function() return 2 end, __index = { 'p', 'q', 'r' } })",
          '["p","q"]' },
        { "{ a = setmetatable({ x = 1 }, { __len = function(t) return t.x end, "
          .. "__index = function(_, i) return { i } end }) }", '{"a":[[1]]}' },
      }
    end)

    it("does not consult the rest of them", function()
      local throws = "function() error('asked') end"
      assert_encoded {
        { "setmetatable({ a = 1 }, { __pairs = " .. throws .. ", __ipairs = " .. throws
          .. ", __tostring = " .. throws .. ", __call = " .. throws .. ", __eq = " .. throws
          .. ", __metatable = 'locked', __newindex = " .. throws .. " })", '{"a":1}' },
        { "setmetatable({ 1, 2 }, { __metatable = false })", "[1,2]" },
        { "setmetatable({ 1, 2 }, setmetatable({}, { __index = function() return "
          .. throws .. " end }))", "[1,2]" },
      }
    end)

    it("stops at depth 1000 also where tables come without end", function()
      assert_encoded {
        { "(function() local mt = { __len = function() return 1 end } "
          .. "mt.__index = function() return setmetatable({}, mt) end "
          .. "return setmetatable({}, mt) end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
        { "(function() local mt = {} "
          .. "mt.__index = function() return setmetatable({ 1, nil, 3 }, mt) end "
          .. "return setmetatable({ 1, nil, 3 }, mt) end)()", nil,
          "Cannot serialise, excessive nesting (1001)" },
      }
    end)

    it("is not hurt by tables that change while they are walked", function()
      local found = encoded(
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
            collectgarbage()
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
        assert.is_true(outcome[1] ~= nil or outcome[2]:sub(1, #REFUSED) == REFUSED)
      end
      -- the server is well: what follows is still right
      assert_vectors(results(server, server.dir .. "/vectors.lua"))
    end)

    it("cannot be made to yield", function()
      local r = server:run {
        content = [[
          local errors = {}
          for i, mt in ipairs {
            { __len = function() coroutine.yield() return 1 end },
            { __len = function() ngx.sleep(0.001) return 1 end },
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
        assert.matches("^false string plugin%.lua:8: " .. REFUSED
          .. ".*attempt to yield across C%-call boundary", line)
      end
      assert.equal(3, lines)
    end)

    it("may call exit in turn", function()
      local found = encoded([[setmetatable({}, {
        __len = function() return 2 end,
        __index = function(_, i)
          return require("encoder").encode("{ a = { " .. i .. ", nest(3) } }")
        end,
      })]])
      assert.equal([=[["{\"a\":[1,[[{}]]]}","{\"a\":[2,[[{}]]]}"]]=], found[1][1])
    end)
  end)


  it("gives error the same reasons", function()
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
