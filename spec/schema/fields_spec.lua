--- The fields of schemas: their types, attributes and defaults, with a gateway's messages.

local schemas = require "kong.response.schema"

local null = require("kong.response.json").null
local array_mt = require("kong.response.json").array_mt


local function schema_of(fields, more)
  local config = { type = "record", fields = fields }
  for name, value in pairs(more or {}) do
    config[name] = value
  end
  return { name = "test", fields = { { config = config } } }
end


--- The error for the value of a field `f`; nil if it is valid.
local function check(field, value)
  local _, errors = schemas.validate(schema_of { { f = field } }, { f = value })
  return errors and errors.config.f
end


--- The config that handlers get.
local function config_of(fields, given, more)
  return assert(schemas.config(schema_of(fields, more), given))
end


describe("a type", function()
  local CASES = {
    { "string", { type = "string" }, { "a" }, { 1, true, {} }, "expected a string" },
    { "string", { type = "string" }, {}, { "" }, "length must be at least 1" },
    { "string", { type = "string", len_min = 0 }, { "" }, {} },
    { "number", { type = "number" }, { 1.5, -1 }, { "3" }, "expected a number" },
    { "integer", { type = "integer" }, { 3, -3 }, { "3", 1.5, 1 / 0, -1 / 0, 0 / 0 },
      "expected an integer" },
    { "boolean", { type = "boolean" }, { true, false }, { 1, "true" }, "expected a boolean" },
    { "array", { type = "array", elements = { type = "string" } }, { {}, { "a", "b" } },
      { "a", { a = "b" }, { [2] = "b" } }, "expected an array" },
    { "set", { type = "set", elements = { type = "string" } }, { {}, { "a", "b" } },
      { "a", { a = true } }, "expected a set" },
    { "map", { type = "map", keys = { type = "string" }, values = { type = "number" } },
      { {}, { a = 1 } }, { "a" }, "expected a map" },
    { "record", { type = "record", fields = {} }, { {} }, { 1 }, "expected a record" },
    { "function", { type = "function" }, { print }, { "print" }, "expected a function" },
  }
  for _, case in ipairs(CASES) do
    it(case[1] .. " says " .. (case[5] or "nothing"), function()
      for _, good in ipairs(case[3]) do
        assert.is_nil(check(case[2], good))
      end
      for _, bad in ipairs(case[4]) do
        assert.equal(case[5], check(case[2], bad))
      end
    end)
  end

  it("names the elements of an array by their position", function()
    local field = { type = "array", elements = { type = "string", len_min = 3 } }
    assert.same({ [2] = "length must be at least 3" }, check(field, { "abc", "a" }))
    field = { type = "array", elements = { type = "record", fields = {
      { y = { type = "string", default = "q" } }, { z = { type = "string", required = true } },
    } } }
    assert.same({ [2] = { z = "required field missing" } }, check(field, { { z = "1" }, {} }))
  end)

  it("reports one message for a map", function()
    local field = { type = "map", keys = { type = "string", len_min = 2 },
                    values = { type = "number" } }
    assert.equal("length must be at least 2", check(field, { a = 1, bb = 2 }))
    assert.equal("expected a number", check(field, { aa = "1" }))
  end)
end)


