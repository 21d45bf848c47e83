--- A plugin's whole life in the test kit: found by name, its config checked, its worker started.

local testing = require "kong.response.testing"


local function noop()
end


local MODULES = {
  ["kong.plugins.kit-whole.handler"] = function()
    local kong = kong
    return {
      PRIORITY = 10,
      VERSION = "1.0.0",
      access = function(_, config)
        return kong.response.exit(200, {
          header = config.header, list = config.list, id = config.__plugin_id,
        })
      end,
    }
  end,
  ["kong.plugins.kit-whole.schema"] = function()
    local typedefs = require "kong.db.schema.typedefs"
    return { name = "kit-whole", fields = {
      { consumer = typedefs.no_consumer },
      { config = { type = "record", fields = {
        { header = typedefs.header_name { default = "apikey" } },
        { list = { type = "array", default = {}, elements = { type = "string" } } },
      } } },
    } }
  end,
}


describe("a plugin's name", function()
  setup(function()
    for name, loader in pairs(MODULES) do
      package.preload[name] = loader
    end
  end)

  teardown(function()
    for name in pairs(MODULES) do
      package.preload[name], package.loaded[name] = nil, nil
    end
  end)

  it("finds the handler and the schema, which fills in the config", function()
    local answer = testing.run({ plugin = "kit-whole" }).json()
    assert.equal("apikey", answer.header)
    assert.equal(require("kong.response.json").array_mt, getmetatable(answer.list))
    assert.equal(36, #answer.id)
    answer = testing.run({ plugin = "kit-whole", config = { header = "key" } }).json()
    assert.equal("key", answer.header)
  end)

  it("can be the module of its handler", function()
    local answer = testing.run({ plugin = "kong.plugins.kit-whole.handler" }).json()
    assert.equal("apikey", answer.header)
  end)

  it("is refused at the line of the test if the schema refuses the config", function()
    local ok, err = pcall(function()
      testing.run { plugin = "kit-whole", config = { header = "a b", more = 1 } }
    end)
    assert.is_false(ok)
    assert.matches("^[^\n]*whole_life_spec%.lua:%d+: the config of the test: 2 schema violations "
      .. "%(config%.header: bad header name 'a b'.*; config%.more: unknown field%)$", err)
  end)

  it("does not change the config of the test", function()
    local config = {}
    testing.run { plugin = "kit-whole", config = config }
    assert.same({}, config)
  end)

  it("finds a schema without a handler", function()
    local row, errors = testing.validate("kit-whole", { list = { "a" } })
    assert.is_nil(errors)
    assert.equal("apikey", row.config.header)
    for _, schema in ipairs {
      "kit-whole", "kong.plugins.kit-whole.schema", require "kong.plugins.kit-whole.schema",
    } do
      row, errors = testing.validate(schema, { list = { 1 } })
      assert.is_nil(row)
      assert.same({ config = { list = { "expected a string" } } }, errors)
    end
    row, errors = testing.validate("kit-whole", {}, { consumer = { id = "1" } })
    assert.is_nil(row)
    assert.same({ consumer = "value must be null" }, errors)
  end)
end)


describe("a schema", function()
  it("can be in the test", function()
    local seen
    local plugin = { access = function(_, config) seen = config end }
    local schema = { name = "mine", fields = {
      { config = { type = "record", fields = { { limit = { type = "integer", default = 7 } } } } },
    } }
    testing.run { plugin = plugin, schema = schema }
    assert.equal(7, seen.limit)
    testing.run { plugins = { { plugin = plugin, schema = schema, config = { limit = 8 } } } }
    assert.equal(8, seen.limit)
  end)

  it("has the kit's globals while it checks", function()
    local phase
    local schema = { name = "mine", fields = { { config = {
      type = "record", fields = {}, custom_validator = function()
        phase = type(kong.response.exit) .. " " .. type(ngx.log)
        return true
      end,
    } } } }
    testing.validate(schema, {})
    assert.equal("function function", phase)
  end)

  it("adds the fields of a gateway to the config", function()
    local ROUTE = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001"
    local seen, id
    local plugin = { access = function(_, config) seen, id = config, kong.plugin.get_id() end }
    local schema = { name = "mine", fields = { { config = { type = "record", fields = {} } } } }
    for _, gateway in ipairs { true, false } do
      local case = { plugin = plugin, schema = schema, gateway = gateway }
      testing.run(case)
      assert.same({ __plugin_id = seen.__plugin_id, __seq__ = 1, __key__ = "plugins:mine:::::" },
                  seen)
      case.row = { route = { id = ROUTE }, instance_name = "one" }
      testing.run(case)
      assert.equal(id, seen.__plugin_id)
      assert.equal(ROUTE, seen.route_id)
      assert.equal("one", seen.plugin_instance_name)
      testing.run { gateway = gateway, plugins = {
        { plugin = {} }, { plugin = plugin, schema = schema, row = { service = { id = ROUTE } } },
      } }
      assert.equal(ROUTE, seen.service_id)
      assert.equal(2, seen.__seq__)
      assert.equal("plugins:mine::" .. ROUTE .. ":::", seen.__key__)
    end
    assert.error_matches(function()
      testing.run { plugin = plugin, row = { route = { id = ROUTE } } }
    end, "the row of the test needs a schema$")
  end)

  it("logs a warning about deprecated fields, once in a worker", function()
    local schema = { name = "mine", fields = { { config = { type = "record", fields = {
      { old = { type = "string", deprecation = { message = "no old", removal_in_version = "2" } } },
    } } } } }
    for _, gateway in ipairs { true, false } do
      local case = { plugin = { access = noop }, schema = schema, gateway = gateway }
      assert.same({}, testing.run(case).log.warn)
      case.config = { old = "x" }
      local run = testing.worker(case)
      assert.same({ "no old (scheduled for removal in 2)" }, run({}).log.warn)
      assert.same({}, run({}).log.warn)
    end
  end)

  it("is refused at the line of the test if it is wrong", function()
    local ok, err = pcall(function()
      testing.validate({ name = "mine", fields = { { confg = {} } } }, {})
    end)
    assert.is_false(ok)
    assert.matches("^[^\n]*whole_life_spec%.lua:%d+: error initializing schema for plugin: error "
      .. "in definition of 'mine': confg: cannot create a new field$", err)
  end)
end)


describe("the worker", function()
  it("starts before the request, with each plugin once", function()
    local calls = {}
    local plugin = {
      init_worker = function(...)
        calls[#calls + 1] = "init " .. select("#", ...) .. " " .. ngx.get_phase()
          .. " " .. ngx.ctx.KONG_PHASE
      end,
      configure = function(_, configs)
        calls[#calls + 1] = "configure " .. #configs .. " " .. configs[2].n
      end,
      access = function()
        calls[#calls + 1] = "access " .. ngx.ctx.KONG_PHASE
      end,
    }
    local result = testing.run {
      plugins = {
        { plugin = plugin, config = { n = 1 } }, { plugin = plugin, config = { n = 2 } },
      },
    }
    assert.same({ "init 1 init_worker 1", "configure 2 2", "access 32", "access 32" }, calls)
    assert.same({ "rewrite", "access", "header_filter", "body_filter", "log" }, result.phases)
    assert.equal(0, #result.log)
  end)

  it("continues without a plugin that fails to start, and logs it", function()
    local result = testing.run {
      strict = false,
      name = "mine",
      plugin = {
        init_worker = function() error("no start", 0) end,
        configure = function() error("no config", 0) end,
      },
    }
    assert.equal(200, result.status)
    assert.same({ 'worker initialization error: failed to execute the "init_worker" handler for '
      .. 'plugin "mine": no start; this node must be restarted' }, result.log.crit)
    assert.same({ "failed to execute plugin 'mine:configure (no config)" }, result.log.err)
    assert.error_matches(function()
      testing.run { strict = true, plugin = { init_worker = function() error("no start", 0) end } }
    end, "strict mode found:\n  init_worker failed: worker initialization error: ")
  end)

  it("fails the test if an assertion fails in init_worker", function()
    assert.error_matches(function()
      testing.run { plugin = { init_worker = function() assert.equal(1, 2) end } }
    end, "Expected objects to be equal")
  end)
end)


describe("a plugin with phases that the kit does not run", function()
  it("runs without them, with a line in the log", function()
    local result = testing.run { plugin = { access = noop, certificate = noop } }
    assert.same({ "the kit does not run the certificate phase of this plugin" }, result.log.notice)
  end)

  it("is refused if it has no other phases", function()
    assert.error_matches(function()
      testing.run { plugin = { preread = noop } }
    end, "the plugin of the test has only phases that the kit does not run: preread$")
  end)
end)


describe("a plugin with a response handler and filters", function()
  it("is refused, as a gateway refuses it", function()
    for _, phase in ipairs { "header_filter", "body_filter" } do
      assert.error_matches(function()
        testing.run { name = "mine", plugin = { response = noop, [phase] = noop } }
      end, "Plugin \"mine\" can't be loaded because it implements both `response` and "
        .. "`header_filter` or `body_filter` methods.", 1, true)
    end
  end)
end)


describe("a plugin for gateways before 3.0", function()
  it("runs without changes", function()
    local BasePlugin = testing.load "kong.plugins.base_plugin"
    local Plugin = BasePlugin:extend()
    Plugin.PRIORITY = 5

    function Plugin:new()
      Plugin.super.new(self, "old")
    end

    function Plugin:access(config)
      Plugin.super.access(self)
      return kong.response.exit(200, self._name .. config.text)
    end

    local result = testing.run { plugin = Plugin, config = { text = "!" } }
    assert.equal("old!", result.body)
    local lines = {}
    for _, line in ipairs(result.log) do
      lines[#lines + 1] = line.phase .. " " .. line.message
    end
    assert.same({
      'init_worker executing plugin "old": init_worker',
      'rewrite executing plugin "old": rewrite',
      'access executing plugin "old": access',
      'header_filter executing plugin "old": header_filter',
      'body_filter executing plugin "old": body_filter',
      'body_filter executing plugin "old": body_filter',
      'log executing plugin "old": log',
    }, lines)
  end)
end)


describe("a gateway", function()
  local function refusal(plugin, case)
    local run = testing.with { plugin = plugin }
    local ok, err = pcall(run, case)
    return not ok and err:gsub("^[^ ]+:%d+: ", "") or nil
  end

  local PRIORITY = 'Plugin "%s" cannot be loaded because its PRIORITY field is not a valid integer'
    .. ' number, got: "%s".'
  local VERSION = 'Plugin "%s" cannot be loaded because its VERSION field does not follow the'
    .. ' "x.y.z" format, got: "%s".'

  it("refuses a plugin with a wrong PRIORITY or VERSION", function()
    for _, value in ipairs { 1.5, 1 / 0, 0 / 0 } do
      local plugin = { PRIORITY = value, access = function() end }
      assert.equal(PRIORITY:format("the test", tostring(value)), refusal(plugin))
      assert.equal(PRIORITY:format("mine", tostring(value)), refusal(plugin, { name = "mine" }))
    end
    for _, value in ipairs { 5, "x", "", "1.2.3.4", "1..2", "v1" } do
      assert.equal(VERSION:format("the test", tostring(value)),
        refusal { VERSION = value, access = function() end })
    end
    for _, value in ipairs { "1", "1.2", "1.2.3", "0.1-t", "2.0.0rc1" } do
      assert.is_nil(refusal { PRIORITY = -5, VERSION = value, access = function() end })
    end
    assert.is_nil(refusal({ VERSION = "x", access = function() end }, { gateway = false }))
  end)

  it("needs both fields of a plugin in its layout", function()
    local plugin = { access = function() end }
    package.preload["kong.plugins.kit-bare.handler"] = function() return plugin end
    finally(function()
      package.preload["kong.plugins.kit-bare.handler"] = nil
      package.loaded["kong.plugins.kit-bare.handler"] = nil
    end)
    assert.equal(PRIORITY:format("kit-bare", "nil"), refusal("kit-bare"))
    plugin.PRIORITY = 1
    assert.equal(VERSION:format("kit-bare", "nil"), refusal("kong.plugins.kit-bare.handler"))
    assert.is_nil(refusal("kit-bare", { gateway = false }))
    plugin.VERSION = "1.0"
    assert.is_nil(refusal("kit-bare"))
  end)

  it("runs plugins with the same priority by name, the last one first", function()
    local ran
    local function plugin(name, priority)
      return { name = name, plugin = { PRIORITY = priority, access = function()
        ran[#ran + 1] = name or "-"
      end } }
    end
    local list = {
      plugin("a", 5), plugin("c", 5), plugin("b", 5), plugin("d", 9), plugin("y", 0),
      plugin("z", 0), plugin(nil, 5),
    }
    for gateway, expected in pairs { [true] = "d c b a - y z", [false] = "d a c b - y z" } do
      ran = {}
      testing.run { plugins = list, gateway = gateway }
      assert.equal(expected, table.concat(ran, " "))
    end
  end)

  it("runs rewrite only for plugins that are not bound to an object", function()
    local schema = { name = "a", fields = { { config = { type = "record", fields = {} } } } }
    local ran
    local plugin = {
      rewrite = function() ran[#ran + 1] = "rewrite" end,
      access = function() ran[#ran + 1] = "access" end,
    }
    for _, kind in ipairs { "route", "service", "consumer" } do
      ran = {}
      local case = {
        plugin = plugin, schema = schema,
        row = { [kind] = { id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001" } },
      }
      local result = testing.run(case)
      assert.same({ "access" }, ran)
      local told = "rewrite does not run, because row binds the plugin to a " .. kind
        .. ": a gateway runs rewrite only for global plugins"
      assert.same({ told }, result.log.notice)
      assert.matches("\nhint: " .. told, result:describe(), 1, true)
      case.gateway, ran = false, {}
      result = testing.run(case)
      assert.same({ "rewrite", "access" }, ran)
      assert.is_nil(result:describe():find("hint:", 1, true))
    end
    for _, row in ipairs { {}, { instance_name = "one" } } do
      ran = {}
      local result = testing.run { plugin = plugin, schema = schema, row = row }
      assert.same({ "rewrite", "access" }, ran)
      assert.same({}, result.log.notice)
    end
    local result = testing.run {
      plugin = { access = plugin.access }, schema = schema,
      row = { route = { id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001" } },
    }
    assert.same({}, result.log.notice)
  end)

  it("sets the times of the phases in ngx.ctx", function()
    local result = testing.run {
      clock = 100, upstream = { body = "x" },
      plugin = {
        rewrite = function() ngx.sleep(1) end,
        access = function()
          assert.equal(1000, ngx.ctx.KONG_REWRITE_TIME)
          ngx.sleep(2)
        end,
        log = function() assert.equal(0, ngx.ctx.KONG_HEADER_FILTER_TIME) end,
      },
    }
    local ctx, times = result.ctx, {}
    for _, name in ipairs {
      "REWRITE_START", "REWRITE_ENDED_AT", "ACCESS_START", "ACCESS_ENDED_AT", "ACCESS_TIME",
      "PROXY_LATENCY", "HEADER_FILTER_START", "HEADER_FILTER_ENDED_AT", "BODY_FILTER_START",
      "BODY_FILTER_ENDED_AT", "BODY_FILTER_TIME", "LOG_START",
    } do
      times[#times + 1] = ctx["KONG_" .. name]
    end
    assert.same({
      100000, 101000, 101000, 103000, 2000, 3000, 103000, 103000, 103000, 103000, 0, 103000,
    }, times)
  end)

  it("does not buffer the response to an upgrade", function()
    for _, gateway in ipairs { true, false } do
      local ran = false
      local result = testing.run {
        gateway = gateway, plugin = { response = function() ran = true end },
        request = { headers = { Upgrade = "websocket", Connection = "upgrade" } },
        upstream = { status = 101 },
      }
      assert.is_false(ran)
      assert.equal(101, result.status)
      assert.same({ "response buffering was turned off: connection upgrade (websocket)" },
        result.log.notice)
    end
  end)

  it("waits in init_worker", function()
    local times = {}
    testing.run { clock = 100, plugin = { init_worker = function()
      ngx.sleep(5)
      times[1] = ngx.now()
    end } }
    assert.same({ 105 }, times)
    assert.error_matches(function()
      testing.run { gateway = false, plugin = { init_worker = function() ngx.sleep(5) end } }
    end, "API disabled in the context of init_worker_by_lua*", 1, true)
  end)
end)
