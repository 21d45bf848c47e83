local pdk = require "spec.support.pdk"


-- Servers beside the upstream: each answers with its name.
local SERVERS = [[
  server { listen 127.0.0.1:%{one_port}; location / { return 200 "one"; } }
  server { listen 127.0.0.1:%{two_port}; location / { return 200 "two"; } }
  server { listen 127.0.0.1:%{slow_port}; location / { content_by_lua_block {
    ngx.sleep(2)
    ngx.print("slow")
  } } }
]]

local DESCRIPTION = [[
  upstreams = {
    both = { "127.0.0.1:%{one_port}", "127.0.0.1:%{two_port}" },
    broken = { "127.0.0.1:%{dead_port}", "127.0.0.1:%{one_port}" },
    empty = {},
  },
]]


pdk.each("kong.service", { description = DESCRIPTION, servers = SERVERS }, function(server)
  it("checks the phase", function()
    local r = server:run { log = [[
      for _, name in ipairs {
        "set_upstream", "set_target", "set_target_retry_callback", "set_retries", "set_timeouts",
      } do
        note(fails(kong.service[name]))
      end
    ]] }
    local text = "function cannot be called in log phase (only in: access)"
    assert.same({
      text, "function cannot be called in log phase (only in: rewrite, access, balancer, preread)",
      text, text, text,
    }, r.seen.log)
  end)

  it("raises an error for invalid arguments", function()
    local r = server:run { access = [[
      local service = kong.service
      note(fails(service.set_upstream), fails(service.set_target), fails(service.set_target, "h"),
          fails(service.set_target, "h", "80"), fails(service.set_target, "h", 1.5),
          fails(service.set_target, "h", 65536), fails(service.set_target, "h", -1),
          fails(service.set_target_retry_callback, 1))
      note(fails(service.set_retries), fails(service.set_retries, -1),
          fails(service.set_retries, 32768), fails(service.set_retries, 1.5))
      note(fails(service.set_timeouts), fails(service.set_timeouts, 0, 1, 1),
          fails(service.set_timeouts, 1, "x", 1), fails(service.set_timeouts, 1, 1),
          fails(service.set_timeouts, 1, 2147483647, 1), fails(service.set_timeouts, 1, 1, 0.5))
      note(service.set_upstream("none"))
      note(fails(service.set_tls_cert_key, {}), fails(service.set_tls_cert_key, 1LL, {}),
          fails(service.set_tls_verify, 1), fails(service.set_tls_verify_depth, "1"),
          fails(service.set_tls_verify_store, 1), fails(service.set_tls_verify, true))
    ]] }
    assert.same({
      "host must be a string", "host must be a string", "port must be an integer",
      "port must be an integer", "port must be an integer",
      "port must be an integer between 0 and 65535: given 65536",
      "port must be an integer between 0 and 65535: given -1",
      "retry_callback must be a function",
      "retries must be an integer", "retries must be an integer between 0 and 32767: given -1",
      "retries must be an integer between 0 and 32767: given 32768", "retries must be an integer",
      "connect_timeout must be an integer",
      "connect_timeout must be an integer between 1 and 2147483646: given 0",
      "write_timeout must be an integer", "read_timeout must be an integer",
      "write_timeout must be an integer between 1 and 2147483646: given 2147483647",
      "read_timeout must be an integer",
      nil, "could not find an Upstream named 'none'",
      "chain must be a parsed cdata object", "key must be a parsed cdata object",
      "argument must be a boolean", "argument must be a number",
      "argument must be a resty.openssl.x509.store object",
      "kong.service.set_tls_verify needs a gateway",
    }, r.seen.access)
    assert.equal("upstream", r.body)
  end)

  it("names the plugin's line", function()
    local r = server:run {
      raises = true,
      rewrite = "\nkong.service.set_target('h', 65536)",
    }
    assert.equal("plugin.lua:2: port must be an integer between 0 and 65535: given 65536",
      r.errors.rewrite)
    r = server:run { raises = true, access = "\nkong.service.set_target('name.example', 80)" }
    assert.equal('plugin.lua:2: kong.service.set_target: "name.example" is not an IP address, and '
      .. "the balancer cannot resolve names", r.errors.access)
  end)

  it("set_target() sends the request to another server", function()
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      local r = server:run {
        access = ([[
          note(select("#", kong.service.set_target(%q, %%{one_port})), ngx.var.upstream_host)
        ]]):format(host):gsub("%%{one_port}", server.ports.one_port),
      }
      assert.equal("one", r.body)
      assert.same({ 0, host }, r.seen.access)
    end
  end)

  it("set_target() works in rewrite", function()
    local r = server:run {
      rewrite = ("kong.service.set_target('127.0.0.1', %d)"):format(server.ports.one_port),
      access = "note(ngx.var.upstream_host, ngx.ctx.balancer_data.retries)",
    }
    assert.equal("one", r.body)
    assert.same({ "127.0.0.1", 5 }, r.seen.access)
  end)

  it("set_upstream() takes the servers of an upstream in turn", function()
    local bodies = {}
    for i = 1, 4 do
      bodies[i] = server:run({ access = "note(kong.service.set_upstream('both'))" }).body
    end
    assert.same({ "one", "two", "one", "two" }, bodies)
  end)

  it("set_upstream() sends the first server as Host, unless a plugin has set one", function()
    local ports = server.ports
    for call, hosts in pairs {
      ["kong.service.set_upstream('both')"] = {
        "127.0.0.1:" .. ports.one_port, "127.0.0.1:" .. ports.two_port,
      },
      ["kong.service.set_upstream('both') kong.service.request.set_header('Host', 'h')"] = {
        "h", "h",
      },
      ["kong.service.set_upstream('both') kong.service.set_upstream('broken')"] = {
        "127.0.0.1:" .. ports.dead_port, "127.0.0.1:" .. ports.one_port,
      },
    } do
      local found = {}
      for i = 1, 2 do
        found[i] = server:run({ access = call, log = "note(ngx.var.upstream_host)" }).seen.log[1]
      end
      table.sort(found)
      table.sort(hosts)
      assert.same(hosts, found)
    end
  end)

  it("an upstream without servers gets no request", function()
    local r = server:run { access = "kong.service.set_upstream('empty')" }
    assert.equal(500, r.status)
    assert.matches("no server to send the request to", r.log, 1, true)
  end)

  it("tries the next server if one fails, and tells the plugin", function()
    local r = server:run {
      access = [[
        kong.service.set_upstream("broken")
        kong.service.set_retries(3)
        kong.service.set_target_retry_callback(function(...)
          ngx.ctx.retried = (ngx.ctx.retried or 0) + 1
        end)
      ]],
      log = [[
        local tries = ngx.ctx.balancer_data.tries
        note(ngx.ctx.retried, #tries, tries[1].state, tries[1].ip, tries[2].state == nil)
        local try = tries[1]
        note(try.port, try.balancer_start > 1e12,
            math.abs(try.balancer_start_ns - try.balancer_start * 1e6) < 1e6,
            try.balancer_latency, try.balancer_latency_ns)
      ]],
    }
    assert.equal("one", r.body)
    assert.same({
      1, 2, "failed", "127.0.0.1", true, server.ports.dead_port, true, true, 0, 0,
    }, r.seen.log)
  end)

  it("set_retries(0) does not try again", function()
    local r = server:run {
      access = [[
        kong.service.set_target("127.0.0.1", 1)
        kong.service.set_retries(0)
      ]],
    }
    assert.equal(502, r.status)
  end)

  it("set_timeouts() limits the wait", function()
    local function status(timeout)
      return server:run({
        access = ([[
          kong.service.set_target("127.0.0.1", %d)
          kong.service.set_retries(0)
          kong.service.set_timeouts(1000, 1000, %d)
        ]]):format(server.ports.slow_port, timeout),
      }).status
    end
    assert.equal(504, status(200))
    assert.equal(200, status(8000))
  end)
end)


pdk.each("kong.service without a balancer", {
  description = [[ balancer = false, upstreams = { both = { "127.0.0.1:1" } }, ]],
}, function(server)
  it("raises an error that names the balancer", function()
    local r = server:run { access = [[
      local service = kong.service
      note(fails(service.set_target, "127.0.0.1", 80), fails(service.set_upstream, "both"),
          fails(service.set_retries, 1), fails(service.set_timeouts, 1, 1, 1),
          fails(service.set_target_retry_callback, print))
    ]] }
    local expected = {}
    for i, name in ipairs {
      "set_target", "set_upstream", "set_retries", "set_timeouts", "set_target_retry_callback",
    } do
      expected[i] = "kong.service." .. name .. " needs a balancer: send the location's requests to "
        .. "an upstream with balancer_by_lua, and say balancer = true"
    end
    assert.same(expected, r.seen.access)
  end)
end)


pdk.each("kong.service with a balancer that resolves names", {
  description = "resolves = true,",
}, function(server)
  it("set_target() escapes control characters in the header Host", function()
    local r = server:run {
      access = [[ kong.service.set_target("a\r\nX: 1\0", 80) note(ngx.var.upstream_host) ]],
    }
    assert.same({ "a%0D%0AX: 1%00" }, r.seen.access)
  end)
end)
