--- The values of `json` fields.

local schemas = require "kong.response.schema"

local null = require("kong.response.json").null


--- The error for the value of a field with a JSON Schema; nil if it is valid.
local function check(inline, value)
  local row, errors = schemas.validate({ name = "test", fields = { { config = {
    type = "record", fields = { { f = { type = "json", json_schema = { inline = inline } } } },
  } } } }, { f = value })
  assert.equal(row == nil, errors ~= nil)
  return errors and errors.config.f
end


describe("a json field", function()
  it("accepts any value of JSON", function()
    for _, value in ipairs {
      "", "a", 1.5, true, false, {}, { 1, "a", null }, { a = { b = {} } },
    } do
      assert.is_nil(check({}, value))
    end
  end)

  it("refuses values that JSON lacks", function()
    -- Deeper than 100 levels.
    local deep = {}
    for _, value in ipairs {
      print, 0 / 0, 1 / 0, { print }, { a = { b = print } }, { [2] = "a" }, { "a", b = "c" },
      deep,
    } do
      if value == deep then
        local level = deep
        for _ = 1, 200 do
          level.a = {}
          level = level.a
        end
      end
      assert.equal("expected a JSON value", check({}, value))
    end
  end)

  local OBJECT = {
    type = "object", required = { "a" }, additionalProperties = false,
    properties = { a = { type = "string" }, b = { type = { "number", "null" } } },
  }
  local CASES = {
    { { type = "string" }, { "a" }, 1, "wrong type: expected string, got number" },
    { { type = "integer" }, { 1 }, 1.5, "wrong type: expected integer, got number" },
    { { type = "number" }, { 1, 1.5 }, "1", "wrong type: expected number, got string" },
    { { type = "boolean" }, { false }, "a", "wrong type: expected boolean, got string" },
    { { type = "array" }, { {}, { 1 } }, { a = 1 }, "wrong type: expected array, got object" },
    { { type = "object" }, { {}, { a = 1 } }, { 1 }, "wrong type: expected object, got array" },
    { { type = { "string", "number" } }, { "a", 1 }, true,
      "wrong type: expected one of string, number, got boolean" },
    { { enum = { "a", 1, { b = 1 } } }, { "a", 1, { b = 1 } }, "b",
      "matches none of the enum values" },
    { { enum = { 1 } }, { 1 }, "1", "matches none of the enum values" },
    { OBJECT, { { a = "x" }, { a = "x", b = null } }, { b = 1 }, "property a is required" },
    { OBJECT, {}, {}, "property a is required" },
    { OBJECT, {}, { a = "x", c = 1 }, "additional properties forbidden, found c" },
    { OBJECT, {}, { a = "x", b = "y" }, "property b validation failed: wrong type: expected one of "
      .. "number, null, got string" },
    { { additionalProperties = { type = "number" } }, { { a = 1 } }, { a = "1" },
      "property a validation failed: wrong type: expected number, got string" },
    { { items = { type = "string" } }, { {}, { "a" } }, { "a", 1 },
      "failed to validate item 2: wrong type: expected string, got number" },
    { { items = { { type = "string" }, { type = "number" } } }, { { "a", 1, true } }, { "a", "b" },
      "failed to validate item 2: wrong type: expected number, got string" },
    { { type = "array", minItems = 1 }, { { 1 } }, {}, "expect array to have at least 1 items" },
    { { maxItems = 1 }, { {}, { 1 } }, { 1, 2 }, "expect array to have at most 1 items" },
    { { minLength = 2 }, { "ab" }, "a", "string too short, expected at least 2, got 1" },
    { { maxLength = 2 }, { "ab", "\195\164\195\182" }, "abc",
      "string too long, expected at most 2, got 3" },
    { { minimum = 2 }, { 2 }, 1, "expected 1 to be greater than 2" },
    { { maximum = 2 }, { 2 }, 3, "expected 3 to be smaller than 2" },
  }
  for i, case in ipairs(CASES) do
    it("says " .. case[4] .. ", case " .. i, function()
      for _, good in ipairs(case[2]) do
        assert.is_nil(check(case[1], good))
      end
      assert.equal(case[4], check(case[1], case[3]))
    end)
  end

  it("can be missing if it is not required, and is not changed", function()
    assert.is_nil(check({ type = "string" }, nil))
    local config = schemas.config({ name = "test", fields = { { config = {
      type = "record", fields = { { f = { type = "json", json_schema = { inline = {} } } } },
    } } } }, { f = { a = { 1, null }, b = "" } })
    assert.same({ f = { a = { 1, null }, b = "" } }, config)
  end)

  it("needs a JSON Schema", function()
    local ok, err = pcall(schemas.validate, { name = "test", fields = { { config = {
      type = "record", fields = { { f = { type = "json" } } },
    } } } }, {})
    assert.is_false(ok)
    assert.equal("error initializing schema for plugin: error in definition of 'test': "
      .. "test.config.f: field of type 'json' must declare 'json_schema'", err)
  end)
end)
