-- The phases in which each function of `kong` works, and its errors in the other phases.

local testing = require "kong.response.testing"
local phases = require("kong.response.core").phases


local REQUEST = "rewrite, access, balancer, response, cluster_listener, header_filter, "
  .. "body_filter, log, error, admin_api"
local ROUTED = "access, response, header_filter, body_filter, log"
local CONNECT = "rewrite, access, balancer, preread"
local READ = "response, header_filter, body_filter, log, error, admin_api"
local WRITE = "rewrite, access, balancer, response, header_filter, error, admin_api"

-- The functions, by their phases. `-` stands for every phase except init_worker.
local FUNCTIONS = {
  [REQUEST] = [[
    request.get_scheme request.get_host request.get_forwarded_scheme request.get_forwarded_host
    request.get_forwarded_port request.get_forwarded_path request.get_forwarded_prefix
    request.get_http_version request.get_method request.get_path request.get_raw_path
    request.get_path_with_query request.get_raw_query request.get_query_arg request.get_query
    request.get_header request.get_headers request.get_start_time request.get_uri_captures
  ]],
  ["-"] = [[
    request.get_port client.get_ip client.get_forwarded_ip client.get_port
    client.get_forwarded_port
  ]],
  ["rewrite, access, response, error, admin_api"] = "request.get_raw_body request.get_body",
  [ROUTED] = [[
    client.get_credential client.get_consumer client.load_consumer client.get_protocol
    router.get_route router.get_service
  ]],
  ["access"] = [[
    client.authenticate service.set_upstream service.set_target_retry_callback
    service.set_retries service.set_timeouts
  ]],
  ["certificate"] = "client.tls.request_client_certificate client.tls.disable_session_reuse",
  ["rewrite, access, balancer, response"] = "client.tls.set_client_verify",
  ["rewrite, access, balancer, response, log"] = "client.tls.get_full_client_certificate_chain",
  [CONNECT] = [[
    service.set_target service.set_tls_cert_key service.set_tls_verify
    service.set_tls_verify_depth service.set_tls_verify_store
  ]],
  ["rewrite, access, balancer"] = [[
    service.request.enable_buffering service.request.set_scheme service.request.set_path
    service.request.set_header service.request.set_raw_body
  ]],
  ["rewrite, access"] = [[
    service.request.set_raw_query service.request.set_query service.request.clear_query_arg
    service.request.set_method service.request.add_header service.request.clear_header
    service.request.set_headers service.request.set_body
  ]],
  ["balancer, preread"] = "service.request.disable_tls service.request.enable_tls",
  ["response, header_filter, body_filter, log"] = [[
    service.response.get_status service.response.get_header service.response.get_headers
    service.response.get_raw_body service.response.get_body
  ]],
  [READ] = "response.get_status response.get_header response.get_headers response.get_source",
  [WRITE] = [[
    response.set_status response.set_header response.add_header response.set_headers
    response.clear_header response.exit response.error
  ]],
  ["body_filter"] = "response.get_raw_body response.set_raw_body",
  ["rewrite, access, response, header_filter, body_filter, log"] = "log.set_serialize_value",
  ["log"] = "log.serialize",
}

-- The functions that need no request.
local EVERYWHERE = {
  ["ip.is_trusted"] = true, ["nginx.get_statistics"] = true, ["nginx.get_subsystem"] = true,
  ["node.get_hostname"] = true, ["node.get_id"] = true, ["node.get_memory_stats"] = true,
  ["plugin.get_id"] = true, ["table.clear"] = true, ["table.merge"] = true, ["table.new"] = true,
  ["vault.get"] = true, ["vault.is_reference"] = true, ["vault.parse_reference"] = true,
  ["vault.try"] = true, ["vault.update"] = true,
}


-- Calls `check(name, code, allowed)` for each function.
local function each(check)
  for allowed, names in pairs(FUNCTIONS) do
    for name in names:gmatch("%S+") do
      check(name, assert(loadstring("return kong." .. name .. "()", "@plugin.lua")), allowed)
    end
  end
end


describe("the phases of kong:", function()
  it("each function works in its phases, and raises an error in the others", function()
    testing.run { strict = false, plugin = { access = function()
      local ctx = ngx.ctx
      each(function(name, code, allowed)
        local list = ", " .. allowed .. ","
        for phase, bit in pairs(phases) do
          ctx.KONG_PHASE = bit
          local _, err = pcall(code)
          ctx.KONG_PHASE = phases.access
          local refusal = tostring(err):match("function cannot be called in .*$")
          local expected
          if allowed == "-" then
            expected = phase == "init_worker" and "function cannot be called in init_worker phase "
              .. "(can be called in any phases except: init_worker)" or nil
          elseif not list:find(", " .. phase .. ",", 1, true) then
            expected = ("function cannot be called in %s phase (only in: %s)")
              :format(phase, allowed)
          end
          assert.equal(expected, refusal, name .. " in " .. phase)
        end
      end)
    end } }
  end)

  it("each function raises an error without a phase", function()
    testing.run { strict = false, plugin = { access = function()
      local ctx = ngx.ctx
      each(function(name, code, allowed)
        ctx.KONG_PHASE = nil
        local _, err = pcall(code)
        ctx.KONG_PHASE = phases.access
        local expected = "no phase in ngx.ctx.KONG_PHASE"
        if allowed ~= "-" then
          expected = expected .. ", (need one of " .. allowed .. ")"
        end
        assert.equal(expected, tostring(err):match("no phase .*$"), name)
      end)
    end } }
  end)

  it("every function is in this list", function()
    local listed = {}
    each(function(name)
      listed[name] = true
    end)
    local function check(part, path)
      for name, value in pairs(part) do
        if type(value) == "table" then
          check(value, path .. name .. ".")
        elseif type(value) == "function" then
          assert.is_true(listed[path .. name] or EVERYWHERE[path .. name], path .. name)
        end
      end
    end
    testing.run { plugin = { access = function()
      for _, name in ipairs {
        "client", "ip", "nginx", "node", "plugin", "request", "response", "router", "service",
        "table", "vault",
      } do
        check(kong[name], name .. ".")
      end
    end } }
  end)
end)
