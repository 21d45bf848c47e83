-- In nginx only: init, init_worker and the phases of a TLS handshake, where there is no request.
-- The tests of plugins have one.

local hosts = require "spec.support.hosts"
local module = require "spec.support.module"
local pem = require "spec.support.pem"


local ALL_CALLS, all, NO_REQUEST = module.ALL_CALLS, module.all, module.NO_REQUEST

local FAILS = [[
  local function fails(f, ...)
    local ok, err = pcall(f, ...)
    return not ok and err
  end
]]

-- the module is loaded before the gateway's global exists, as a gateway does
local INIT = FAILS .. [[
  local response = require "kong.response"
  local function calls()
]] .. ALL_CALLS .. [[
    return results
  end
  _G.every_call = calls
  _G.init_results = { calls() }
  _G.kong = { ctx = {} }
  _G.init_results[2] = calls()
  _G.source_in_init = response.get_source { KONG_EXITED = true }

  rawset(ngx, "ctx", { KONG_PHASE = 0x1, KONG_EXITED = true })
  _G.replaced_results = { calls() }
  ngx.ctx.KONG_PHASE = 0x2000
  replaced_results[2] = response.get_source()
  rawset(ngx, "ctx", nil)
]]


local OPTIONS = {
  both_bindings = true, init = INIT,
  http = [[
    init_worker_by_lua_block {
      _G.worker_results = { every_call() }
      ngx.ctx.KONG_PHASE = 0x1
      worker_results[2] = every_call()
      ngx.ctx.KONG_PHASE = 0x200
      worker_results[3] = every_call()
    }
  ]],
  servers = [[
    server {
      listen 127.0.0.1:%{tls_port} ssl;
      ssl_certificate %{dir}/tls.pem;
      ssl_certificate_key %{dir}/tls.pem;
      ssl_client_hello_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x8
        _G.hello_results = every_call()
      }
      ssl_certificate_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x2
        _G.certificate_results = every_call()
      }
      return 204;
    }
  ]],
  files = { ["tls.pem"] = pem.make() },
}


hosts.nginx("in a gateway,", OPTIONS, function(server)
  describe("outside of requests,", function()
    it("every function raises an error in init", function()
      local r = server:run { access = "return init_results" }
      assert.same({ { all(NO_REQUEST), all(NO_REQUEST) } }, r.seen.access)
    end)

    it("get_source with a table works in init, too", function()
      assert.same({ "exit" }, server:run({ access = "return source_in_init" }).seen.access)
    end)

    it("init_worker gets the error of the phase check", function()
      local results = server:run({ access = "return worker_results" }).seen.access[1]
      assert.same(module.refused_in(nil), results[1])
      assert.same(module.refused_in("init_worker"), results[2])
      assert.same(all(NO_REQUEST, {
        get_source = false,
        get_raw_body = module.refused_in("header_filter").get_raw_body,
        set_raw_body = module.refused_in("header_filter").set_raw_body,
      }), results[3])
    end)

    it("the phases of a TLS handshake get the error of the phase check", function()
      local r = server:run { access = ([[
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", %d))
        assert(sock:sslhandshake())
        return hello_results, certificate_results
      ]]):format(server.ports.tls_port) }
      assert.same({ module.refused_in("client_hello"), module.refused_in("certificate") },
                  r.seen.access)
    end)

    it("a plain field ngx.ctx is read, also in init", function()
      local r = server:run { access = "return replaced_results" }
      assert.same({ module.refused_in("init_worker"), "exit" }, r.seen.access[1])
    end)
  end)
end)


hosts.nginx("in nginx,", {
  both_bindings = true, init = FAILS .. [[
  local response = require "kong.response"
  local function calls()
]] .. ALL_CALLS .. [[
    return results
  end
  _G.init_results = calls()
]],
}, function(server)
  describe("without a gateway,", function()
    it("the functions raise an error in init", function()
      assert.same({ all(NO_REQUEST) }, server:run({ access = "return init_results" }).seen.access)
    end)
  end)
end)
