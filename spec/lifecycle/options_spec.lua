local lifecycle = require "kong.response.lifecycle"


local function noop()
end


describe("a life cycle", function()
  local before

  before_each(function()
    before = rawget(_G, "kong")
    rawset(_G, "kong", nil)
  end)

  after_each(function()
    rawset(_G, "kong", before)
  end)


  describe("is refused because of", function()
    local NUMBER = "must be a number, got "

    for _, case in ipairs {
      { "no list", nil, "plugins must be a table, got nil" },
      { "a name", "keys", "plugins must be a table, got string" },
      { "a hole", { { plugin = {} }, nil, { plugin = {} } },
        "plugins[2] must be a table, got nil" },
      { "a wide hole", { [1] = { plugin = {} }, [9] = { plugin = {} } },
        "plugins must be an array without holes" },
      { "names", { keys = { plugin = {} } }, "plugins must be an array without holes" },
      { "a number", { 5 }, "plugins[1] must be a table, got number" },
      { "no plugin", { {} }, "plugins[1].plugin must be a table or string, got nil" },
      { "a number as plugin", { { plugin = {} }, { plugin = 5 } },
        "plugins[2].plugin must be a table or string, got number" },
      { "a misspelt field", { { plugin = {}, confg = {} } },
        'plugins[1]: unknown field "confg": did you mean "config"?' },
      { "an unknown field", { { plugin = {}, version = {} } },
        'plugins[1]: unknown field "version"' },
      { "a misspelt phase", { { plugin = { acess = function() end } } },
        'plugins[1] has a method "acess", which is not a phase: did you mean "access"?' },
      { "a plugin itself", { { plugin = {} }, { PRIORITY = 5 } },
        "plugins[2] is a plugin itself: write { plugin = ..., config = ... }" },
      { "a plugin itself, by its methods", { { access = function() end } },
        "plugins[1] is a plugin itself: write { plugin = ..., config = ... }" },
      { "a number as config", { { plugin = {}, config = 5 } },
        "plugins[1].config must be a table, got number" },
      { "a number as name", { { plugin = {}, name = 5 } },
        "plugins[1].name must be a string, got number" },
      { "a word as priority", { { plugin = { PRIORITY = "high" } } },
        "plugins[1]: PRIORITY " .. NUMBER .. "high" },
      { "NaN as priority", { { plugin = { PRIORITY = 0 / 0 } } },
        "plugins[1]: PRIORITY " .. NUMBER .. tostring(0 / 0) },
      { "a handler that is not a function", { { plugin = { access = true } } },
        "plugins[1]: access must be a function, got boolean" },
      { "an init_worker that is not a function", { { plugin = { init_worker = {} } } },
        "plugins[1]: init_worker must be a function, got table" },
      { "two ways to see the body", { { plugin = { response = noop, body_filter = noop } } },
        'plugins[1]: Plugin "plugins[1]" can\'t be loaded because it implements both `response` '
        .. "and `header_filter` or `body_filter` methods." },
    } do
      it(case[1], function()
        local ok, err = pcall(function()
          lifecycle.new(case[2])
        end)
        assert.is_false(ok)
        local file, message = err:match("([^/]+):%d+: (.*)$")
        assert.equal("options_spec.lua", file)
        assert.equal(case[3], message)
        assert.is_nil(rawget(_G, "kong"))
      end)
    end
  end)


  describe("the global kong", function()
    it("is set if there is none", function()
      lifecycle.new {}
      assert.is_function(kong.response.exit)
      assert.is_table(kong.ctx)
      assert.is_nil(kong.ctx.other)
    end)

    it("is completed if it has neither response nor ctx", function()
      local mine = { log = noop }
      rawset(_G, "kong", mine)
      lifecycle.new {}
      assert.equal(mine, kong)
      assert.equal(noop, kong.log)
      assert.is_function(kong.response.exit)
      assert.is_table(kong.ctx)
    end)

    it("keeps its existing fields", function()
      local response, ctx = {}, setmetatable({}, { __index = { shared = "theirs" } })
      rawset(_G, "kong", setmetatable({ response = response, ctx = ctx }, {
        __newindex = function()
          error("closed")
        end,
      }))
      lifecycle.new {}
      assert.equal(response, kong.response)
      assert.equal(ctx, kong.ctx)
      assert.equal("theirs", kong.ctx.shared)
      assert.is_nil(kong.ctx.plugin)
    end)

    it("is completed even if it refuses new fields", function()
      rawset(_G, "kong", setmetatable({}, { __newindex = error }))
      lifecycle.new {}
      assert.is_function(kong.response.exit)
    end)

    it("is not changed if it is not a table", function()
      rawset(_G, "kong", "King")
      assert.has_error(function()
        lifecycle.new {}
      end, "the global kong must be a table, got string")
      assert.equal("King", kong)
    end)
  end)


  it("does not change the list", function()
    local plugins = {
      { plugin = { PRIORITY = 1 }, config = { 1 } },
      { plugin = { PRIORITY = 2 }, name = "two" },
    }
    local first, second = plugins[1], plugins[2]
    lifecycle.new(plugins)
    assert.equal(first, plugins[1])
    assert.equal(second, plugins[2])
    assert.same({ plugin = { PRIORITY = 2 }, name = "two" }, second)
  end)


  it("has a function for each phase, and one for error_page", function()
    local names = {}
    for name, value in pairs(lifecycle.new {}) do
      assert.is_function(value)
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({
      "access", "balancer", "body_filter", "error_page", "header_filter", "init_worker", "log",
      "rewrite",
    }, names)
  end)
end)
