--- The parts of `kong` under the life cycle: what a plugin as it is written finds.

local nginx = require "spec.support.nginx"


-- Takes parts of kong at its top, as plugins do.
local PLUGIN = [==[
local kong = kong
local request, log = kong.request, kong.log
local set_header = kong.service.request.set_header

local Plugin = { PRIORITY = 1000, VERSION = "1.0.0" }

function Plugin:init_worker()
  kong.log.notice("worker of ", self == Plugin)
end

function Plugin:configure(configs)
  for i, config in ipairs(configs) do
    kong.log.notice("config ", i, " ", config.name)
  end
end

function Plugin:access(config)
  set_header("X-Plugin", config.name .. " " .. request.get_header("X-Client"))
  set_header("X-Forwarded", request.get_forwarded_host())
  set_header("X-Node", kong.node.get_id())
  set_header("X-Route", kong.router.get_route() and kong.router.get_route().id or "none")
  set_header("X-Id", kong.plugin.get_id())
  kong.log.warn("in access of ", config.name)
  log.warn("from the top")
  if config.path then
    kong.service.request.set_path(config.path)
    kong.service.request.set_query({ n = 1 })
    kong.service.request.set_method("PUT")
    kong.service.request.set_raw_body("changed")
  end
  if config.target then
    kong.service.set_target("127.0.0.1", config.target)
  end
  if not kong.client.get_consumer() then
    kong.client.authenticate({ id = config.name }, { key = "k" })
  end
  kong.ctx.shared.names = (kong.ctx.shared.names or "") .. config.name
  kong.ctx.plugin.name = config.name
  if request.get_query_arg("deny") then
    return kong.response.exit(403, { message = "denied" })
  end
end

function Plugin:header_filter(config)
  kong.response.set_header("X-Status", tostring(kong.service.response.get_status()))
  kong.response.add_header("X-Own", kong.ctx.plugin.name)
end

function Plugin:log(config)
  local document = kong.log.serialize()
  kong.log.warn(config.name, "|", kong.client.get_consumer().id, "|", kong.ctx.shared.names, "|",
    document.source, "|", document.response.status, "|", document.latencies.proxy >= 0, "|",
    document.latencies.kong >= 0, "|", document.authenticated_entity ~= nil, "|")
end

return Plugin
]==]

local SETTINGS = {
  files = { ["plugins/one.lua"] = PLUGIN },
  init = [[
    local new = require("kong.response.lifecycle").new
    local one = require "plugins.one"
    plain = new({
      { plugin = one, config = { name = "a" }, name = "a" },
      { plugin = one, config = { name = "b" }, name = "b" },
    })
    changing = new({
      { plugin = one, config = { name = "c", path = "/new path" }, name = "c" },
    }, { node = { id = "node-1" }, route = { id = "route-c" },
         configuration = { trusted_ips = { "127.0.0.1" } } })
    balanced = new({
      { plugin = one, config = { name = "d", target = %{other_port} }, name = "d" },
    }, {
      balancer = true, node = { id = "node-1" }, route = { id = "route-d" },
      service = { id = "s", host = "127.0.0.1", port = %{upstream_port}, protocol = "http" },
      configuration = { trusted_ips = { "127.0.0.1" } },
    })
    -- Without a description, the values of the node stay.
    new({})
  ]],
  http = [[
    init_worker_by_lua_block {
      plain.init_worker()
    }
    upstream balanced {
      server 0.0.0.1;
      balancer_by_lua_block { balanced.balancer() }
    }
  ]],
  locations = [[
    location /plain {
      rewrite_by_lua_block { plain.rewrite() }
      access_by_lua_block { plain.access() }
      header_filter_by_lua_block { plain.header_filter() }
      body_filter_by_lua_block { plain.body_filter() }
      log_by_lua_block { plain.log() }
      proxy_pass http://127.0.0.1:%{upstream_port};
    }
    location /changing {
      rewrite_by_lua_block { changing.rewrite() }
      access_by_lua_block { changing.access() }
      header_filter_by_lua_block { changing.header_filter() }
      body_filter_by_lua_block { changing.body_filter() }
      log_by_lua_block { changing.log() }
      proxy_pass http://127.0.0.1:%{upstream_port};
    }
    location /balanced {
      access_by_lua_block { balanced.access() }
      header_filter_by_lua_block { balanced.header_filter() }
      body_filter_by_lua_block { balanced.body_filter() }
      log_by_lua_block { balanced.log() }
      proxy_pass http://balanced;
    }
  ]],
  servers = [[
    server {
      listen 127.0.0.1:%{upstream_port};
      listen 127.0.0.1:%{other_port};
      location / {
        content_by_lua_block {
          ngx.req.read_body()
          local headers = ngx.req.get_headers()
          ngx.print(table.concat({
            ngx.var.server_port, ngx.req.get_method(), ngx.var.request_uri,
            ngx.req.get_body_data() or "", headers["x-plugin"] or "", headers["x-forwarded"] or "",
            headers["x-node"] or "", headers["x-route"] or "", headers["x-id"] or "",
          }, "|"))
        }
      }
    }
  ]],
}


