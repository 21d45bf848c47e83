local pdk = require "spec.support.pdk"


pdk.each("kong.log.serialize", {
  description = [[
    consumer = { id = "consumer-1", username = "alice" },
    credential = { id = "credential-1", consumer_id = "consumer-1", key = "secret" },
  ]],
}, function(server)
  it("returns the request as a table", function()
    local r = server:run {
      method = "POST", path = "/p?a=1&b",
      headers = {
        "Host: h.example", "Authorization: Basic x", "Proxy-Authorization: y", "X-Foo: 1",
      },
      body = "text",
      header_filter = "kong.response.set_header('X-Added', 'z')",
      log = [[
        local document = kong.log.serialize()
        local request, response = document.request, document.response
        note(request.uri, request.url == "http://h.example:" .. ngx.var.server_port .. "/p?a=1&b",
            request.method, request.querystring, request.headers.authorization,
            request.headers["proxy-authorization"], request.headers["x-foo"], request.size > 50,
            #request.id, request.tls == nil)
        note(response.status, response.headers["x-added"], response.size > 50)
        note(document.upstream_uri, document.upstream_status, document.client_ip, document.source,
            document.workspace_name)
        note(document.route, document.service.id, document.consumer, document.authenticated_entity)
        local latencies = document.latencies
        note(latencies.kong >= 0, latencies.proxy >= 0, latencies.request >= 0,
            latencies.receive >= 0, document.started_at == kong.request.get_start_time())
        note(#document.tries, document.tries[1].ip,
            getmetatable(document.tries) == require("kong.response.json").array_mt)
        document.route.id = "changed"
        note(kong.router.get_route().id)
      ]],
    }
    assert.same({
      "/p?a=1&b", true, "POST", { a = "1", b = true }, "REDACTED", "REDACTED", "1", true, 32, true,
      200, "z", true,
      "/p?a=1&b", "200", "127.0.0.1", "upstream", "default",
      { id = "route-1", protocols = { "http", "https" }, service = { id = "service-1" } },
      "service-1",
      { id = "consumer-1", username = "alice" },
      { id = "credential-1", consumer_id = "consumer-1" },
      true, true, true, true, true, 1, "127.0.0.1", true, "route-1",
    }, r.seen.log)
  end)

  it("returns empty fields if no upstream was called", function()
    local r = server:run { port = "content_port", log = [[
      local document = kong.log.serialize()
      note(document.source, document.upstream_status, document.latencies.receive, #document.tries)
      ngx.ctx.KONG_PROXIED, ngx.ctx.KONG_EXITED = true, true
      note(kong.log.serialize().source)
      ngx.ctx.balancer_data = nil
      note(kong.log.serialize().tries == nil)
    ]] }
    assert.same({ "kong", "", "kong" }, { r.seen.log[1], r.seen.log[2], r.seen.log[5] })
    assert.same({ 0, "kong", true }, { r.seen.log[4], r.seen.log[5], r.seen.log[6] })
  end)

  it("works in the log phase only", function()
    local r = server:run {
      access = "note(fails(kong.log.serialize))",
      log = "ngx.ctx.KONG_PHASE = 0x40 note(fails(kong.log.set_serialize_value, 'a', 1))",
    }
    assert.same({ "function cannot be called in access phase (only in: log)" }, r.seen.access)
    assert.same({
      "function cannot be called in balancer phase (only in: rewrite, access, response, "
        .. "header_filter, body_filter, log)",
    }, r.seen.log)
  end)

  it("returns the values that plugins add, in the order of their calls", function()
    local r = server:run {
      access = [[
        local set = kong.log.set_serialize_value
        set("a", 1)
        set("b.c.d", "deep")
        set("b.c\\.d", "dotted")
        set("request.method", "changed")
        set("client_ip", nil)
        set("a", 2, { mode = "add" })
        set("new", 3, { mode = "add" })
        set("a", 4, { mode = "replace" })
        set("none", 5, { mode = "replace" })
        set("x.y", 6, { mode = "replace" })
        set("t", { 1, { z = true } })
        set("t.more", 7)
      ]],
      log = [[
        local document = kong.log.serialize()
        note(document.a, document.b, document.request.method, document.client_ip == nil,
            document.new, document.none == nil, document.x == nil, document.t)
        note(kong.log.serialize().t)
      ]],
    }
    local t = { 1, { z = true }, more = 7 }
    assert.same({
      4, { c = { d = "deep" }, ["c.d"] = "dotted" }, "changed", true, 3, true, true, t, t,
    }, r.seen.log)
  end)

  it("raises an error for invalid keys, modes and values", function()
    local r = server:run {
      raises = true,
      access = [[
        local set = kong.log.set_serialize_value
        note(fails(set), fails(set, 1), fails(set, "a", 1, { mode = "other" }))
      ]],
      log = [[
        local function serialize(key, value)
          ngx.ctx.serialize_values = nil
          kong.log.set_serialize_value(key, value)
          return fails(kong.log.serialize)
        end
        local loop = {}
        loop.loop = loop
        local twice = {}
        note(serialize("a", print), serialize("a", loop), serialize("a", { twice, twice }),
            serialize("a", { [{}] = 1 }), serialize("a", { b = { io.stdout } }),
            serialize("a", ngx.null), serialize("request.method.x", 1))
        kong.log.set_serialize_value("a", print)
        kong.log.serialize()
      ]],
    }
    assert.same({
      "key must be a string", "key must be a string", "mode must be 'set', 'add' or 'replace'",
    }, r.seen.access)
    local text = "value must be nil, a number, string, boolean or a non-self-referencial table "
      .. "containing numbers, string and booleans"
    assert.same({
      text, text, text, text, text, false,
      "The key 'request.method.x' could not be used as a serialize value. Subkey 'method' is not "
        .. "a table. It's GET",
    }, r.seen.log)
    assert.matches("^plugin.lua:13: The key 'request.method.x'", r.errors.log)
  end)
end)
