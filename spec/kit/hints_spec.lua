-- The hints for a plugin's error: the place of its handler, and the probable cause.

local testing = require "kong.response.testing"


local FILE = "spec/kit/hints_spec.lua"


local function line_here()
  return debug.getinfo(2, "l").currentline
end


local function report(handlers, case)
  local result = testing.with { plugin = handlers, strict = false }(case)
  return result:describe(), result
end


local function hints(handlers, case)
  local found = {}
  for hint in report(handlers, case):gmatch("\nhint: ([^\n]+)") do
    found[#found + 1] = hint
  end
  return found
end


describe("an error without a position", function()
  it("is shown with the place of its handler", function()
    local line = line_here() + 1
    local shown, result = report({ access = function()
      return kong.response.exit("400")
    end }, { name = "e.p" })
    local place = ("%s:%d"):format(FILE, line)
    assert.matches("\nlog: [err] e.p, access (" .. place .. "): code must be a number", shown, 1,
      true)
    assert.same({
      level = "err", message = "code must be a number", phase = "access", plugin = "e.p",
      handler = place,
    }, result.log[1])
  end)

  it("is shown with the place in every phase", function()
    for _, phase in ipairs {
      "rewrite", "access", "response", "header_filter", "body_filter", "log",
    } do
      local line = line_here() + 1
      local shown = report { [phase] = function() error({}, 0) end }
      assert.matches(("\nlog: [err] %s (%s:%d): "):format(phase, FILE, line), shown, 1, true)
    end
  end)

  it("is shown without it if the error has a position or no handler failed", function()
    local _, result = report { access = function() error("boom") end }
    assert.is_nil(result.log[1].handler)
    _, result = report({}, { upstream = { failure = "refused" } })
    assert.is_nil(result.log[1].handler)
    _, result = report { access = setmetatable({}, { __call = function() error("boom", 0) end }) }
    assert.is_nil(result.log[1].handler)
  end)
end)


describe("a field of ngx or kong that the kit lacks", function()
  it("is named if it causes an error", function()
    assert.same({ "the kit has no ngx.ssl: add it to the case's ngx (docs/testing.md)" },
      hints { access = function() return ngx.ssl.version("a", "b") end })
    assert.same(
      { "the kit has no ngx.req.nothing_near: add it to the case's ngx (docs/testing.md)" },
      hints { rewrite = function() ngx.req.nothing_near("a", "b") end })
    assert.same(
      { "the kit has no kong.service.balancing: add it to the case's kong (docs/testing.md)" },
      hints { access = function() kong.service.balancing.set_header("a", "b") end })
    assert.same({ "the kit has no kong.db: add it to the case's kong (docs/testing.md)" },
      hints { log = function() local db = kong.db db.find() end })
  end)

  it("is named with the name that was probably meant", function()
    assert.same({ 'there is no kong.response.set_heder: did you mean "set_header"?' },
      hints { access = function() kong.response.set_heder("a", "b") end })
    assert.same({ 'there is no kong.request.get_haeder: did you mean "get_header"?' },
      hints { access = function() kong.request.get_haeder("a") end })
    assert.same({ 'there is no kong.service.request.set_headr: did you mean "set_header"?' },
      hints { access = function() kong.service.request.set_headr("a", "b") end })
    assert.same({ 'there is no kong.log.wrn: did you mean "warn"?' },
      hints { log = function() kong.log.wrn("a") end })
    assert.same({ 'there is no ngx.encode_base46: did you mean "encode_base64"?' },
      hints { log = function() ngx.encode_base46("a") end })
    assert.same({ 'there is no kong.ctx.shred: did you mean "shared"?' },
      hints { access = function() kong.ctx.shred.x = 1 end })
    assert.same({ 'there is no kong.reponse: did you mean "response"?' },
      hints { access = function() kong.reponse.exit(200) end })
  end)

  it("is told with the name that other tools have", function()
    assert.same({ 'there is no kong.log.warning: did you mean "warn"?' },
      hints { log = function() kong.log.warning("a") end })
    assert.same({ 'there is no kong.log.error: did you mean "err"?' },
      hints { log = function() kong.log.error("a") end })
    assert.same({ 'there is no kong.response.send: did you mean "exit"?' },
      hints { access = function() kong.response.send(200) end })
    assert.same({ 'there is no kong.response.set_body: did you mean "set_raw_body"?' },
      hints { body_filter = function() kong.response.set_body("a") end })
    assert.same({ 'there is no kong.request.get_query_param: did you mean "get_query_arg"?' },
      hints { access = function() kong.request.get_query_param("a") end })
  end)

  it("is no part of the kit's where a gateway has nothing either", function()
    local hint = "kong.ctx.plugin is nil in init_worker, in configure and in timers"
    assert.same({ hint }, hints { init_worker = function() kong.ctx.plugin.x = 1 end })
    assert.same({ hint }, hints { configure = function() kong.ctx.plugin.x = 1 end })
  end)

  it("is a dictionary that the case does not declare", function()
    local hint = 'the case declares no dictionary "cache": shared = { "cache" } (docs/testing.md)'
    assert.same({ hint },
      hints { access = function() ngx.shared.cache:get("a") end })
    assert.same({}, hints({ access = function() ngx.shared.cache:get("a") end },
      { shared = { "cache" } }))
  end)

  it("is named where a timer needs it", function()
    local function in_timer(code)
      return hints { access = function() ngx.timer.at(0, code) end }
    end
    assert.same({ "kong.ctx.plugin is nil in init_worker, in configure and in timers" },
      in_timer(function() kong.ctx.plugin.x = 1 end))
    assert.same({ "a timer has no request: pass it the values that it needs" },
      in_timer(function() kong.request.get_header("x") end))
    assert.same({ "a timer has no request: pass it the values that it needs" },
      in_timer(function() return ngx.var.uri end))
  end)

  it("is named if the plugin has it in a local variable", function()
    local b64 = testing.load("spec.kit.fixtures.aliases")
    assert.same({ 'there is no ngx.encode_bas64: did you mean "encode_base64"?' }, hints(b64))
  end)

  it("is named if a module needs it at its top", function()
    package.preload["needy.plugin"] = function()
      local version = ngx.ssl.version
      return { access = version }
    end
    finally(function()
      package.preload["needy.plugin"], package.loaded["needy.plugin"] = nil, nil
    end)
    for _, load in ipairs {
      function() testing.run { plugin = "needy.plugin" } end,
      function() testing.load("needy.plugin") end,
    } do
      package.loaded["needy.plugin"] = nil
      assert.error_matches(load, "attempt to index field 'ssl' (a nil value)\n"
        .. "the kit has no ngx.ssl: add it to the case's ngx (docs/testing.md)", 1, true)
    end
  end)

  it("is not a field of the plugin or of the test", function()
    assert.same({}, hints { access = function() return ({}).never_read.x end })
    assert.same({}, hints { access = function() return ngx.thread and true end })
    assert.same({}, hints({ access = function() return ngx.socket.tcp() end },
      { ngx = { socket = { tcp = function() error("boom") end } } }))
  end)

  it("does not count if only an earlier test has read it", function()
    report { access = function() return kong.only_in_this_test end }
    assert.same({}, hints { access = function() return ({}).only_in_this_test.x end })
  end)

  it("stays nil", function()
    report { access = function()
      assert.is_nil(ngx.ssl)
      assert.is_nil(ngx.req.set_urn)
      assert.is_nil(kong.db)
      assert.is_nil(kong.request[1])
      assert.is_nil(kong.log.nothing)
    end }
  end)
end)


describe("a client of resty.http", function()
  local function told(code)
    local shown, result = report({ access = function() code(require("resty.http").new()) end },
                                 { services = { ["http://a/"] = {} } })
    return shown:match("\nhint: ([^\n]+)"), result.log.err[1]
  end

  it("has a hint for a misspelt method", function()
    assert.equal('there is no client:requst_uri: did you mean "request_uri"?',
      (told(function(client) client:requst_uri("http://a/") end)))
    assert.equal('there is no response:read_bdy: did you mean "read_body"?',
      (told(function(client) client:request_uri("http://a/"):read_bdy() end)))
    assert.equal('the kit has no require("resty.http").nwe (docs/testing.md)',
      (told(function() require("resty.http").nwe() end)))
  end)

  it("is called with a colon", function()
    for name, code in pairs {
      request_uri = function(client) client.request_uri("http://a/", {}) end,
      request = function(client) client.request({ path = "/" }) end,
      connect = function(client) client.connect("a", 80) end,
      set_timeout = function(client) client.set_timeout(1) end,
    } do
      local _, err = told(code)
      assert.matches("^" .. FILE .. ":%d+: client." .. name
        .. "%(%.%.%.%) of resty.http: call it with a colon$", err)
    end
  end)

  it("raises errors for wrong arguments at the plugin's line", function()
    for message, code in pairs {
      ["bad argument #1 to 'request_uri' (string expected, got nil)"] = function(client)
        client:request_uri()
      end,
      ["bad argument #2 to 'request_uri' (table expected, got string)"] = function(client)
        client:request_uri("http://a/", "GET")
      end,
      ["bad argument #1 to 'request' (table expected, got nil)"] = function(client)
        client:request()
      end,
    } do
      local _, err = told(code)
      assert.matches("^" .. FILE .. ":%d+: ", err)
      assert.equal(message, (err:gsub("^[^ ]+: ", "")))
    end
  end)

  it("has its methods in the module as well", function()
    local result = testing.run { plugin = { access = function()
      local http = require "resty.http"
      kong.response.exit(200, http:parse_uri("https://a/b?c")[4])
    end } }
    assert.equal("/b?c", result.body)
  end)
end)


describe("a misspelt field of the config", function()
  local SCHEMA = { name = "a", fields = { { config = { type = "record", fields = {
    { claims = { type = "array", elements = { type = "string" } } },
    { limits = { type = "record", fields = { { minute = { type = "number" } } } } },
  } } } } }

  local function told(code, schema)
    return hints({ access = code }, {
      schema = schema, config = { claims = { "sub" }, limits = { minute = 1 } },
    })
  end

  it("is named if its value causes an error", function()
    local hint = 'the config has no field "claimz": did you mean "claims"?'
    for _, code in ipairs {
      function(_, config) return next(config.claimz) .. "" end,
      function(_, conf) return #conf.claimz + 1 end,
      function(_, own) return own.claimz[1] .. "" end,
      function(_, config) return table.concat(config.claimz) .. "" end,
      function(_, config)
        local claims = config.claimz
        return claims[1] .. ""
      end,
    } do
      assert.same({ hint }, told(code, SCHEMA))
      assert.same({ hint }, told(code))
    end
    assert.same({ 'the config has no field "limits.minutes": did you mean "limits.minute"?' },
      told(function(_, config) return config.limits.minutes + 1 end, SCHEMA))
  end)

  it("is named wherever code reads it, if the config has a schema", function()
    local function deep(value)
      return value + 1
    end
    assert.same({ 'the config has no field "limits.minutes": did you mean "limits.minute"?' },
      told(function(_, config) return (deep(config.limits.minutes)) end, SCHEMA))
    assert.same({ 'the config has no field "claimz": did you mean "claims"?' },
      told(function(_, config) return config.claimz end, SCHEMA))
  end)

  it("is not named if the field exists, or another value is nil", function()
    assert.same({}, told(function(_, config) return config.limits.hour + 1 end, SCHEMA))
    assert.same({}, told(function(_, config) return config.claims.x.y + 1 end, SCHEMA))
    assert.same({}, told(function(_, config) error("no beans", config.claimz) end))
  end)
end)


describe("a value that the installed lua-cjson does not have", function()
  it("is named", function()
    local fake = { encode = tostring }
    local line = line_here() + 3
    local found = hints({ access = function()
      local cjson = require "cjson"
      return { cjson.empty_array, cjson.other, cjson.encode }
    end }, { modules = { cjson = fake } })
    assert.same({ ("cjson.empty_array at %s:%d is nil, because this lua-cjson does not have it: use"
      .. " that of kong.response.json"):format(FILE, line) }, found)
    assert.is_nil(getmetatable(fake))
  end)

  it("is named if it is a function", function()
    for _, name in ipairs {
      "decode_array_with_array_mt", "encode_empty_table_as_object", "encode_escape_forward_slash",
      "encode_skip_unsupported_value_types", "decode_allow_comment",
    } do
      local line = line_here() + 2
      local found = hints({ access = function()
        require("cjson.safe")[name](true)
      end }, { modules = { ["cjson.safe"] = { encode = tostring } } })
      assert.same({ ("cjson.%s at %s:%d is nil, because this lua-cjson does not have it: use"
        .. " kong.response.json instead"):format(name, FILE, line) }, found)
    end
  end)
end)


describe("a function that is in another part of kong", function()
  it("is named", function()
    for name, code in pairs {
      ['kong.service.set_header: did you mean "kong.service.request.set_header"?'] = function()
        kong.service.set_header("A", "b")
      end,
      ['kong.service.response.status: did you mean "kong.service.response.get_status"?']
      = function()
        kong.service.response.status()
      end,
      ['kong.response.get_consumer: did you mean "kong.client.get_consumer"?'] = function()
        kong.response.get_consumer()
      end,
    } do
      assert.same({ "there is no " .. name }, hints { access = code })
    end
    assert.same({ "the kit has no kong.db: add it to the case's kong (docs/testing.md)" },
      hints { access = function() kong.db.keys() end })
  end)
end)


describe("a method that is written with a dot", function()
  it("is named if the test fails", function()
    local Plugin = {}
    function Plugin.access(conf) -- luacheck: ignore
      return kong.response.exit(conf.status)
    end
    local line = line_here() - 3
    local found = hints(Plugin, { config = { status = 403 } })
    assert.equal(("access(conf) at %s:%d gets the plugin, not the config: write `function"
      .. " Plugin:access(conf)`, or add a first parameter"):format(FILE, line), found[#found])
  end)

  it("is not reported if it needs no config, or has two parameters", function()
    assert.same({}, hints { access = function(self) return self.x end,
                            rewrite = function(_) end, log = function() end,
                            header_filter = function(a, b) return a, b end })
  end)
end)


describe("an invalid argument", function()
  it("is shown with the call", function()
    assert.same({ 'the call was kong.response.exit("401")' },
      hints { access = function() return kong.response.exit("401") end })
    assert.same({ "the call was kong.response.exit(403, 42)" },
      hints { access = function() kong.response.exit(403, 42) end })
    assert.same({ 'the call was kong.response.set_header("X-A", {...})' },
      hints { access = function() kong.response.set_header("X-A", { 1 }) end })
  end)

  it("is not shown if another error comes later", function()
    assert.same({}, hints { access = function()
      kong.response.set_header("X-A", "1")
      error("boom")
    end })
  end)
end)


describe("a call with a colon", function()
  it("is named", function()
    local line = line_here() + 2
    local shown, result = report { access = function()
      kong.response:set_header("X", 1)
    end }
    assert.matches(('\nhint: kong.response:set_header(...) at %s:%d: call it with a dot')
      :format(FILE, line), shown, 1, true)
    assert.matches(':%d+: invalid header name "table: 0x%x+": got table, expected string$',
      result.log.err[1])
  end)

  it("is named if it is the last call of its function", function()
    local line = line_here() + 1
    local found = hints { access = function() return kong.response:exit(403) end }
    assert.same({
      ("kong.response:exit(...) in the handler at %s:%d: call it with a dot"):format(FILE, line),
    }, found)
  end)

  it("is found by strict mode even without an error", function()
    local line = line_here() + 1
    local plugin = { access = function() local s = kong.response:get_status() return s end }
    local ok, err = pcall(testing.run, { plugin = plugin, strict = true })
    assert.is_false(ok)
    assert.matches(("strict mode found:\n  kong.response.get_status was called with a colon, at"
        .. " %s:%d\n")
      :format(FILE, line), err, 1, true)
  end)

  -- Each statement, the function that it calls, and what it raises, if anything.
  local CALLS = {
    { 'local _ = kong.request:get_header("x")', "kong.request:get_header",
      "^plugin.lua:2: header name must be a string$" },
    { "local _ = kong.request:get_method()", "kong.request:get_method" },
    { 'kong.service.request:set_header("x", "y")', "kong.service.request:set_header",
      '^plugin.lua:2: invalid header name "table: 0x%x+": got table, expected string$' },
    { 'kong.service:set_upstream("x")', "kong.service:set_upstream",
      "^plugin.lua:2: host must be a string$" },
    { "local _ = kong.client:get_ip()", "kong.client:get_ip" },
    { "local _ = kong.client.tls:get_full_client_certificate_chain()",
      "kong.client.tls:get_full_client_certificate_chain" },
    { "local _ = kong.router:get_route()", "kong.router:get_route" },
    { "local _ = kong.node:get_id()", "kong.node:get_id" },
    { "local _ = kong.plugin:get_id()", "kong.plugin:get_id" },
    { 'kong.log:err("x")', "kong.log:err" },
    { 'kong.log:set_serialize_value("x", "y")', "kong.log:set_serialize_value",
      "^plugin.lua:2: key must be a string$" },
    { "local _ = kong.ip:is_trusted()", "kong.ip:is_trusted" },
  }

  for _, call in ipairs(CALLS) do
    it("is named for the whole of kong: " .. call[2], function()
      local code = assert(loadstring("return function()\n" .. call[1] .. "\nend", "@plugin.lua"))()
      local shown, result = report { access = code }
      assert.matches(("\nhint: %s(...) at plugin.lua:2: call it with a dot"):format(call[2]), shown,
        1, true)
      if call[3] then
        assert.matches(call[3], result.log.err[1])
      end

      local ok, err = pcall(testing.run, { plugin = { access = code } })
      assert.is_false(ok)
      local name = call[2]:gsub(":", ".")
      assert.matches(("\n  %s was called with a colon, at plugin.lua:2\n"):format(name), err, 1,
        true)
    end)
  end

  it("is right for kong.cache", function()
    assert.same({}, hints { access = function()
      kong.cache:get("key", nil, function() return 1 end)
      kong.cache:invalidate("key")
    end })
  end)

  it("is missing where a method of kong.cache is called with a dot", function()
    local line = line_here() + 3
    assert.same({ ("kong.cache.get(...) at %s:%d: call it with a colon"):format(FILE, line) },
      hints { access = function()
        kong.cache.get("key", nil, function() return 1 end)
      end })
  end)

  it("is named for the functions of an instance", function()
    local response = require("kong.response.instance").new {}
    local line = line_here() + 1
    local found = hints { log = function() local s = response:get_source() return s end }
    assert.same({ ("response:get_source(...) at %s:%d: call it with a dot"):format(FILE, line) },
      found)
  end)
end)