describe("plugins under the life cycle", function()
  local server

  setup(function()
    server = nginx.start(SETTINGS)
  end)

  teardown(function()
    server:stop()
  end)

  local function ask(path, more)
    local request = { path = path, headers = { "X-Client: me", "X-Forwarded-Host: proxy.example" } }
    for name, value in pairs(more or {}) do
      request[name] = value
    end
    server:clear_log()
    local r = server:request(request)
    local fields = {}
    for field in (r.body .. "|"):gmatch("(.-)|") do
      fields[#fields + 1] = field
    end
    return r, fields
  end

  it("find the other parts of kong", function()
    for _, version in ipairs { "1.0", "1.1", "2" } do
      local r, fields = ask("/plain?x=y", {
        http2 = version == "2" or nil, http_version = version ~= "2" and version or nil,
      })
      assert.equal(200, r.status)
      assert.same({
        tostring(server.ports.upstream_port), "GET", "/plain?x=y", "", "b me", "proxy.example",
        "node-1", "none",
      }, { unpack(fields, 1, 8) })
      assert.equal(36, #fields[9])
      assert.same({ "200" }, r:values("X-Status"))
      -- The plugin is twice in the list.
      assert.same({ "b", "b" }, r:values("X-Own"))
      for _, name in ipairs { "a", "b" } do
        assert.is_truthy(server:wait_log("%[warn%] [^\n]*%[kong%] one%.lua:23 %[" .. name
          .. "%] in access of " .. name))
        assert.is_truthy(server:wait_log("%[kong%] one%.lua:%d+ %[" .. name .. "%] " .. name
          .. "|a|ab|upstream|200|true|true|true|"))
      end
      assert.is_truthy(server:wait_log("%[kong%] one%.lua:24 from the top"))
    end
  end)

  it("change the request to the upstream", function()
    local _, fields = ask("/changing?x=y", { method = "POST", body = "old" })
    assert.same({
      "PUT", "/new%20path?n=1", "changed", "c me", "proxy.example", "node-1", "route-c",
    }, { unpack(fields, 2, 8) })
  end)

  it("choose the server", function()
    local _, fields = ask("/balanced")
    assert.same({ tostring(server.ports.other_port), "GET", "/balanced" }, { unpack(fields, 1, 3) })
    assert.equal("route-d", fields[8])
  end)

  it("send responses themselves", function()
    local r = ask("/plain?deny=1")
    assert.equal(403, r.status)
    assert.equal('{"message":"denied"}', r.body)
    assert.same({ "nil" }, r:values("X-Status"))
    assert.is_truthy(server:wait_log("%[b%] b|a|a|kong|403|false|true|true|"))
  end)

  it("start once in each worker", function()
    server:clear_log()
    assert.is_true(server:reload())
    assert.is_truthy(server:wait_log("worker of true"))
    assert.is_truthy(server:wait_log("config 2 b"))
    local _, count = server:log():gsub("worker of true", "")
    assert.equal(1, count)
  end)
end)


describe("a plugin that fails to start", function()
  it("does not stop the others from starting", function()
    nginx.once({
      init = [[
        lifecycle = require("kong.response.lifecycle").new {
          { plugin = { PRIORITY = 2, init_worker = function() error("no start") end,
                       configure = function() error("no config") end }, name = "bad" },
          { plugin = { init_worker = function() kong.log.notice("started") end }, name = "good" },
        }
      ]],
      http = "init_worker_by_lua_block { lifecycle.init_worker() }",
      locations = "location / { return 204; }",
    }, function(server)
      assert.is_truthy(server:wait_log('%[crit%] [^\n]*worker initialization error: failed to '
        .. 'execute the "init_worker" handler for plugin "bad": [^\n]*no start; this node must be '
        .. "restarted"))
      assert.is_truthy(server:wait_log("%[error%] [^\n]*failed to execute plugin 'bad:configure "
        .. "%([^\n]*no config%)"))
      assert.is_truthy(server:wait_log("%[kong%] [^\n]*started"))
    end)
  end)
end)


describe("a description", function()
  it("is refused at the caller's line if it is invalid", function()
    nginx.once({
      init = [[
        local ok, err = pcall(function()
          require("kong.response.lifecycle").new({}, { rout = {} })
        end)
        told = err
      ]],
      locations = "location / { content_by_lua_block { ngx.print(told) } }",
    }, function(server)
      assert.matches("init.lua:2: the description of kong has an unknown field \"rout\"$",
                     server:get("/").body)
    end)
  end)
end)