describe("an attribute", function()
  local S, N = "string", "number"
  local CASES = {
    { { type = S, eq = "a" }, "a", "b", "value must be a" },
    { { type = S, ne = "b" }, "a", "b", "value must not be b" },
    { { type = S, one_of = { "a", "b" } }, "a", "c", "expected one of: a, b" },
    { { type = S, not_one_of = { "a", "b" } }, "c", "a", "must not be one of: a, b" },
    { { type = N, gt = 3 }, 4, 3, "value must be greater than 3" },
    { { type = N, timestamp = true }, 1, 0, "expected a valid timestamp" },
    { { type = N, between = { 1, 3 } }, 3, 4, "value should be between 1 and 3" },
    { { type = S, uuid = true }, "c1ce76bb-5be3-4ff3-a8c4-2c3c4d3d1f7a", "c1ce76bb",
      "expected a valid UUID" },
    { { type = S, len_eq = 2 }, "ab", "abc", "length must be 2" },
    { { type = S, len_min = 2 }, "ab", "a", "length must be at least 2" },
    { { type = S, len_max = 2 }, "ab", "abc", "length must be at most 2" },
    { { type = S, starts_with = "/" }, "/a", "a", "should start with: /" },
    { { type = S, match = "^%u+$" }, "GET", "get", "invalid value: get" },
    { { type = S, not_match = "%s" }, "ab", "a b", "invalid value: a b" },
    { { type = S, match_none = { { pattern = "//", err = "no //" } } }, "/a", "a//b", "no //" },
    { { type = S, match_all = {
        { pattern = "a", err = "no a" }, { pattern = "b", err = "no b" },
      } }, "ab", "a", "no b" },
    { { type = S, match_any = { patterns = { "^a", "^b" }, err = "neither" } }, "b", "c",
      "neither" },
    { { type = "array", elements = { type = S }, contains = "x" }, { "x" }, { "a" },
      "expected to contain: x" },
    { { type = "set", elements = { type = S }, mutually_exclusive_subsets = {
        { "a", "b" }, { "c" },
      } }, { "a", "b" }, { "a", "c" }, "these sets are mutually exclusive: ('a'), ('c')" },
    { { type = S, custom_validator = function(v) return v == "a" end }, "a", "b",
      "failed validating: b" },
    { { type = S, custom_validator = function(v) return v == "a", "no a" end }, "a", "b", "no a" },
    { { type = S, one_of = { "a" }, err = "mine" }, "a", "b", "mine" },
  }
  for _, case in ipairs(CASES) do
    it("says " .. case[4], function()
      assert.is_nil(check(case[1], case[2]))
      assert.equal(case[4], check(case[1], case[3]))
    end)
  end

  it("counts the pairs of a map", function()
    local field = { type = "map", keys = { type = S }, values = { type = S }, len_min = 2 }
    assert.equal("length must be at least 2", check(field, { a = "1" }))
    assert.is_nil(check(field, { a = "1", b = "2" }))
  end)

  it("is checked in a fixed order", function()
    local field = { type = S, len_min = 5, match = "^%u+$", one_of = { "GET" } }
    assert.equal("expected one of: GET", check(field, "a"))
  end)

  it("does not apply to a vault's reference", function()
    local field = { type = S, referenceable = true, len_max = 3 }
    assert.is_nil(check(field, "{vault://env/secret}"))
    assert.equal("length must be at most 3", check(field, "secret"))
  end)
end)


