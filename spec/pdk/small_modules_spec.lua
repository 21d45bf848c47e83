local pdk = require "spec.support.pdk"


pdk.each("kong.ctx", {}, function(server)
  it("has a table for the request and one for each plugin", function()
    local code = [[
      note(kong.ctx.shared.n, kong.ctx.plugin.n, kong.ctx.other == nil)
    ]]
    local r = server:run {
      rewrite = "kong.ctx.shared.n, kong.ctx.plugin.n = 1, 2",
      access = code .. [[
        local namespaces = ngx.ctx.KONG_NAMESPACES
        local handler = namespaces.plugin
        namespaces.plugin = {}
        note(kong.ctx.shared.n, kong.ctx.plugin.n == nil)
        namespaces.plugin = nil
        note(kong.ctx.plugin == nil)
        namespaces.plugin = handler
      ]],
      log = code,
    }
    assert.same({ 1, 2, true, 1, true, true }, r.seen.access)
    assert.same({ 1, 2, true }, r.seen.log)
    assert.same({ true, true }, server:run({
      access = "note(kong.ctx.shared.n == nil, kong.ctx.plugin.n == nil)",
    }).seen.access)
  end)

  it("has its own table in a timer, and none for a plugin", function()
    local r = server:run { access = [[
      kong.ctx.shared.n = 1
      local done
      ngx.timer.at(0, function()
        note(kong.ctx.shared.n == nil, kong.ctx.plugin == nil)
        done = true
      end)
      for _ = 1, 200 do
        if done then break end
        ngx.sleep(0.01)
      end
    ]] }
    assert.same({ true, true }, r.seen.access)
  end)

  it("cannot be changed itself", function()
    local r = server:run { access = [[
      note(fails(function() kong.ctx.mine = 1 end))
    ]] }
    assert.same({
      "plugin.lua:1: kong.ctx cannot be changed, only kong.ctx.shared and kong.ctx.plugin",
    }, r.seen.access)
  end)
end)


pdk.each("kong.table", {}, function(server)
  it("makes, merges and clears tables", function()
    local r = server:run { access = [[
      local tables = kong.table
      note(tables.new(1, 1), tables.merge({ 1, 2, a = 1 }, { 3, b = 2 }), tables.merge(),
          tables.merge({ 1 }), tables.merge(nil, { 1 }))
      local t = { 1, a = 2 }
      note(select("#", tables.clear(t)), t)
      note(fails(tables.new), fails(tables.new, 1), fails(tables.new, 1, "x"))
    ]] }
    assert.same({
      {}, { 3, 2, a = 1, b = 2 }, {}, { 1 }, { 1 }, 0, {},
      "bad argument #1 to 'new' (number expected, got no value)",
      "bad argument #2 to 'new' (number expected, got no value)",
      "bad argument #2 to 'new' (number expected, got string)",
    }, r.seen.access)
  end)
end)


