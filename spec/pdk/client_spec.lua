local pdk = require "spec.support.pdk"


local ROUTED = "access, response, header_filter, body_filter, log"
local ID = "0dc6f45b-8f8d-40d2-a504-473544ee190b"


pdk.each("kong.client", {
  description = ([[
    consumers = {
      { id = "%s", username = "alice", custom_id = "a" }, { id = "x", username = "bob" },
    },
  ]]):format(ID),
}, function(server)
  it("returns the address of the connection", function()
    local r = server:run { access = [[
      local client = kong.client
      note(client.get_ip(), client.get_forwarded_ip(),
          client.get_port() == client.get_forwarded_port(),
          client.get_port() == tonumber(ngx.var.remote_port))
    ]] }
    assert.same({ "127.0.0.1", "127.0.0.1", true, true }, r.seen.access)
  end)

  it("checks the phase", function()
    local r = server:run {
      rewrite = [[
        local client = kong.client
        note(fails(client.get_credential), fails(client.get_consumer), fails(client.load_consumer),
            fails(client.get_protocol), fails(client.authenticate))
      ]],
      log = [[
        note(fails(kong.client.authenticate, {}))
        ngx.ctx.KONG_PHASE = 0x1
        for _, name in ipairs { "get_ip", "get_forwarded_ip", "get_port", "get_forwarded_port" } do
          note(fails(kong.client[name]))
        end
      ]],
    }
    local text = "function cannot be called in rewrite phase (only in: " .. ROUTED .. ")"
    assert.same({
      text, text, text, text, "function cannot be called in rewrite phase (only in: access)",
    }, r.seen.rewrite)
    text = "function cannot be called in init_worker phase (can be called in any phases except: "
      .. "init_worker)"
    assert.same({
      "function cannot be called in log phase (only in: access)", text, text, text, text,
    }, r.seen.log)
  end)

  it("checks the phase of the functions that need a gateway", function()
    local r = server:run { access = [[
      local tls = kong.client.tls
      note(fails(tls.request_client_certificate), fails(tls.disable_session_reuse),
          fails(tls.get_full_client_certificate_chain))
      ngx.ctx.KONG_PHASE = 0x200
      note(fails(tls.get_full_client_certificate_chain))
    ]] }
    local text = "function cannot be called in access phase (only in: certificate)"
    assert.same({
      text, text, "kong.client.tls.get_full_client_certificate_chain needs a gateway",
      "function cannot be called in header_filter phase (only in: rewrite, access, balancer, "
        .. "response, log)",
    }, r.seen.access)
  end)

  it("stores the authenticated consumer and credential", function()
    local r = server:run {
      access = [[
        local client = kong.client
        note(client.get_consumer() == nil, client.get_credential() == nil)
        client.authenticate({ id = "c" }, { key = "k" })
        note(client.get_consumer(), client.get_credential())
        client.authenticate(nil, { key = "l" })
        note(client.get_consumer() == nil, client.get_credential())
        client.authenticate({ id = "d" })
        note(client.get_consumer(), client.get_credential() == nil)
      ]],
      log = "note(kong.client.get_consumer())",
    }
    assert.same({
      true, true, { id = "c" }, { key = "k" }, true, { key = "l" }, { id = "d" }, true,
    }, r.seen.access)
    assert.same({ { id = "d" } }, r.seen.log)
  end)

  it("raises an error for invalid consumers", function()
    local r = server:run { access = [[
      local authenticate = kong.client.authenticate
      note(fails(authenticate, 1), fails(authenticate, {}, 1), fails(authenticate))
    ]] }
    assert.same({
      "consumer must be a table or nil", "credential must be a table or nil",
      "either credential or consumer must be provided",
    }, r.seen.access)
  end)

  it("loads consumers", function()
    local r = server:run { access = ([[
      local load = kong.client.load_consumer
      note(load("%s").username, load("alice", true).id, load("%s", true).username,
          load("bob", true).username, select("#", load("none", true)),
          load("00000000-0000-0000-0000-000000000000") == nil)
      note(fails(load), fails(load, 1), fails(load, "alice"))
    ]]):format(ID, ID:upper()) }
    assert.same({
      "alice", ID, "alice", "bob", 0, true,
      "consumer_id must be a string", "consumer_id must be a string",
      "cannot load a consumer with an id that is not a uuid",
    }, r.seen.access)
  end)

  it("returns the protocol", function()
    local r = server:run {
      headers = { "X-Forwarded-Proto: https" },
      access = [[
        local get_protocol = kong.client.get_protocol
        note(get_protocol(), get_protocol(true))
        ngx.ctx.route = { protocols = { "grpc" } }
        note(get_protocol())
        ngx.ctx.route = nil
        note(get_protocol())
      ]],
    }
    assert.same({ "http", "http", "grpc", nil, "No active route found" }, r.seen.access)
  end)

  it("replaces the result of the client's certificate", function()
    local r = server:run { access = [[
      local tls = kong.client.tls
      note(fails(tls.set_client_verify, "maybe"))
      for _, value in ipairs { "SUCCESS", "NONE", "FAILED:expired" } do
        tls.set_client_verify(value)
        note(ngx.ctx.CLIENT_VERIFY_OVERRIDE)
      end
    ]] }
    assert.same({
      'unknown client verify value: maybe accepted values are: "SUCCESS", "NONE" or '
        .. '"FAILED:<reason>"',
      "SUCCESS", "NONE", "FAILED:expired",
    }, r.seen.access)
  end)
end)


pdk.each("kong.client behind a trusted proxy", {
  description = [[ configuration = { trusted_ips = { "127.0.0.1" } }, ]],
  http = [[
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Real-IP;
  ]],
}, function(server)
  it("returns both addresses", function()
    local r = server:run {
      headers = { "X-Real-IP: 192.0.2.7:4321" },
      access = [[
        local client = kong.client
        note(client.get_ip(), client.get_forwarded_ip(), client.get_forwarded_port(),
            client.get_port() == tonumber(ngx.var.realip_remote_port))
      ]],
    }
    assert.same({ "127.0.0.1", "192.0.2.7", 4321, true }, r.seen.access)
  end)

  it("returns the protocol of the proxy's client", function()
    local code = "note(kong.client.get_protocol(), kong.client.get_protocol(true))"
    assert.same({ "http", "https" },
      server:run({ headers = { "X-Forwarded-Proto: HTTPS" }, access = code }).seen.access)
    assert.same({ "http", "http" },
      server:run({ headers = { "X-Forwarded-Proto: http" }, access = code }).seen.access)
    for _, headers in ipairs {
      { "X-Forwarded-Proto: https,http" },
      { "X-Forwarded-Proto: https", "X-Forwarded-Proto: http" },
    } do
      assert.same({ "http", nil, "Only one X-Forwarded-Proto header allowed" },
        server:run({ headers = headers, access = code }).seen.access)
    end
  end)
end)