describe("a missing value", function()
  it("is the default or an error", function()
    local str = { type = "string" }
    local with = { type = "string", default = "x" }
    local record = { type = "record", fields = { { e = { type = "string", default = "q" } } } }
    local optional = { type = "record", required = false, fields = record.fields }
    local array = { type = "array", default = {}, elements = str }
    local own = { type = "record", default = { x = "z" }, fields = {
      { x = str }, { y = { type = "string", default = "i" } },
    } }

    assert.same({}, config_of({ { f = str } }, {}))
    assert.same({ f = "x" }, config_of({ { f = with } }, {}))
    assert.same({}, config_of({ { f = with } }, { f = null }))
    assert.same({ f = { e = "q" } }, config_of({ { f = record } }, {}))
    assert.same({ f = { e = "q" } }, config_of({ { f = record } }))
    assert.same({}, config_of({ { f = optional } }, {}))
    assert.same({ f = { e = "q" } }, config_of({ { f = optional } }, { f = {} }))
    assert.same({ f = {} }, config_of({ { f = array } }, {}))
    assert.equal(array_mt, getmetatable(config_of({ { f = array } }, {}).f))
    assert.same({ f = { x = "z", y = "i" } }, config_of({ { f = own } }, {}))
    assert.equal("required field missing", check({ type = "string", required = true }))
    assert.equal("required field missing",
                 check({ type = "string", required = true, default = "x" }, null))
    assert.equal("required field missing", check(record, null))
    assert.is_nil(check(optional, null))
  end)

  it("is filled in inside of arrays and maps, except for records", function()
    local element = { type = "record", fields = {
      { y = { type = "string", default = "q" } },
      { r = { type = "record", fields = { { z = { type = "string", default = "z" } } } } },
    } }
    local fields = {
      { list = { type = "array", elements = element } },
      { map = { type = "map", keys = { type = "string" }, values = element } },
    }
    assert.same({ list = { { y = "q" } }, map = { a = { y = "q" } } },
                config_of(fields, { list = { {} }, map = { a = {} } }))
  end)

  it("is null in the result of validate, and the row has its own fields", function()
    local row = schemas.validate(schema_of { { f = { type = "string" } } }, {})
    assert.same({ f = null }, row.config)
    assert.equal("test", row.name)
    assert.is_true(row.enabled)
    assert.same({ "grpc", "grpcs", "http", "https" }, row.protocols)
    assert.equal(null, row.consumer)
    assert.equal(36, #row.id)
  end)

  it("does not change the given config", function()
    local given = {}
    config_of({ { f = { type = "string", default = "x" } } }, given)
    assert.same({}, given)
  end)
end)


describe("a config", function()
  it("can tell whether a set has an element", function()
    local config = config_of({ { s = { type = "set", elements = { type = "string" } } } },
                             { s = { "a", "b", "a" } })
    assert.same({ "a", "b" }, { unpack(config.s) })
    assert.is_true(config.s["b"])
    assert.is_nil(config.s["c"])
  end)

  describe("with a position in a list of plugins", function()
    local ROUTE = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001"
    local SERVICE = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d002"
    local CONSUMER = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d003"
    local SCHEMA = schema_of { { f = { type = "string", default = "x" } } }

    it("has the fields of a plugin that is not bound", function()
      assert.same({
        f = "x", __plugin_id = "id", __seq__ = 2, __key__ = "plugins:test:::::",
      }, (schemas.config(SCHEMA, {}, nil, { id = "id", index = 2 })))
    end)

    it("has the ids of the route, service or consumer of the plugin", function()
      local row = {
        route = { id = ROUTE }, service = { id = SERVICE }, consumer = { id = CONSUMER },
        instance_name = "mine",
      }
      assert.same({
        f = "x", __plugin_id = "id", __seq__ = 1, route_id = ROUTE, service_id = SERVICE,
        consumer_id = CONSUMER, plugin_instance_name = "mine",
        __key__ = "plugins:test:" .. ROUTE .. ":" .. SERVICE .. ":" .. CONSUMER .. "::",
      }, (schemas.config(SCHEMA, {}, nil, { id = "id", index = 1, row = row })))
    end)

    it("is refused if the schema refuses its route, service or consumer", function()
      local function config(row)
        return schemas.config({ name = "test", fields = {
          { consumer = require("kong.response.schema.typedefs").no_consumer },
          { config = { type = "record", fields = {} } },
        } }, {}, nil, { id = "id", index = 1, row = row })
      end
      assert.same({ nil, "schema violation (consumer: value must be null)" },
                  { config { consumer = { id = CONSUMER } } })
      assert.same({ nil, "schema violation (route.id: expected a valid UUID)" },
                  { config { route = { id = "x" } } })
      local ok, err = pcall(config, { rout = { id = ROUTE } })
      assert.is_false(ok)
      assert.equal('row: unknown field "rout": did you mean "route"?', err)
    end)
  end)

  it("has the secrets in place of references", function()
    local fields = { { f = { type = "string", referenceable = true } } }
    local config = schemas.config(schema_of(fields), { f = "{vault://env/x}" }, function(reference)
      return "secret of " .. reference
    end)
    assert.same({ f = "secret of {vault://env/x}", ["$refs"] = { f = "{vault://env/x}" } }, config)
  end)

  it("is refused for unknown fields and consumers", function()
    local schema = {
      name = "test",
      fields = {
        { consumer = require("kong.response.schema.typedefs").no_consumer },
        { config = { type = "record", fields = {} } },
      },
    }
    local _, errors = schemas.validate(schema, { a = 1 })
    assert.same({ config = { a = "unknown field" } }, errors)
    _, errors = schemas.validate(schema, {}, { consumer = { id = "x" } })
    assert.same({ consumer = "value must be null" }, errors)
    _, errors = schemas.validate(schema, {}, { protocols = { "http", "tcp" }, what = 1 })
    assert.same({ what = "unknown field" }, errors)
  end)

  it("lists all errors, in one line on demand", function()
    local schema = schema_of {
      { a = { type = "string", required = true } }, { b = { type = "number" } },
      { c = { type = "array", elements = { type = "number" } } },
    }
    local _, errors = schemas.validate(schema, { b = "x", c = { 1, "x" } })
    assert.same({ config = {
      a = "required field missing", b = "expected a number", c = { [2] = "expected a number" },
    } }, errors)
    assert.equal('3 schema violations (config.a: required field missing; '
      .. 'config.b: expected a number; config.c: {[2]="expected a number"})', schemas.line(errors))
    assert.same({ nil, "schema violation (config.a: required field missing)" },
                { schemas.config(schema, {}) })
  end)

  it("is checked as a whole by the record's validator, once the fields are valid", function()
    local calls = 0
    local more = { custom_validator = function(config)
      calls = calls + 1
      return config.a ~= null, "bad config"
    end }
    local fields = { { a = { type = "string" } } }
    local _, errors = schemas.validate(schema_of(fields, more), {})
    assert.same({ config = "bad config" }, errors)
    _, errors = schemas.validate(schema_of(fields, more), { a = 1 })
    assert.same({ config = { a = "expected a string" } }, errors)
    assert.equal(1, calls)
  end)
end)


describe("shorthand fields", function()
  local FIELDS = { { new = { type = "string" } }, { r = { type = "record", fields = {
    { host = { type = "string" } },
  } } } }

  it("set other fields", function()
    local more = { shorthand_fields = {
      { old = { type = "string", func = function(value) return { new = value .. "!" } end } },
    } }
    assert.same({ new = "a!", r = {} }, config_of(FIELDS, { old = "a" }, more))
    assert.same({ new = "a!", r = {} }, config_of(FIELDS, { old = "a", new = "b" }, more))
    local _, errors = schemas.validate(schema_of(FIELDS, more), { old = 1 })
    assert.same({ old = "expected a string" }, errors)
  end)

  it("that are deprecated yield to the new fields, and are in the result", function()
    local more = { shorthand_fields = { { host = {
      type = "string",
      deprecation = { message = "m", removal_in_version = "9", replaced_with = {
        { path = { "r", "host" } },
      } },
      func = function(value) return { r = { host = value } } end,
    } } } }
    assert.same({ r = { host = "a" }, host = "a" }, config_of(FIELDS, { host = "a" }, more))
    assert.same({ r = { host = "b" }, host = "b" },
                config_of(FIELDS, { r = { host = "b" } }, more))
    local _, errors = schemas.validate(schema_of(FIELDS, more),
                                       { host = "a", r = { host = "b" } })
    assert.same({ host = "both deprecated and new field are used but their values mismatch: "
      .. "host = a vs r.host = b" }, errors)
  end)
end)


describe("a schema", function()
  local CASES = {
    { "has a deprecation without a message",
      { { type = "string", deprecation = { removal_in_version = "4" } } },
      "test.config.f: deprecation: message: required field missing" },
    { "has a deprecation without a version",
      { { type = "string", deprecation = { message = "m" } } },
      "test.config.f: deprecation: removal_in_version: required field missing" },
    { "misses a type", { {} }, "test.config.f: missing type declaration" },
    { "has an unknown attribute", { { type = "string", requird = true } },
      'test.config.f: requird: unknown field: did you mean "required"?' },
    { "has an attribute of another type", { { type = "string", between = { 1, 2 } } },
      "test.config.f: field of type 'string' cannot have attribute 'between'" },
    { "misses elements", { { type = "array" } },
      "test.config.f: field of type 'array' must declare 'elements'" },
    { "has a bad default", { { type = "number", default = "x" } },
      "test.config.f: default: expected a number" },
    { "has no such type", { { type = "strin" } },
      'test.config.f: strin is no type of a field: did you mean "string"?' },
    { "has a type of C", { { type = "int" } },
      'test.config.f: int is no type of a field: did you mean "integer"?' },
    { "has a short name of a type", { { type = "bool" } },
      'test.config.f: bool is no type of a field: did you mean "boolean"?' },
    { "is described too briefly", { { type = "string", description = "short" } },
      "test.config.f: description: must have 10 to 500 characters" },
  }
  for _, case in ipairs(CASES) do
    it("that " .. case[1] .. " is refused", function()
      local ok, err = pcall(schemas.validate, schema_of { { f = case[2][1] } }, {})
      assert.is_false(ok)
      assert.equal("error initializing schema for plugin: error in definition of 'test': "
        .. case[3], err)
    end)
  end

  it("is refused if it is in the format of an old gateway", function()
    for _, case in ipairs {
      { { no_consumer = true }, "no_consumer: unknown field" },
      { { fields = { a = { type = "string" } } }, "fields: expected an array" },
      { { fields = { { keys = { type = "string" } } } }, "keys: cannot create a new field" },
    } do
      case[1].name = "old"
      case[1].fields = case[1].fields or {}
      local ok, err = pcall(schemas.validate, case[1], {})
      assert.is_false(ok)
      assert.equal("error initializing schema for plugin: error in definition of 'old': "
        .. case[2], err)
    end
  end)
end)
