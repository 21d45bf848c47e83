--- The life cycle loads plugins by name, and refuses some.

local lifecycle = require "kong.response.lifecycle"


local function noop()
end


local MODULES = {
  ["kong.plugins.whole.handler"] = function()
    return { PRIORITY = 10, VERSION = "1.0.0", access = noop }
  end,
  ["kong.plugins.whole.schema"] = function()
    local typedefs = require "kong.db.schema.typedefs"
    return { name = "whole", fields = {
      { consumer = typedefs.no_consumer },
      { protocols = typedefs.protocols_http },
      { config = { type = "record", fields = {
        { header = typedefs.header_name { default = "apikey" } },
        { limit = { type = "integer", required = true } },
      } } },
    } }
  end,
  ["kong.plugins.bare.handler"] = function()
    return { access = noop }
  end,
  ["kong.plugins.nothing.handler"] = noop,
  ["kong.plugins.old.schema"] = function()
    return { no_consumer = true, fields = {} }
  end,
  ["kong.plugins.old.handler"] = function()
    return { access = noop }
  end,
  ["kong.plugins.broken.handler"] = function()
    error("no such thing", 0)
  end,
}


describe("a plugin's name", function()
  local before

  setup(function()
    before = rawget(_G, "kong")
    for name, loader in pairs(MODULES) do
      package.preload[name] = loader
    end
  end)

  after_each(function()
    rawset(_G, "ngx", nil)
  end)

  teardown(function()
    rawset(_G, "kong", before)
    for name in pairs(MODULES) do
      package.preload[name], package.loaded[name] = nil, nil
    end
  end)

  local function refusal(...)
    local ok, err = pcall(lifecycle.new, ...)
    assert.is_false(ok)
    return err
  end

  it("finds the handler and the schema, which fills in the config", function()
    local seen
    require("kong.plugins.whole.handler").configure = function(_, configs)
      seen = configs[1]
    end
    rawset(_G, "ngx", { ctx = {}, log = noop, config = { subsystem = "stream" } })
    lifecycle.new({ { plugin = "whole", config = { limit = 3 } } }).init_worker()
    assert.equal("apikey", seen.header)
    assert.equal(3, seen.limit)
    assert.equal(36, #seen.__plugin_id)
    assert.equal("plugins:whole:::::", seen.__key__)
    assert.is_nil(seen.route_id)
  end)

  it("can be bound to a route if there is a schema", function()
    local id, seen = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001", nil
    require("kong.plugins.whole.handler").configure = function(_, configs)
      seen = configs[1]
    end
    rawset(_G, "ngx", { ctx = {}, log = noop, config = { subsystem = "stream" } })
    lifecycle.new({
      { plugin = "whole", config = { limit = 3 }, row = { route = { id = id } } },
    }).init_worker()
    assert.equal(id, seen.route_id)
    assert.equal("plugins:whole:" .. id .. "::::", seen.__key__)
    assert.equal("plugins[1].row needs a schema",
                 refusal { { plugin = "bare", row = { route = { id = id } } } })
    assert.equal("plugins[1]: schema violation (consumer: value must be null)", refusal {
      { plugin = "whole", config = { limit = 3 }, row = { consumer = { id = id } } },
    })
  end)

  it("can be the module of its handler", function()
    assert.matches("plugins%[1%]: schema violation %(config%.limit: required field missing%)$",
                   refusal { { plugin = "kong.plugins.whole.handler" } })
  end)

  it("is refused if its schema refuses the config", function()
    assert.matches("plugins%[2%]: 2 schema violations %(config%.header: bad header name 'a b', .*; "
      .. "config%.limit: expected an integer%)$",
      refusal {
        { plugin = "bare" }, { plugin = "whole", config = { limit = "3", header = "a b" } },
      })
  end)

  it("is refused if there is no such plugin", function()
    assert.matches("plugins[1]: missing plugin is enabled but not installed;\nthere is no plugin"
      .. ' "missing": neither kong/plugins/missing/handler.lua nor a module of that name is in'
      .. " package.path: " .. package.path, refusal { { plugin = "missing" } }, 1, true)
    assert.matches("plugins[1]: kong.plugins.missing.handler plugin is enabled but not installed;\n"
      .. 'there is no module "kong.plugins.missing.handler" in package.path: ' .. package.path,
      refusal { { plugin = "kong.plugins.missing.handler" } }, 1, true)
    assert.matches('plugins%[1%]: plugin "broken" cannot be loaded: .*no such thing',
                   refusal { { plugin = "broken" } })
    assert.matches('plugins%[1%]: the module "kong%.plugins%.nothing%.handler" must return '
      .. "a table, got boolean: did you forget `return`%?$", refusal { { plugin = "nothing" } })
  end)

  it("is refused if its schema is in the format before 1.0", function()
    assert.matches("plugins%[1%]: error initializing schema for plugin: error in definition of ",
                   refusal { { plugin = "old" } })
  end)

  it("can have another schema, as a table or a module's name", function()
    local schema = { name = "bare", fields = {
      { config = { type = "record", fields = { { n = { type = "number", required = true } } } } },
    } }
    assert.matches("plugins%[1%]: schema violation %(config%.n: required field missing%)$",
                   refusal { { plugin = "bare", schema = schema } })
    assert.matches("plugins%[1%]: schema violation %(config%.limit: required field missing%)$",
                   refusal { { plugin = "bare", schema = "kong.plugins.whole.schema" } })
  end)
end)


describe("a plugin that starts with a warning", function()
  local before, logged

  before_each(function()
    before, logged = rawget(_G, "kong"), {}
    rawset(_G, "ngx", { WARN = 5, config = { subsystem = "stream" }, log = function(level, text)
      logged[#logged + 1] = level .. " " .. text
    end })
  end)

  after_each(function()
    rawset(_G, "kong", before)
    rawset(_G, "ngx", nil)
  end)

  it("sets a deprecated field", function()
    local schema = { name = "old", fields = { { config = { type = "record", fields = {
      { old = { type = "string", deprecation = { message = "no old", removal_in_version = "2" } } },
    } } } } }
    lifecycle.new { { plugin = { access = noop }, schema = schema, config = {} } }
    assert.same({}, logged)
    lifecycle.new { { plugin = { access = noop }, schema = schema, config = { old = "x" } } }
    assert.same({ "5 no old (scheduled for removal in 2)" }, logged)
  end)

  it("has a phase that only gateways run", function()
    lifecycle.new { { plugin = { access = noop, certificate = noop }, name = "both" } }
    assert.same({ '5 the certificate phase of plugin "both" needs a gateway: it is not run' },
                logged)
  end)

  it("is refused if it has only such phases", function()
    for _, phase in ipairs { "certificate", "preread", "ws_handshake", "ws_client_frame" } do
      local ok, err = pcall(lifecycle.new, { { plugin = { [phase] = noop } } })
      assert.is_false(ok)
      assert.matches("plugins%[1%] has only phases that need a gateway: " .. phase .. "$", err)
    end
  end)

  it("has a response handler, and learns what it needs", function()
    local ok, err = pcall(lifecycle.new, { { plugin = { response = noop }, name = "late" } })
    assert.is_false(ok)
    assert.matches('the response phase of plugin "late" needs buffering = "<location>" in the '
      .. "description$", err)
  end)
end)


describe("a plugin for old gateways", function()
  it("extends kong.plugins.base_plugin, and gets one instance", function()
    finally(function()
      rawset(_G, "ngx", nil)
    end)
    rawset(_G, "ngx", { DEBUG = 8, ctx = {}, log = noop, config = { subsystem = "stream" } })
    local Base = require "kong.plugins.base_plugin"
    local Plugin = Base:extend()
    local made, started = 0, nil
    function Plugin:new()
      Plugin.super.new(self, "old")
      made = made + 1
    end
    function Plugin:init_worker()
      Plugin.super.init_worker(self)
      started = self._name
    end
    Plugin.PRIORITY = 5
    local life = lifecycle.new { { plugin = Plugin }, { plugin = Plugin } }
    life.init_worker()
    assert.equal(1, made)
    assert.equal("old", started)
    -- The life cycle makes no second instance.
    local instance = Plugin()
    lifecycle.new({ { plugin = instance } }).init_worker()
    assert.equal(2, made)
    assert.is_true(Plugin:is(Base))
    assert.is_false(Base:is(Plugin))
  end)
end)
