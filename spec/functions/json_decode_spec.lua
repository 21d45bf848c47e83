-- kong.response.json: decode and encode, in this process, where there is no request.

local json = require "kong.response.json"
local trees = require "spec.support.trees"


-- Describes the cases for compiled code and for the interpreter.
local function each_mode(describe_cases)
  for _, mode in ipairs { "on", "off" } do
    describe("with the JIT " .. mode, function()
      setup(function()
        jit[mode]()
      end)

      teardown(function()
        jit.on()
      end)

      describe_cases()
    end)
  end
end


--- Whether both are the same, down to the metatable of arrays and the sign of zero.
local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return rawequal(a, b) and (a ~= 0 or 1 / a == 1 / b)
  end
  if getmetatable(a) ~= getmetatable(b) then
    return false
  end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end


local function array(...)
  return setmetatable({ ... }, json.array_mt)
end


local VALUES = {
  ["null"] = json.null,
  [" true "] = true,
  ["false"] = false,
  ["0"] = 0,
  ["-0"] = -0.0,
  ["-0.0e1"] = -0.0,
  ["12.5e-1"] = 1.25,
  ["9007199254740993"] = 2 ^ 53,
  ["18446744073709551616"] = 2 ^ 64,
  ["123456789012345678901234567890"] = 123456789012345678901234567890,
  ["0.1"] = 0.1,
  ["5e-324"] = 5e-324,
  ["1e-999"] = 0,
  ["179769313486231570000000000000e279"] = 1.7976931348623157e308,
  ['""'] = "",
  ['"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\ud83d\\ude00"'] =
    'a"\\/\b\f\n\r\t\0\195\169\240\159\152\128',
  ['"\127caf\195\169"'] = "\127caf\195\169",
  ['"\255\192\128\237\160\128"'] = "\255\192\128\237\160\128",
  ['"\\n\255\\u00ff"'] = "\n\255\195\191",
  ["[]"] = array(),
  ["{}"] = {},
  ["[1,null,[],{}]"] = array(1, json.null, array(), {}),
  ['{"a":1,"a":2}'] = { a = 2 },
  ['{"1":"x","":[{"b":[]}]}'] = { ["1"] = "x", [""] = array({ b = array() }) },
  [' \t\n\r{ "a" : [ 1 , 2 ] , "b" : null } '] = { a = array(1, 2), b = json.null },
  [' { "\254" : "\253" , "b" :\t[ "\252" , 1 , null , { "c" : true } ] } '] =
    { ["\254"] = "\253", b = array("\252", 1, json.null, { c = true }) },
}

local REFUSED = {
  [""] = "EOF while parsing a value at line 1 column 0",
  ["[1,"] = "EOF while parsing a value at line 1 column 3",
  ['{"a":1\n,}'] = "trailing comma at line 2 column 2",
  ["[1]x"] = "trailing characters at line 1 column 4",
  ["nul"] = "EOF while parsing a value at line 1 column 3",
  ["nan"] = "expected ident at line 1 column 2",
  ["01"] = "invalid number at line 1 column 2",
  ["0x1"] = "trailing characters at line 1 column 2",
  ["1e400"] = "number out of range at line 1 column 5",
  ["{1:2}"] = "key must be a string at line 1 column 2",
  ['"a'] = "EOF while parsing a string at line 1 column 2",
  ['"\1"'] = "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 2",
  ['"\\ud800x"'] = "unexpected end of hex escape at line 1 column 8",
  ['"\\udc00"'] = "lone leading surrogate in hex escape at line 1 column 7",
  ['["\255\1"]'] = "control character or lone surrogate in a string at line 1 column 5",
  ['["\255\\ud800"]'] = "control character or lone surrogate in a string at line 1 column 10",
  ['{"\255":}'] = "expected value at line 1 column 6",
  ["\255"] = "expected value at line 1 column 1",
  ["\239\187\191[]"] = "expected value at line 1 column 1",
}

-- A number that is the same in every run.
local function random_numbers(seed)
  return function(n)
    seed = (seed * 16807) % 2147483647
    return seed % n
  end
end


local function random_text(random)
  local bytes = {}
  -- Half of them have bytes of all kinds.
  local from, count = 32, 96
  if random(2) == 0 then
    from, count = 0, 256
  end
  for i = 1, random(20) do
    bytes[i] = string.char(from + random(count))
  end
  return table.concat(bytes)
end


local function random_number(random)
  -- Sixteen digits are what the writer keeps.
  local number = random(2 ^ 31) * 10 ^ (random(40) - 20) * (random(2) * 2 - 1)
  return tonumber(("%.16g"):format(number))
end


local function random_value(random, depth)
  local kind = random(depth > 5 and 5 or 8)
  if kind == 0 then
    return json.null
  elseif kind == 1 then
    return random(2) == 0
  elseif kind == 2 then
    return random_number(random)
  elseif kind <= 4 then
    return random_text(random)
  end
  local value = {}
  for i = 1, random(6) do
    value[kind == 5 and i or "_" .. random_text(random)] = random_value(random, depth + 1)
  end
  return kind == 5 and setmetatable(value, json.array_mt) or value
