--- Warnings about deprecated fields that a config sets.

local schemas = require "kong.response.schema"

local null = require("kong.response.json").null


local function schema_of(fields, more)
  local config = { type = "record", fields = fields }
  for name, value in pairs(more or {}) do
    config[name] = value
  end
  return { name = "test", fields = { { config = config } } }
end


describe("deprecated fields", function()
  local DEPRECATED = { message = "f is deprecated", removal_in_version = "9.0", old_default = "a" }
  local TEXT = "f is deprecated (scheduled for removal in 9.0)"
  local FIELD = { f = { type = "string", default = "a", deprecation = DEPRECATED } }
  local RECORD = { type = "record", fields = { FIELD } }

  local function warnings_of(fields, given, more)
    local config, warnings = schemas.config(schema_of(fields, more), given)
    assert.is_table(config)
    return warnings
  end

  it("give a warning if they are set to another value than the old default", function()
    assert.same({ TEXT }, warnings_of({ FIELD }, { f = "b" }))
    assert.same({}, warnings_of({ FIELD }, { f = "a" }))
    assert.same({}, warnings_of({ FIELD }, { f = null }))
    assert.same({}, warnings_of({ FIELD }, {}))
    assert.same({}, warnings_of({ FIELD }))
  end)

  it("give a warning in records, arrays and maps", function()
    local fields = {
      { record = RECORD }, { array = { type = "array", elements = RECORD } },
      { map = { type = "map", keys = { type = "string" }, values = RECORD } },
    }
    assert.same({ TEXT }, warnings_of(fields, { record = { f = "b" } }))
    assert.same({ TEXT, TEXT }, warnings_of(fields, { array = { { f = "b" }, {}, { f = "c" } } }))
    assert.same({ TEXT }, warnings_of(fields, { map = { x = { f = "b" }, y = { f = "a" } } }))
  end)

  it("give a warning if they are tables, compared by their content", function()
    local fields = { { list = { type = "array", elements = { type = "string" }, deprecation = {
      message = "list goes", removal_in_version = "5", old_default = { "a", "b" },
    } } } }
    assert.same({}, warnings_of(fields, { list = { "a", "b" } }))
    assert.same({ "list goes (scheduled for removal in 5)" },
                warnings_of(fields, { list = { "b", "a" } }))
  end)

  it("give a warning as shorthands", function()
    local more = { shorthand_fields = { { old = {
      type = "string", deprecation = { message = "use new", removal_in_version = "4" },
      func = function(value) return { new = value } end,
    } } } }
    local fields = { { new = { type = "string" } } }
    assert.same({ "use new (scheduled for removal in 4)" },
                warnings_of(fields, { old = "x" }, more))
    assert.same({}, warnings_of(fields, { new = "x" }, more))
  end)
end)
