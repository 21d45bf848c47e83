--- Checks over several fields of a config.

local schemas = require "kong.response.schema"

local null = require("kong.response.json").null


local FIELDS = {
  { a = { type = "string" } },
  { b = { type = "string" } },
  { c = { type = "string" } },
  { n = { type = "number" } },
  { list = { type = "array", elements = { type = "string" } } },
  { inner = { type = "record", fields = { { x = { type = "string" } } } } },
}


local function errors_of(checks, config)
  local schema = { name = "test", fields = {
    { config = { type = "record", fields = FIELDS, entity_checks = checks } },
  } }
  local _, errors = schemas.validate(schema, config)
  return errors and errors.config
end


describe("the entity check", function()
  local CASES = {
    { { at_least_one_of = { "a", "b" } }, { { a = "1" }, { b = "1", a = "1" } },
      { {}, { c = "1" } }, "at least one of these fields must be non-empty: 'a', 'b'" },
    { { only_one_of = { "a", "list" } }, { { a = "1", list = {} } },
      { {}, { a = "1", list = { "x" } } },
      "exactly one of these fields must be non-empty: 'a', 'list'" },
    { { mutually_required = { "a", "b" } }, { {}, { a = "1", b = "1" } }, { { a = "1" } },
      "all or none of these fields must be set: 'a', 'b'" },
    { { mutually_exclusive = { "a", "b" } }, { {}, { a = "1" } }, { { a = "1", b = "1" } },
      "only one or none of these fields must be set: 'a', 'b'" },
    { { mutually_exclusive_sets = { set1 = { "a", "b" }, set2 = { "c" } } }, { { a = "1" } },
      { { b = "1", c = "1" } }, "these sets are mutually exclusive: ('b'), ('c')" },
    { { distinct = { "a", "b" } }, { {}, { a = "1", b = "2" } }, { { a = "1", b = "1" } },
      "values of these fields must be distinct: 'a', 'b'" },
    { { custom_entity_check = { field_sources = { "a", "inner.x" }, fn = function(entity)
        return entity.a ~= null and entity.inner.x == null, "no a, or x"
      end } }, { { a = "1" } }, { {}, { a = "1", inner = { x = "1" } } }, "no a, or x" },
    { { conditional_at_least_one_of = {
        if_field = "a", if_match = { eq = "1" }, then_at_least_one_of = { "b", "c" },
        then_err = "one of %s, please", else_match = { eq = "2" },
        else_then_at_least_one_of = { "n" },
      } }, { { a = "1", b = "1" }, { a = "2", n = 1 }, {} }, { { a = "1" } },
      "one of 'b', 'c', please" },
  }
  for _, case in ipairs(CASES) do
    it(next(case[1]), function()
      for _, good in ipairs(case[2]) do
        assert.is_nil(errors_of({ case[1] }, good))
      end
      for _, bad in ipairs(case[3]) do
        assert.same({ ["@entity"] = { case[4] } }, errors_of({ case[1] }, bad))
      end
    end)
  end

  it("conditional also reports the field's error", function()
    local check = { conditional = {
      if_field = "a", if_match = { one_of = { "1", "2" } },
      then_field = "b", then_match = { required = true },
    } }
    assert.is_nil(errors_of({ check }, { a = "3" }))
    assert.is_nil(errors_of({ check }, { a = "1", b = "x" }))
    assert.same({
      b = "required field missing",
      ["@entity"] = { "failed conditional validation given value of field 'a'" },
    }, errors_of({ check }, { a = "1" }))
    -- An absent field passes a match that does not ask for it.
    assert.same({ b = "required field missing",
      ["@entity"] = { "failed conditional validation given value of field 'a'" },
    }, errors_of({ check }, {}))
  end)

  it("is skipped for fields that are invalid themselves", function()
    assert.same({ a = "expected a string" },
                errors_of({ { mutually_required = { "a", "b" } } }, { a = 1 }))
    assert.same({ a = "expected a string", ["@entity"] = {
      "at least one of these fields must be non-empty: 'b'",
    } }, errors_of({ { at_least_one_of = { "b" } } }, { a = 1 }))
  end)

  it("is skipped for a vault's reference", function()
    assert.is_nil(errors_of({ { distinct = { "a", "b" } } },
                            { a = "{vault://env/a}", b = "{vault://env/a}" }))
  end)

  it("can read paths of the whole plugin", function()
    local schema = {
      name = "test",
      fields = { { config = { type = "record", fields = FIELDS } } },
      entity_checks = { { at_least_one_of = { "config.a", "config.b" } } },
    }
    local _, errors = schemas.validate(schema, {})
    assert.same({ ["@entity"] = {
      "at least one of these fields must be non-empty: 'config.a', 'config.b'",
    } }, errors)
    assert.is_nil(select(2, schemas.validate(schema, { a = "1" })))
    assert.equal("schema violation (at least one of these fields must be non-empty: 'config.a', "
      .. "'config.b')", schemas.line(errors))
  end)

  it("is refused if it has an unknown name or field", function()
    assert.error_matches(function() errors_of({ { at_least = { "a" } } }, {}) end,
                         "entity_checks: there is no check 'at_least'")
    assert.error_matches(function() errors_of({ { distinct = { "a", "z" } } }, {}) end,
                         "entity_checks: there is no field 'z'")
  end)
end)