end


describe("json.decode", function()
  each_mode(function()
    it("reads every JSON value", function()
      for text, value in pairs(VALUES) do
        local decoded, reason = json.decode(text)
        assert.is_nil(reason, text)
        assert.is_true(equal(value, decoded), text)
      end
    end)

    it("returns nil and the reason with line and column for other texts", function()
      for text, reason in pairs(REFUSED) do
        local found = { n = select("#", json.decode(text)), json.decode(text) }
        assert.same({ n = 2, [2] = reason }, found)
      end
    end)

    it("raises an error if the argument is not a string", function()
      for _, value in ipairs { 1, true, {}, print } do
        assert.same({ nil, "expected a string, got " .. type(value) }, { json.decode(value) })
      end
      assert.same({ nil, "expected a string, got nil" }, { json.decode() })
    end)

    it("reads 1000 levels of arrays and objects, but not 1001", function()
      local function arrays(n, core)
        return ("["):rep(n) .. core .. ("]"):rep(n)
      end
      local function objects(n, core)
        return ('{"a":'):rep(n) .. core .. ("}"):rep(n)
      end
      for _, core in ipairs { "1", '"\255"' } do
        for _, nest in ipairs { arrays, objects } do
          local text = nest(1000, core)
          assert.equal(text, json.encode(json.decode(text)))
          local value, reason = json.decode(nest(1001, core))
          assert.is_nil(value)
          assert.matches("^arrays and objects nested deeper than 1000 at line 1 column %d+$",
                         reason)
        end
      end
    end)

    it("reads every text that encode writes", function()
      local random = random_numbers(42)
      for _ = 1, 3000 do
        local value = random_value(random, 0)
        local text = assert(json.encode(value))
        local decoded, reason = json.decode(text)
        assert.is_nil(reason, text)
        assert.is_true(equal(value, decoded), text)
        assert.equal(#text, #json.encode(decoded))
      end
    end)
  end)

  -- In a process of its own, whose heap is small: there the collector runs while values are made.
  local function in_luajit(source)
    local file = package.searchpath("kong.response", package.path):gsub("^%./", trees.root .. "/")
    return trees.luajit("local json = require 'kong.response.json'\n" .. source,
      file:match("^(.*)/kong/response%.lua$"))
  end

  it("returns nil and the reason if a finalizer raises an error meanwhile", function()
    assert.equal("thrown by a finalizer, 20001 items afterwards", in_luajit [[
      -- LuaJIT itself crashes when a finalizer raises while compiled code runs.
      jit.off()
      local text = "[" .. ('{"a":["\\n","b"]},'):rep(20000) .. "1]"
      collectgarbage()
      collectgarbage("stop")
      getmetatable(newproxy(true)).__gc = function()
        error("thrown by a finalizer", 0)
      end
      local value, reason
      local called, err = pcall(function()
        collectgarbage("restart")
        value, reason = json.decode(text)
      end)
      assert(called, err)
      assert(value == nil)
      io.write(reason, ", ", #json.decode(text), " items afterwards")
    ]])
  end)

  it("works in a coroutine, and in a finalizer that runs during decode", function()
    assert.equal('{"a":["\\n"]}', in_luajit [[
      local inner
      collectgarbage()
      collectgarbage("stop")
      getmetatable(newproxy(true)).__gc = function()
        inner = json.decode('{"a":["\\n"]}')
      end
      coroutine.wrap(function()
        collectgarbage("restart")
        assert(#json.decode("[" .. ('{"a":["\\n","b"]},'):rep(20000) .. "1]") == 20001)
      end)()
      io.write(json.encode(inner))
    ]])
  end)
end)


describe("json.encode", function()
  each_mode(function()
    it("writes any value", function()
      for text, value in pairs {
        ['"a\\/b\255"'] = "a/b\255", ["0.3"] = 0.1 + 0.2, ["true"] = true, ["null"] = json.null,
        ["[]"] = json.empty_array, ["{}"] = {}, ["[1,[]]"] = { 1, array() },
      } do
        assert.same({ text }, { json.encode(value) })
      end
      assert.equal("null", json.encode(nil))
    end)

    it("returns nil and the reason for a value without a JSON form", function()
      local function reason(value)
        local text, why = json.encode(value)
        assert.is_nil(text)
        return why
      end
      assert.equal("Cannot serialise number: must not be NaN or Infinity", reason(0 / 0))
      assert.equal("Cannot serialise function: type not supported", reason(print))
      assert.equal("Cannot serialise function: type not supported", reason { { a = print } })
      assert.equal("Cannot serialise table: excessively sparse array", reason { [40000] = 1 })
      local cycle = {}
      cycle[1] = cycle
      assert.equal("Cannot serialise, excessive nesting (1001)", reason(cycle))
      assert.equal("thrown", reason(setmetatable({}, {
        __len = function()
          error("thrown", 0)
        end,
      })))
    end)
  end)
end)