describe("kong.ip", function()
  local ip = require "kong.response.pdk.ip"

  local function trusted(ranges, address)
    return ip.trust(ranges)(address)
  end

  it("trusts no address by default", function()
    for _, ranges in ipairs { {}, { "junk", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.256" } } do
      for _, address in ipairs { "127.0.0.1", "::1", "1.2.3.4", "junk" } do
        assert.is_false(trusted(ranges, address), address)
      end
    end
    assert.is_false(ip.trust(nil)("127.0.0.1"))
  end)

  it("knows addresses and ranges", function()
    local ranges = {
      "10.0.0.0/8", "192.0.2.7", "192.0.2.128/25", "2001:db8::/32", "::1", "fe80::/10",
    }
    for address, expected in pairs {
      ["10.1.2.3"] = true, ["11.1.2.3"] = false, ["192.0.2.7"] = true, ["192.0.2.8"] = false,
      ["192.0.2.127"] = false, ["192.0.2.128"] = true, ["192.0.2.255"] = true,
      ["2001:db8::1"] = true, ["2001:DB8:0:0:0:0:0:1"] = true, ["2001:db9::1"] = false,
      ["::1"] = true, ["0:0:0:0:0:0:0:1"] = true, ["::2"] = false, ["febf::1"] = true,
      ["fec0::1"] = false, ["::ffff:10.1.2.3"] = false, ["2001:db8::1.2.3.4"] = true,
      ["10.1.2"] = false, ["10.1.2.3.4"] = false, ["10.1.2.300"] = false, ["unix:"] = false,
      ["unix:/tmp/x"] = false, [""] = false, [":"] = false, ["::1::"] = false, ["1:2"] = false,
      ["2001:db8:::1"] = false, ["2001:db8::12345"] = false, ["2001:db8:1.2.3.4::"] = false,
      ["2001:db8:0:0:0:0:0:0:1"] = false, ["2001:db8::1%eth0"] = false, ["10.1.2.3/8"] = false,
    } do
      assert.equal(expected, trusted(ranges, address), address)
    end
    for _, junk in ipairs { 1, true, {} } do
      assert.is_false(trusted(ranges, junk))
    end
  end)

  it("trusts every address only with ranges for both families", function()
    assert.is_true(trusted({ "0.0.0.0/0", "::/0" }, "unix:"))
    assert.is_true(trusted({ "0.0.0.0/0", "::/0" }, nil))
    assert.is_false(trusted({ "0.0.0.0/0" }, "::1"))
    assert.is_true(trusted({ "0.0.0.0/0" }, "1.2.3.4"))
    assert.is_false(trusted({ "0.0.0.0/0" }, nil))
  end)
end)


pdk.each("kong.node", { http = "lua_shared_dict kong 100k;" }, function(server)
  it("has one id for all workers, and its host's name", function()
    local code = "note(kong.node.get_id(), kong.node.get_hostname())"
    local one, other = server:run { access = code }, server:run { access = code }
    assert.matches("^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$", one.seen.access[1])
    assert.equal(36, #one.seen.access[1])
    assert.same(one.seen.access, other.seen.access)
    local file = assert(io.open("/proc/sys/kernel/hostname"))
    assert.equal(file:read("*l"), one.seen.access[2])
    file:close()
    assert.is_true(server:reload())
    assert.equal(one.seen.access[1], server:run({ access = code }).seen.access[1])
  end)

  it("measures memory", function()
    local r = server:run { access = [[
      local stats = kong.node.get_memory_stats()
      local kong_dict, worker = stats.lua_shared_dicts.kong, stats.workers_lua_vms[1]
      note(kong_dict.capacity, kong_dict.allocated_slabs < kong_dict.capacity,
          worker.pid == ngx.worker.pid(), worker.http_allocated_gc > 10000)
      note(kong.node.get_memory_stats("k", 1).lua_shared_dicts.kong.capacity,
          kong.node.get_memory_stats("M").lua_shared_dicts.kong.capacity,
          kong.node.get_memory_stats("g", 0).lua_shared_dicts.kong.capacity)
      local get = kong.node.get_memory_stats
      note(fails(get, "x"), fails(get, 1), fails(get, "k", -1), fails(get, "k", "x"))
    ]] }
    assert.same({
      102400, true, true, true, "100.0 KiB", "0.10 MiB", "0 GiB",
      "invalid unit 'x' (expected 'k/K', 'm/M', or 'g/G')",
      "invalid unit '1' (expected 'k/K', 'm/M', or 'g/G')",
      "scale must be equal or greater than 0", "scale must be equal or greater than 0",
    }, r.seen.access)
  end)
end)


pdk.each("small modules", {
  description = [[
    node = { id = "node-1", hostname = "host-1" },
    version = "3.9.1",
    configuration = {
      role = "traditional", trusted_ips = { "10.0.0.0/8" }, host_ports = { [%{port}] = 443 },
      lua_max_uri_args = 2, lua_max_req_headers = 1,
    },
    consumers = { { id = "consumer-2", username = "bob", tags = { "new" } } },
    consumer = { id = "consumer-1", tags = { "gold" } }, credential = { key = "k" },
  ]],
  init_worker = [[
    note(kong.version, fails(kong.request.get_path), fails(kong.client.get_ip))
    note((kong.cache:get("init", nil, function() return "loaded" end)))
    kong.log.notice("in init_worker")
  ]],
}, function(server)
  it("return values in kong.node, kong.plugin, kong.nginx and kong.version", function()
    local r = server:run { access = [[
      note(kong.node.get_id(), kong.node.get_hostname(), kong.plugin.get_id(),
          kong.nginx.get_subsystem(), kong.version, kong.version_num)
      local statistics = kong.nginx.get_statistics()
      local missing = {}
      for _, name in ipairs {
        "connections_active", "connections_reading", "connections_writing", "connections_waiting",
        "connections_accepted", "connections_handled", "total_requests",
      } do
        if type(statistics[name]) ~= "number" then
          missing[#missing + 1] = name
        end
      end
      note(missing, statistics.total_requests >= 1, statistics.connections_active >= 1)
    ]] }
    assert.same({ "node-1", "host-1", "plugin-1", "http", "3.9.1", 3009001, {}, true, true },
      r.seen.access)
  end)

  it("have a number in kong.version_num", function()
    local version = require "kong.response.pdk.version"
    for text, number in pairs {
      ["3.9.0"] = 3009000, ["3.10.0"] = 30010000, ["2.8.3"] = 2008003, ["3.9.1-rc.1"] = 3009001,
    } do
      assert.equal(number, (select(2, version.of(text))), text)
    end
  end)

  it("return the route and the service in kong.router from access on", function()
    local code = "note(kong.router.get_route(), kong.router.get_service().id)"
    local r = server:run {
      rewrite = "note(fails(kong.router.get_route), fails(kong.router.get_service))",
      access = code,
      log = code,
    }
    local text = "function cannot be called in rewrite phase (only in: access, response, "
      .. "header_filter, body_filter, log)"
    assert.same({ text, text }, r.seen.rewrite)
    local expected = {
      { id = "route-1", protocols = { "http", "https" }, service = { id = "service-1" } },
      "service-1",
    }
    assert.same(expected, r.seen.access)
    assert.same(expected, r.seen.log)
  end)

  it("have the items of sets as keys in entities", function()
    local r = server:run { access = [[
      local route = kong.router.get_route()
      note(route.protocols.https, route.protocols.grpc, #route.protocols)
      note(kong.client.get_consumer().tags.gold, kong.client.load_consumer("bob", true).tags.new)
    ]] }
    assert.same({ true, nil, 2, true, true }, r.seen.access)
  end)

  it("have one workspace", function()
    local r = server:run { access = "note(kong.default_workspace, ngx.ctx.workspace)" }
    local id = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
    assert.same({ id, id }, r.seen.access)
  end)

  it("set limits by kong.configuration, which is read-only", function()
    local r = server:run {
      path = "/?a=1&b=2&c=3",
      access = [[
        local configuration = kong.configuration
        note(configuration.role, configuration.trusted_ips, configuration.none == nil,
            fails(function() configuration.role = "x" end))
        note((select(2, kong.request.get_query())), (select(2, kong.request.get_headers())),
            kong.request.get_forwarded_port())
        note(kong.client.get_consumer(), kong.client.get_credential())
      ]],
    }
    assert.same({
      "traditional", { "10.0.0.0/8" }, true, "plugin.lua:3: cannot write to configuration",
      "truncated", "truncated", 443, { id = "consumer-1", tags = { "gold" } }, { key = "k" },
    }, r.seen.access)
  end)

  it("work in init_worker if they need no request", function()
    assert.same({
      "3.9.1",
      "function cannot be called in init_worker phase (only in: rewrite, access, balancer, "
        .. "response, cluster_listener, header_filter, body_filter, log, error, admin_api)",
      "function cannot be called in init_worker phase (can be called in any phases except: "
        .. "init_worker)",
      "loaded",
    }, pdk.init_worker_seen(server))
    assert.same({ "loaded", nil, 1 }, server:run({ access = "note(kong.cache:get('init'))" })
      .seen.access)
  end)
end)


pdk.each("kong.vault", { main = [[env PLAIN=open; env 'JSON={"a":"b","n":1}';]] },
  function(server)
    it("recognises references", function()
      local r = server:run { access = [[
        local vault = kong.vault
        note(vault.is_reference("{vault://env/x}"), vault.is_reference("{vault://"),
            vault.is_reference("x"), vault.is_reference(1), vault.is_reference(nil))
        note(vault.parse_reference("{vault://env/cert/key?prefix=SSL_#1}"))
        note(vault.parse_reference("{vault://env/x}"))
        for _, reference in ipairs {
          "x", 1, "{vault://env}", "{vault://env/}", "{vault://env/x#y}",
        } do
          note(vault.parse_reference(reference))
        end
      ]] }
      assert.same({
        true, false, false, false, false,
        { name = "env", resource = "cert", key = "key", config = { prefix = "SSL_" }, version = 1 },
        { name = "env", resource = "x" },
        nil, "not a reference [x]", nil, "not a reference [1]",
        nil, "reference url is missing path [{vault://env}]",
        nil, "reference url has empty path [{vault://env/}]",
        nil, "reference url has invalid version [{vault://env/x#y}]",
      }, r.seen.access)
    end)

    it("reads the environment", function()
      local r = server:run { access = [[
        local vault = kong.vault
        note(vault.get("{vault://env/plain}"), vault.get("{vault://env/json/a}"))
        note(vault.get("{vault://env/none}"))
        note(vault.get("{vault://env/json/none}"))
        note(vault.get("{vault://aws/x}"))
        note(vault.get("x"))
      ]] }
      assert.same({
        "open", "b",
        nil, "unable to load value (none) from vault (env): not found [{vault://env/none}]",
        nil, "unable to load value (json) from vault (env): not found [{vault://env/json/none}]",
        nil, "could not find vault (aws) [{vault://aws/x}]",
        nil, "not a reference [x]",
      }, r.seen.access)
    end)

    it("replaces references in tables", function()
      local r = server:run { access = [[
        local vault = kong.vault
        local conf = {
          ["$refs"] = {
            a = "{vault://env/plain}", b = { "{vault://env/plain}", "{vault://env/none}" },
          },
          inner = { ["$refs"] = { c = "{vault://env/plain}" } },
        }
        conf.self = conf.inner
        note(vault.update(conf) == conf, conf.a, conf.b, conf.inner.c)
        local calls = 0
        note(vault.try(function(options)
          calls = calls + 1
          return calls == 2 and options.a or nil, "no"
        end, conf))
        note(vault.try(function() return nil, "once" end, {}))
        note(vault.try(function(options) return options.a, 2, 3 end, conf))
      ]] }
      assert.same({ true, "open", { "open", "" }, "open", "open", "no", nil, "once", "open", 2, 3 },
        r.seen.access)
    end)
  end)


describe("kong.response.pdk", function()
  local new = require("kong.response.pdk").new

  local function message(description)
    local ok, err = pcall(function()
      new(description, { config = {} })
    end)
    assert.is_false(ok)
    return (err:gsub("^.-:%d+: ", "", 1))
  end

  it("raises an error for unknown fields of a description", function()
    assert.equal("the description of kong must be a table, got string", message("x"))
    assert.equal('the description of kong has an unknown field "rout"', message { rout = {} })
    assert.equal("the description of kong: route must be a table, got string",
      message { route = "x" })
  end)

  it("does not load the test kit", function()
    local process = require "spec.support.process"
    local file = package.searchpath("kong.response.pdk", package.path)
    local found = process.capture("grep -rl testing " .. file .. " " .. file:gsub("%.lua$", ""))
    assert.equal("", found)
  end)
end)
