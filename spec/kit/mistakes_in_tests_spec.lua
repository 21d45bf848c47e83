-- The kit's errors for mistakes in a test: the line of the test, and the right name.

local lifecycle = require "kong.response.lifecycle"
local testing = require "kong.response.testing"


local HERE = "^spec/kit/mistakes_in_tests_spec.lua:%d+: "


local function raised(code)
  local ok, err = pcall(code)
  assert.is_false(ok)
  err = type(err) == "table" and tostring(err) or err
  assert.matches(HERE, err)
  return (err:gsub(HERE, ""))
end


describe("a plugin", function()
  local function refused(plugin)
    return raised(function()
      testing.run { plugin = plugin }
    end)
  end

  it("is refused if the name of a phase is misspelt", function()
    for name, meant in pairs {
      acess = "access", acccess = "access", accses = "access", Access = "access",
      rewite = "rewrite", reponse = "response", header_filer = "header_filter",
      headerfilter = "header_filter", headerFilter = "header_filter",
      ["header-filter"] = "header_filter", body_fitler = "body_filter", bodyfilter = "body_filter",
      body_filters = "body_filter", Log = "log", LOG = "log",
    } do
      assert.equal(('the plugin of the test has a method %q, which is not a phase: '
        .. 'did you mean %q?')
        :format(name, meant), refused { [name] = function() end })
    end
  end)

  it("is refused if a class has the misspelt name", function()
    local base = { acess = function() end }
    assert.matches('has a method "acess"', refused(setmetatable({}, { __index = base })), 1, true)
  end)

  it("is named if it does not exist", function()
    assert.equal('the test: there is no plugin "tenant-gard": neither'
      .. " kong/plugins/tenant-gard/handler.lua nor a module of that name is in package.path",
      refused("tenant-gard"))
    assert.equal('the test: there is no module "kong.plugins.tenant-gard.handler" in package.path',
      refused("kong.plugins.tenant-gard.handler"))
  end)

  it("is named in a list of plugins", function()
    assert.equal('the plugin of plugins[2] has a method "acess", which is not a phase: '
      .. 'did you mean '
      .. '"access"?', raised(function()
        testing.run { plugins = { { plugin = {} }, { plugin = { acess = function() end } } } }
      end))
  end)

  it("can have other methods and fields, and phases that the kit does not run", function()
    local function method() end
    local result = testing.run { plugin = {
      new = method, check = method, log_it = method, logs = method, filter = method,
      header = method, body = method, write = method, respond = method, process = method,
      init_worker = method, configure = method, certificate = method, preread = method,
      ws_close = method,
      -- no method
      acess = "x", PRIORITY = 5, VERSION = "1.0",
      -- with the phase itself there, these are helpers
      response = nil, rewrite = method, rewriter = method,
    } }
    assert.equal(200, result.status)
  end)

  it("is refused in the place of its entry", function()
    local plugin = { PRIORITY = 5, access = function() end }
    assert.equal("the test is a plugin itself: write { plugin = ..., config = ... }",
      raised(function() testing.run(plugin) end))
    assert.equal("plugins[1] is a plugin itself: write { plugin = ..., config = ... }",
      raised(function() testing.run { plugins = { plugin } } end))
    assert.equal("plugins[1] is a plugin itself: write { plugin = ..., config = ... }",
      raised(function() lifecycle.new { plugin } end))
  end)
end)


describe("a description", function()
  it("with a misspelt field gets an error with the right name", function()
    assert.equal('unknown field "plugn" of the test: did you mean "plugin"?',
      raised(function() testing.run { plugn = {} } end))
    assert.equal('unknown field "httpVersion" of request: did you mean "http_version"?',
      raised(function() testing.run { plugin = {}, request = { httpVersion = 1 } } end))
    assert.equal('unknown field "headers" of the test: did you mean "request"?',
      raised(function() testing.run { plugin = {}, headers = {} } end))
    assert.equal('unknown field "consumer" of request: did you mean "client"?',
      raised(function() testing.run { plugin = {}, request = { consumer = {} } } end))
    assert.equal('unknown field "x" of upstream',
      raised(function() testing.run { plugin = {}, upstream = { x = 1 } } end))
  end)
end)


