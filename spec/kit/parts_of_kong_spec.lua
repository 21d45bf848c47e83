-- What the parts of `kong` return in memory, where nginx's versions differ, or where only the test
-- kit has the case. The specs in spec/pdk/ run these parts in nginx.

local testing = require "kong.response.testing"


describe("the parts of kong in memory", function()
  -- Returns the values that `code()` returns in access.
  local function in_access(case, code)
    local values
    case.plugin = { access = function() values = { code() } end }
    testing.run(case)
    return values
  end

  -- Returns the values that `code()` returns in log.
  local function in_log(case, code)
    local values
    case.plugin = case.plugin or {}
    case.plugin.log = function() values = { code() } end
    testing.run(case)
    return values
  end

  it("kong.log.serialize has the attempt to send the request", function()
    assert.same({ 1, "127.0.0.1", 81, true, true }, in_log({
      service = { host = "upstream", port = 81 },
    }, function()
      local tries = kong.log.serialize().tries
      return #tries, tries[1].ip, tries[1].port, tries[1].balancer_start > 0,
             tries[1].state == nil
    end))
  end)

  it("a buffered response has no variables of an upstream, because a subrequest asks", function()
    local function values()
      return kong.log.serialize().upstream_status, kong.service.response.get_status(),
             ngx.var.upstream_status, ngx.var.upstream_http_x_foo, ngx.var.upstream_addr
    end
    local upstream = { status = 201, headers = { ["X-Foo"] = "bar" } }
    assert.same({ "201", 201, "201", "bar", "127.0.0.1:80" },
      in_log({ upstream = upstream }, values))
    for _, gateway in ipairs { true, false } do
      assert.same({ 201, 201 }, in_log({
        upstream = upstream, gateway = gateway,
        plugin = { access = function() kong.service.request.enable_buffering() end },
      }, values))
    end
  end)

  describe("kong.ctx", function()
    it("belongs to the timer in a timer", function()
      local seen
      local function in_timer()
        seen[#seen + 1] = kong.ctx.shared.of or "new"
        seen[#seen + 1] = tostring(kong.ctx.plugin)
        kong.ctx.shared.of = "timer"
      end
      for _, gateway in ipairs { true, false } do
        seen = {}
        local result = testing.run { gateway = gateway, plugin = { access = function()
          kong.ctx.shared.of, kong.ctx.plugin.of = "request", "plugin"
          ngx.timer.at(0, in_timer)
          ngx.sleep(0)
          ngx.timer.at(60, in_timer)
          seen[#seen + 1] = kong.ctx.shared.of .. " " .. kong.ctx.plugin.of
        end } }
        testing.advance(60)
        assert.same({ "new", "nil", "request plugin", "new", "nil" }, seen)
        assert.equal("request", result.shared.of)
      end
    end)

    it("is nil while a module is loaded", function()
      package.preload["spec.reads_ctx"] = function()
        return { shared = kong.ctx.shared, plugin = kong.ctx.plugin }
      end
      testing.run { plugin = {
        access = function() kong.ctx.shared.x, kong.ctx.plugin.x = 1, 1 end,
      } }
      assert.same({}, testing.load "spec.reads_ctx")
      package.preload["spec.reads_ctx"] = nil
    end)

    it("has one table per plugin, also if the case has the plugin twice", function()
      for _, gateway in ipairs { true, false } do
        local seen, ids = {}, {}
        local plugin = { access = function(_, config)
          seen[#seen + 1] = (kong.ctx.plugin.from or "none") .. " " .. config.name
          kong.ctx.plugin.from = config.name
          ids[#ids + 1] = kong.plugin.get_id()
        end }
        local result = testing.run { gateway = gateway, plugins = {
          { plugin = plugin, config = { name = "one" }, name = "one" },
          { plugin = plugin, config = { name = "two" }, name = "two" },
          { name = "three", plugin = { access = function()
            seen[#seen + 1] = kong.ctx.plugin.from or "none"
            kong.log.err("three")
          end } },
        } }
        assert.same({ "none one", "one two", "none" }, seen)
        assert.are_not.equal(ids[1], ids[2])
        assert.equal("three", result.log[1].plugin)
      end
    end)
  end)

  it("kong.node.get_memory_stats has the dictionaries of the case", function()
    assert.same({ 1048576, 0, "1.0 MiB" }, in_access({ shared = { cache = "1m" } }, function()
      local node = kong.node
      local cache = node.get_memory_stats().lua_shared_dicts.cache
      return cache.capacity, cache.allocated_slabs,
             node.get_memory_stats("m", 1).lua_shared_dicts.cache.capacity
    end))
    assert.same({ {} }, in_access({}, function()
      return kong.node.get_memory_stats().lua_shared_dicts
    end))
  end)

  it("the log names a secret that is not available", function()
    local schema = { name = "secret", fields = { { config = { type = "record", fields = {
      { token = { type = "string", referenceable = true } },
    } } } } }
    for _, gateway in ipairs { true, false } do
      local result = testing.run {
        gateway = gateway, schema = schema, config = { token = "{vault://env/no-such-token}" },
        plugin = { access = function(_, config) kong.log.err("<", config.token, ">") end },
      }
      assert.same({ "<>" }, result.log.err)
      assert.same({
        "the secret {vault://env/no-such-token} is not available: unable to load value "
          .. "(no-such-token) from vault (env): not found [{vault://env/no-such-token}]",
      }, result.log.warn)
    end
  end)

  describe("the request to the upstream", function()
    -- Returns the headers that the upstream gets.
    local function headers_for(case)
      return testing.run(case).upstream.request.headers
    end

    local OWN = {
      ["X-Forwarded-For"] = "192.0.2.1", ["X-Forwarded-Proto"] = "https",
      ["X-Forwarded-Host"] = "client.example", ["X-Forwarded-Port"] = "443",
      ["X-Forwarded-Path"] = "/client", ["X-Forwarded-Prefix"] = "/prefix",
      ["X-Real-IP"] = "192.0.2.1", ["X-Kong-Request-Id"] = "client's",
    }

    local function expect(expected, headers)
      for name in pairs(OWN) do
        assert.equal(expected[name], headers[name:lower()], name)
      end
    end

    it("has a gateway's headers, whatever the client and plugins set", function()
      local id = ("0123456789abcdef"):rep(2)
      expect({
        ["X-Forwarded-For"] = "192.0.2.1, 10.0.0.1", ["X-Forwarded-Proto"] = "http",
        ["X-Forwarded-Host"] = "h", ["X-Forwarded-Port"] = "8000", ["X-Forwarded-Path"] = "/a",
        ["X-Real-IP"] = "10.0.0.2", ["X-Kong-Request-Id"] = id,
      }, headers_for {
        plugin = { access = function()
          for name in pairs(OWN) do
            kong.service.request.set_header(name, "plugin's")
          end
        end },
        request = {
          path = "/a?b", host = "h", port = 8000, headers = OWN, id = id,
          client = { ip = "10.0.0.1", forwarded_ip = "10.0.0.2" },
        },
      })
    end)

    it("has the headers of a trusted proxy", function()
      expect({
        ["X-Forwarded-For"] = "192.0.2.1, 127.0.0.1", ["X-Forwarded-Proto"] = "https",
        ["X-Forwarded-Host"] = "client.example", ["X-Forwarded-Port"] = "443",
        ["X-Forwarded-Path"] = "/client", ["X-Forwarded-Prefix"] = "/prefix",
        ["X-Real-IP"] = "127.0.0.1", ["X-Kong-Request-Id"] = ("0"):rep(32),
      }, headers_for {
        plugin = {}, configuration = { trusted_ips = { "127.0.0.0/8" } },
        request = { headers = OWN, id = ("0"):rep(32) },
      })
    end)

    it("has what a plugin writes into a gateway's variables in access", function()
      local headers = headers_for {
        plugin = {
          rewrite = function() ngx.var.upstream_x_forwarded_host = "lost" end,
          access = function()
            ngx.var.upstream_x_forwarded_for = "changed"
            ngx.var.upstream_te = "trailers"
            kong.service.request.set_header("TE", "other")
            kong.service.request.set_header("Via", "1.1 plugin")
          end,
        },
        request = { host = "h", headers = { Via = "1.0 client" } },
      }
      assert.equal("trailers", headers.te)
      assert.equal("1.0 client", headers.via)
      assert.is_nil(headers.connection)
      assert.equal("changed", headers["x-forwarded-for"])
      assert.equal("h", headers["x-forwarded-host"])
    end)

    it("has no hop-by-hop headers", function()
      local headers = headers_for {
        plugin = {},
        request = { headers = {
          Connection = "close, X-Hop", ["X-Hop"] = "1", Proxy = "p", ["Proxy-Connection"] = "q",
          ["X-End"] = "2",
        } },
      }
      assert.is_nil(headers["x-hop"])
      assert.is_nil(headers.proxy)
      assert.is_nil(headers["proxy-connection"])
      assert.equal("2", headers["x-end"])
    end)

    it("has the headers of the client and of plugins without a gateway", function()
      local headers = headers_for {
        gateway = false,
        plugin = { access = function()
          kong.service.request.set_header("X-Forwarded-Proto", "plugin's")
          kong.log.err(tostring(ngx.var.upstream_x_forwarded_for),
            pcall(function() ngx.var.upstream_x_forwarded_for = "x" end))
        end },
        request = { headers = OWN },
      }
      assert.equal("plugin's", headers["x-forwarded-proto"])
      assert.equal("192.0.2.1", headers["x-forwarded-for"])
      assert.equal("client's", headers["x-kong-request-id"])
    end)
  end)

  for _, version in ipairs { "1.22.1", "1.27.1" } do
    describe("with nginx " .. version, function()
      it("kong.request takes the first of several forwarded headers", function()
        assert.same({ "https", "a", 99, "/P", "/Q" }, in_access({
          nginx_version = version,
          configuration = { trusted_ips = { "127.0.0.1" } },
          request = { headers = {
            ["X-Forwarded-Proto"] = { "https", "http" }, ["X-Forwarded-Host"] = { "a:1", "b:2" },
            ["X-Forwarded-Port"] = { "99", "98" }, ["X-Forwarded-Path"] = { "/P", "/R" },
            ["X-Forwarded-Prefix"] = { "/Q", "/S" },
          } },
        }, function()
          local request = kong.request
          return request.get_forwarded_scheme(), request.get_forwarded_host(),
                 request.get_forwarded_port(), request.get_forwarded_path(),
                 request.get_forwarded_prefix()
        end))
      end)

      it("kong.client.get_protocol refuses several X-Forwarded-Proto", function()
        assert.same({ nil, "Only one X-Forwarded-Proto header allowed" }, in_access({
          nginx_version = version,
          configuration = { trusted_ips = { "127.0.0.1" } },
          request = { headers = { ["X-Forwarded-Proto"] = { "https", "http" } } },
        }, function()
          return kong.client.get_protocol(true)
        end))
      end)
    end)
  end
end)
