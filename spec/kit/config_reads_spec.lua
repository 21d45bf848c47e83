-- Strict mode finds code that reads a misspelt field of its config.

local testing = require "kong.response.testing"


local SCHEMA = { name = "a", fields = { { config = { type = "record", fields = {
  { enabled = { type = "boolean", default = true } },
  { claims = { type = "array", elements = { type = "string" } } },
  { limits = { type = "record", fields = { { minute = { type = "number" } } } } },
  { rules = { type = "array", elements = { type = "record", fields = {
    { pattern = { type = "string" } },
  } } } },
  { by_name = { type = "map", keys = { type = "string" }, values = { type = "record", fields = {
    { pattern = { type = "string" } },
  } } } },
} } } } }

local CONFIG = {
  limits = { minute = 1 }, rules = { { pattern = "a" } }, by_name = { a = { pattern = "a" } },
}


-- Returns the mistakes that strict mode finds, with their places.
local function places(handlers, case)
  case = case or {}
  case.plugin, case.schema, case.config = handlers, SCHEMA, CONFIG
  local ok, err = pcall(testing.run, case)
  local found = {}
  for line in (ok and "" or err:match("^strict mode found:\n(.-)\n\n")):gmatch("  ([^\n]+)") do
    found[#found + 1] = line
  end
  return found
end


local function reading(code)
  return places { access = function(_, config) code(config) end }
end


describe("a misspelt field of a config with a schema", function()
  it("is found where code reads it", function()
    for name, code in pairs {
      ['"enabld": did you mean "enabled"'] = function(config) return config.enabld end,
      ['"Claims": did you mean "claims"'] = function(config) return config.Claims end,
      ['"limits.minutes": did you mean "limits.minute"'] = function(config)
        return config.limits.minutes
      end,
      ['"rules.patern": did you mean "rules.pattern"'] = function(config)
        return config.rules[1].patern
      end,
      ['"by_name.patern": did you mean "by_name.pattern"'] = function(config)
        return config.by_name.a.patern
      end,
    } do
      local line = debug.getinfo(code, "S").linedefined
      local found = reading(code)
      assert.equal(1, #found)
      local text, at = found[1]:match("^(.*)%?, at spec/kit/config_reads_spec.lua:(%d+)$")
      assert.equal("the config has no field " .. name, text)
      assert.is_true(tonumber(at) == line or tonumber(at) == line + 1)
    end
  end)

  it("is found in each phase, in a callback, in a timer and under the life cycle", function()
    local function read(_, config)
      return config.enabld
    end
    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      for _, gateway in ipairs { true, false } do
        assert.equal(1, #places({ [phase] = read }, { gateway = gateway }))
      end
    end
    assert.equal(1, #places { configure = function(_, configs) return configs[1].enabld end })
    assert.equal(1, #reading(function(config)
      kong.cache:get("key", nil, function() return config.enabld end)
    end))
    assert.equal(1, #reading(function(config)
      ngx.timer.at(0, function() return config.enabld end)
    end))
  end)

  it("is told once if it causes an error", function()
    local _, err = pcall(testing.run, {
      plugin = { access = function(_, config) return #config.claimz end },
      schema = SCHEMA, config = CONFIG,
    })
    assert.matches('the config has no field "claimz"', err, 1, true)
    assert.is_nil(err:find("hint:", 1, true))
  end)

  it("is not reported if no name is close, or the field has no value", function()
    assert.same({}, reading(function(config)
      return config.other, config.claims, config.limits.hour, config.by_name.b, config.rules[2],
             config[1], config.route_id, config.consumer_id, config.__plugin_id
    end))
  end)

  it("does not change the tables of the test", function()
    reading(function() end)
    assert.is_nil(getmetatable(CONFIG))
    assert.is_nil(getmetatable(CONFIG.limits))
    assert.is_nil(getmetatable(CONFIG.rules[1]))
  end)
end)