describe("a result", function()
  local result = testing.run { plugin = {}, upstream = { body = "x" } }

  it("raises an error for unknown fields", function()
    assert.equal('a result has no field "stauts": did you mean "status"?',
      raised(function() return result.stauts .. "" end))
    assert.equal('a result has no field "headres": did you mean "headers"?',
      raised(function() return result.headres.x end))
    assert.equal('a result has no field "status_code": did you mean "status"?',
      raised(function() return result.status_code .. "" end))
    assert.equal('a result has no field "text": did you mean "body"?',
      raised(function() return result.text .. "" end))
    assert.equal('a result has no field "foo"', raised(function() return result.foo .. "" end))
    assert.is_nil(result.headers["x-none"])
    assert.is_nil(result.__tostring)
    assert.is_nil(result[1])
  end)

  it("raises an error for unknown levels of the log", function()
    assert.same({}, result.log.err)
    assert.equal('the log has no level "error": did you mean "err"?',
      raised(function() return #result.log.error end))
    assert.equal('the log has no level "warning": did you mean "warn"?',
      raised(function() return #result.log.warning end))
    assert.equal('the log has no level "foo"', raised(function() return #result.log.foo end))
    assert.equal('the log has no level "warm": did you mean "warn"?',
      raised(function() return #result.log.warm end))
    assert.is_nil(result.log[1])
  end)

  it("can be compared and copied as any table", function()
    assert.same(result, result)
    assert.not_same({}, result)
  end)

  it("is refused at the test's line if it is not a result", function()
    assert.equal("assert.response needs a result of kong.response.testing, got table",
      raised(function() assert.response({}).has.status(1) end))
    assert.equal("assert.response(result).has.header needs a name, got nil",
      raised(function() assert.response(result).has.header() end))
    for _, name in ipairs { "status", "body", "logged", "ctx" } do
      local what = ({ status = "number", body = "string", logged = "level", ctx = "name" })[name]
      local message = ("assert.response(result).has.%s needs a %s, got nil"):format(name, what)
      assert.equal(message, raised(function() assert.response(result).has[name]() end))
      assert.equal(message, raised(function() assert.response(result).has.no[name]() end))
    end
    for _, name in ipairs { "method", "path" } do
      assert.equal(("assert.upstream(result).has.%s needs a string, got nil"):format(name),
        raised(function() assert.upstream(result).has[name]() end))
    end
    assert.equal("assert.upstream(result).has.header needs a name, got number",
      raised(function() assert.upstream(result).has.header(1) end))
    assert.equal("assert.response(result).has.status needs a number, got string",
      raised(function() assert.response(result).has.no.status("404") end))
    assert.equal("assert.response(result).has.logged needs a string as text, got number",
      raised(function() assert.response(result).has.logged("warn", 1) end))
    assert.equal('the log has no level "warning": did you mean "warn"?',
      raised(function() assert.response(result).has.no.logged("warning", "x") end))
    assert.equal("name the response: assert.response(result).has.jsonbody(...)",
      raised(function() assert.has.jsonbody({}) end))
    assert.matches("^the body is not JSON: ", raised(function() return result.json().x end))
  end)

  it("and the request to the upstream have assertions of their own", function()
    for _, name in ipairs { "method", "path" } do
      assert.equal(("has.%s is about the request to the upstream: write"
        .. " assert.upstream(result).has.%s(...)"):format(name, name),
        raised(function() assert.response(result).has[name]("GET") end))
    end
    for _, name in ipairs { "status", "logged", "ctx" } do
      assert.equal(("has.%s is about the response: write assert.response(result).has.%s(...)")
        :format(name, name), raised(function() assert.upstream(result).has[name]("warn") end))
    end
  end)
end)


describe("a line of the log", function()
  it("has the phase and the plugin that wrote it", function()
    local first = {
      PRIORITY = 2,
      access = function() kong.log.err("one") end,
      log = function() ngx.log(ngx.WARN, "two") end,
    }
    local second = {
      PRIORITY = 1,
      access = function() kong.response.set_header("Transfer-Encoding", "x") end,
      header_filter = function() error("boom", 0) end,
      body_filter = function() kong.log("three") end,
    }
    local result = testing.run { plugins = {
      { plugin = first, name = "first" }, { plugin = second },
    } }
    local lines = {}
    for i, line in ipairs(result.log) do
      local text = line.message:gsub("^spec/kit/mistakes_in_tests_spec%.lua:%d+: ", "", 1)
      lines[i] = table.concat({ line.level, line.plugin, line.phase, text }, " | ")
    end
    assert.same({
      "err | first | access | one",
      "warn | plugins[2] | access | manually setting Transfer-Encoding. Ignored.",
      "err | plugins[2] | header_filter | boom",
      "notice | plugins[2] | body_filter | three",
      "warn | first | log | two",
    }, lines)
    assert.matches("\nlog: [err] first, access: one\n", result:describe(), 1, true)
    assert.matches("\nlog: %[err%] plugins%[2%], header_filter %(spec/%S+:%d+%): boom\n",
      result:describe())
  end)

  it("has the name of the plugin's module, or of the test", function()
    package.preload["the.plugin"] = function()
      return { access = function() kong.log.err("x") end }
    end
    finally(function()
      package.preload["the.plugin"], package.loaded["the.plugin"] = nil, nil
    end)
    assert.equal("the.plugin", testing.run({ plugin = "the.plugin" }).log[1].plugin)
    assert.equal("mine", testing.run({ plugin = "the.plugin", name = "mine" }).log[1].plugin)
    local plugin = require "the.plugin"
    assert.is_nil(testing.run({ plugin = plugin }).log[1].plugin)
    assert.equal("access", testing.run({ plugin = plugin }).log[1].phase)
  end)

  it("has no plugin if the gateway wrote it", function()
    local result = testing.run { plugin = {}, upstream = { failure = "refused" } }
    assert.is_nil(result.log[1].plugin)
    assert.equal("err", result.log[1].level)
  end)
end)


describe("a test", function()
  it("raises an error if its description is not a table, also with `with`", function()
    local run = testing.with { plugin = {} }
    assert.equal("the test must be a table, got string", raised(function() run "GET" end))
    assert.equal("the test must be a table, got string", raised(function() testing.run "GET" end))
  end)

  it("raises an error under another Lua than LuaJIT", function()
    local script = "package.path = '" .. package.path .. "' "
      .. "jit = nil print(select(2, pcall(require, 'kong.response.testing')))"
    local pipe = assert(io.popen('luajit -e "' .. script .. '"'))
    local said = pipe:read("*a")
    pipe:close()
    assert.equal("kong.response needs LuaJIT: busted --lua=/usr/bin/luajit\n", said)
  end)
end)


describe("a misspelt name", function()
  it("of a case's consumer is named with its place", function()
    assert.equal('unknown field "consumer" of the test: '
      .. "write request = { client = { consumer = ... } }", raised(function()
        testing.run { plugin = {}, consumer = { id = "1" } }
      end))
  end)

  it("of a plugin is named by validate", function()
    assert.matches('^there is no plugin "json%-gaurd"', raised(function()
      testing.validate("json-gaurd", {})
    end))
  end)

  it("of a module is named", function()
    local _, err = pcall(testing.load, "cjson.saef")
    assert.matches('^module \'cjson.saef\' not found: did you mean "cjson.safe"%?', err)
  end)

  it("of the kit's function is named", function()
    assert.equal('the test kit has no function "valiate": did you mean "validate"?',
      raised(function()
        return (testing.valiate("a", {}))
      end))
    assert.is_nil(testing.other)
  end)
end)
