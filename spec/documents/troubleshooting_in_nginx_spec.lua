--- Each message of docs/troubleshooting.md is provoked: it has to be what users see.
-- `troubleshooting_at_the_start_in_nginx_spec.lua` provokes those of the first chapters, and
-- `messages_of_the_kit_spec.lua` the messages of the test kit.

local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local trees = require "spec.support.trees"
local troubleshooting = require "spec.support.troubleshooting"


local DOCUMENT = "docs/troubleshooting.md"

local BODY_CHANGED = [[
  function P:body_filter()
    local body = kong.response.get_raw_body()
    if body then kong.response.set_raw_body(%s) end
  end
]]

-- The plugin of each location.
local PLUGINS = {
  index_nil = 'function P:access() return kong.user.name end',
  close = 'function P:access() return kong.response.exit(444) end',
  short = BODY_CHANGED:format '"x"',
  shorter = BODY_CHANGED:format '"xy"',
  same = BODY_CHANGED:format 'body',
  -- nginx has sent the head and the first half when it fails
  fails_late = [[
    function P:header_filter() kong.response.clear_header("Content-Length") end
    function P:body_filter()
      ngx.ctx.seen = (ngx.ctx.seen or 0) + #(ngx.arg[1] or "")
      if ngx.ctx.seen > 300000 then error("no") end
    end
  ]],
  fails = 'function P:body_filter() error("no") end',
  json = BODY_CHANGED:format '(require "cjson").encode((require "cjson").decode(body))',
  json_kept = BODY_CHANGED:format
    '(require "kong.response.json").encode(require("kong.response.json").decode(body))',
  phase = 'function P:body_filter() kong.response.set_header("X-A", "b") end',
  sent = 'function P:access() ngx.say("a") ngx.flush(true) kong.response.set_status(201) end',
  encoded = 'function P:body_filter() ngx.arg[1] = nil kong.response.set_raw_body("espresso") end',
  undecodable = [[
    function P:body_filter() ngx.arg[1] = nil kong.response.set_raw_body("espresso") end
  ]],
  length = 'function P:access() kong.response.exit(200, "ab", { ["Content-Length"] = 3 }) end',
  early = 'function P:access() kong.response.set_header("Content-Length", 3) end',
  transfer = 'function P:access() kong.response.set_header("Transfer-Encoding", "x") end',
  upgrade = 'function P:access() kong.response.set_header("Upgrade", "x") end',
  connection = 'function P:access() kong.response.set_header("Connection", "close") end',
  range = 'function P:header_filter() return kong.response.exit(206, "x") end',
  interim = 'function P:access() return kong.response.exit(103, "x") end',
  grpc = 'function P:access() return kong.response.exit(200, { 1 }) end',
  path = 'function P:access() kong.service.request.set_path("/a%2Fb") end',
  limit = 'function P:body_filter() own.get_raw_body() end',
  dot = 'function P.access(config) return config.name.first end',
  prints = 'function P:access() ngx.print("few") error("no") end',
  not_gzip = BODY_CHANGED:format '"espresso"',
  unbuffered = 'function P:header_filter() kong.service.response.get_raw_body() end',
  code = 'function P:access() loadstring(ngx.unescape_uri(ngx.var.arg_code))() end',
}

-- The call that raises each error about an argument.
local WRONG_CALLS = {
  ["code must be a number"] = 'exit("401")',
  ["code must be a number between 100 and 599"] = "exit(1000)",
  ["body must be a nil, string or table"] = "exit(200, 42)",
  ["headers must be a nil or table"] = 'exit(401, nil, "X-Foo: a")',
  ["Cannot serialise <type>: type not supported"] = "exit(200, { print })",
  ["Cannot serialise number: must not be NaN or Infinity"] = "exit(200, { 0 / 0 })",
  ["Cannot serialise, excessive nesting (1001)"] = "exit(200, endless)",
  ["invalid header name <name>: got <type>, expected string"] = 'set_headers { "X-Foo: value" }',
  ["invalid header value for <name>: got <type>"] = 'set_header("X-Foo", print)',
}


local function start()
  local lists, locations = {}, {}
  for name, code in pairs(PLUGINS) do
    lists[#lists + 1] = ([[
      do
        local P = {}
        CODE
        _M.NAME = lifecycle.new { { plugin = P, name = "NAME" } }
      end
    ]]):gsub("%u%u%u%u", { CODE = code, NAME = name })
    locations[#locations + 1] = ([[
      location /NAME {
        rewrite_by_lua_block { require("lists").NAME.rewrite() }
        access_by_lua_block { require("lists").NAME.access() }
        proxy_pass http://127.0.0.1:%{upstream_port}/;
        header_filter_by_lua_block { require("lists").NAME.header_filter() }
        body_filter_by_lua_block { require("lists").NAME.body_filter() }
        log_by_lua_block { require("lists").NAME.log() }
      }
    ]]):gsub("NAME", name)
  end
  return nginx.start {
    init = 'require "lists"',
    files = {
      ["lists.lua"] = [[
        local lifecycle = require "kong.response.lifecycle"
        own = require("kong.response.instance").new { max_body_size = 4 }
        endless = {}
        endless[1] = endless
        local _M = {}
      ]] .. table.concat(lists) .. "return _M",
    },
    locations = table.concat(locations) .. [[
      location /bare {
        proxy_pass http://127.0.0.1:%{upstream_port}/;
        header_filter_by_lua_block { error("no") }
      }
      location /no_body_filter {
        proxy_pass http://127.0.0.1:%{upstream_port}/;
        header_filter_by_lua_block {
          ngx.ctx.KONG_PHASE = 0x200
          require("kong.response").exit(404, "no such coffee", { ["Content-Type"] = "text/plain" })
        }
      }
      location /no_phases {
        proxy_pass http://127.0.0.1:%{upstream_port}/;
        body_filter_by_lua_block {
          local ctx = kong.ctx
          kong.ctx = nil
          local _, message = pcall(function() kong.response.set_status(201) end)
          kong.ctx = ctx
          ngx.log(ngx.ERR, message)
        }
      }
      location /captured { return 200 captured; }
      location /captures {
        content_by_lua_block { ngx.print(ngx.location.capture("/captured").body) }
      }
      error_page 400 @error_page;
      location @error_page { return 400; }
      location /gunzip {
        gunzip on;
        proxy_pass http://127.0.0.1:%{port}/not_gzip/encoded;
      }
    ]],
    servers = [[
      server {
        listen 127.0.0.1:%{upstream_port};
        location = /array   { return 200 '{"items":[]}'; }
        location = /large   { content_by_lua_block { ngx.print(("x"):rep(1000000)) } }
        location = /encoded { add_header Content-Encoding gzip; return 200 "\37\213\10packed"; }
        location /          { return 200 "espresso"; }
      }
    ]],
  }
end


served.describe("docs/troubleshooting.md", start, function(server)
  local function curl(options, location, h2)
    local port = server.ports[h2 and "h2_port" or "port"]
    return trees.run(("curl -sS --max-time 2 %s %s http://127.0.0.1:%d/%s || true")
      :format(h2 and "--http2-prior-knowledge" or "", options, port, location))
  end

  -- Returns the log after a request.
  local function logged(options, location, h2)
    curl(options, location, h2)
    server:wait_log("client: ")
    return server:log()
  end

  -- Requests a location whose connection closes without a response. Returns the log.
  local function closed(location)
    assert.matches("curl: (52) Empty reply from server", curl("", location), 1, true)
    return server:log()
  end

  local PROVOKED = {
    ["lifecycle.access() was never called in this worker"] = function()
      local text
      nginx.once({
        init = [[
          lifecycle = require("kong.response.lifecycle").new {
            { plugin = { access = function() end }, name = "keys" },
          }
        ]],
        locations = [[
          log_by_lua_block { lifecycle.log() }
          location / { proxy_pass http://127.0.0.1:%{upstream_port}; }
        ]],
        servers = "server { listen 127.0.0.1:%{upstream_port}; return 200 espresso; }",
      }, function(own)
        own:get("/")
        own:wait_log("never called")
        text = own:log()
      end)
      return text
    end,
    ["empty URI in redirect to named location"] = function()
      local client = server:connect()
      client:send("COFFEE\r\n\r\n")
      client:read { seconds = 2, pattern = "</html>" }
      client:close()
      return server:log()
    end,
    ["http2 requests not supported yet"] = function()
      -- Later versions of lua-nginx-module have subrequests over HTTP/2.
      local shown = curl("", "captures", true)
      return shown == "captured" and "http2 requests not supported yet" or server:log()
    end,
    ["An unexpected error occurred"] = function()
      local shown = curl("", "index_nil/")
      local id = shown:match('"request_id":"(%x+)"')
      local line = server:wait_log("(%S+lists.lua:%d+: [^\n]+" .. id .. "%))")
      local own = line:gsub("^%S+lists.lua:%d+", "plugin.lua:12"):gsub('"index_nil"', '"demo"')
        :gsub(id, "331d05b345bc6ca5b0394b72f6fb47e5")
      assert.matches("`" .. own .. "`", documents.text(DOCUMENT), 1, true)
      return shown
    end,
    ["curl: (52) Empty reply from server"] = function()
      return curl("", "close/")
    end,
    ["failed to run header_filter_by_lua*"] = function()
      return closed("bare/")
    end,
    ["failed to run body_filter_by_lua*"] = function()
      return closed("fails/")
    end,
    ["inflate() failed"] = function()
      return closed("gunzip")
    end,
    ["exited on signal"] = function()
      local shown, text
      nginx.once({
        may_crash = true,
        locations = [[
          location / {
            content_by_lua_block { require("ffi").C.kill(ngx.worker.pid(), 11) }
          }
        ]],
        init = 'require("ffi").cdef "int kill(int, int);"',
      }, function(own)
        shown = trees.run(("curl -sS http://127.0.0.1:%d/ 2>&1 || true"):format(own.ports.port))
        own:wait_log("(exited on signal)")
        text = own:log()
      end)
      assert.matches("curl: (52) Empty reply from server", shown, 1, true)
      return text
    end,
    ["curl: (18) transfer closed with outstanding read data remaining"] = function()
      local shown = curl("-o /dev/null", "fails_late/large")
      assert.matches("failed to run body_filter_by_lua*", server:log(), 1, true)
      return shown
    end,
    ["curl: (18) transfer closed with <n> bytes remaining to read"] = function()
      local shown = curl("-H 'Connection: close'", "no_body_filter/")
      assert.matches("curl: (18) transfer closed with 6 bytes remaining to read", shown, 1, true)
      assert.matches("espresso", shown, 1, true)
      return curl("-H 'Connection: close'", "short/")
    end,
    ["curl: (28) Operation timed out after <n> milliseconds with <n> out of <n> bytes received"]
    = function()
      local shown = curl("", "no_body_filter/")
      assert.matches("with 8 out of 14 bytes received", shown, 1, true)
      assert.matches("espresso", shown, 1, true)
      return curl("", "short/")
    end,
    ["curl: (92) HTTP/2 stream 1 was not closed cleanly: PROTOCOL_ERROR (err 1)"] = function()
      local shown = curl("", "close/", true)
      assert.equal(shown, curl("", "short/", true))
      return shown
    end,
    ["curl: (92) HTTP/2 stream 1 was not closed cleanly: INTERNAL_ERROR (err 2)"] = function()
      return curl("", "fails/", true)
    end,
    ["curl: (61) Error while processing content unencoding: incorrect header check"] = function()
      return curl("--compressed", "undecodable/encoded")
    end,
    ["Expected value but found invalid token at character 1"] = function()
      local text = logged("-o /dev/null", "json/encoded")
      assert.matches("get_raw_body read a body with Content-Encoding: gzip", text, 1, true)
      local reason = select(2, require("kong.response.json").decode("\31\139\8packed"))
      assert.matches("`" .. reason .. "`", documents.text(DOCUMENT), 1, true)
      return text
    end,
    ['{"items":{}}'] = function()
      assert.equal('{"items":[]}', curl("", "json_kept/array"))
      return curl("", "json/array")
    end,
    ["function cannot be called in body_filter phase (only in: rewrite, access, balancer, response,"
      .. " header_filter, error, admin_api)"]
    = function()
      return logged("", "phase/")
    end,
    ["kong.service.request.set_path needs the variable $upstream_uri"] = function()
      return logged("", "path/")
    end,
    ["headers have already been sent"] = function()
      assert.matches("headers have already been sent", closed("prints/"), 1, true)
      server:clear_log()
      assert.matches("headers have already been sent", logged("", "no_phases/"), 1, true)
      server:clear_log()
      return logged("", "sent/")
    end,
    ["service body is only available with buffered proxying"] = function()
      return logged("", "unbuffered/")
    end,
    ["API disabled in the current context"] = function()
      local text
      nginx.once({
        init = 'kong = { response = require "kong.response" }',
        locations = [[
          location / {
            content_by_lua_block {
              ngx.timer.at(0, function() kong.response.get_status() end)
              ngx.say("started")
            }
          }
        ]],
      }, function(own)
        own:get("/")
        own:wait_log("API disabled")
        text = own:log()
      end)
      return text
    end,
    ["no phase in ngx.ctx.KONG_PHASE, (need one of response, header_filter, body_filter, log,"
      .. " error, admin_api)"]
    = function()
      return troubleshooting.by_hand('kong = { response = require "kong.response", ctx = {} }', "",
                     "header_filter_by_lua_block { kong.response.get_status() }")
    end,
    ["Content-Length: <m> was left in place, and set_raw_body made the body <n> bytes"] = function()
      -- once for each place in the code
      return logged("", "shorter/")
    end,
    ["get_raw_body read a body with Content-Encoding: gzip"] = function()
      return logged("-o /dev/null", "same/encoded")
    end,
    ["Content-Encoding: gzip was left in place, and set_raw_body replaced the body"] = function()
      return logged("-o /dev/null", "encoded/encoded")
    end,
    ["Content-Length <n> does not match the body's <m> bytes: corrected"] = function()
      return logged("", "length/")
    end,
    ["changing Content-Length before the response is made. Ignored."] = function()
      return logged("", "early/")
    end,
    ["manually setting Transfer-Encoding. Ignored."] = function()
      return logged("", "transfer/")
    end,
    ["setting <names>, which HTTP/2 and HTTP/3 forbid. Ignored."] = function()
      return logged("", "upgrade/", true)
    end,
    ["setting Connection to close or keep-alive, which nginx decides. Ignored."] = function()
      return logged("", "connection/")
    end,
    ["status <n> ends no response: 500 is sent"] = function()
      return logged("", "interim/")
    end,
    ["status 206 is sent with a whole body and no Content-Range"] = function()
      return logged("", "range/")
    end,
    ["body was removed because table body encoding with gRPC is not supported"] = function()
      return logged("-X POST -H 'Content-Type: application/grpc'", "grpc/", true)
    end,
    ["get_raw_body lets the body pass: body is larger than max_body_size (<n> bytes)"] = function()
      return logged("", "limit/")
    end,
  }

  it("gives a handler with a dot the plugin instead of its config", function()
    assert.matches("attempt to index field 'name' (a nil value)", logged("", "dot/"), 1, true)
  end)

  it("reports a wrong argument of a function that a plugin calls with a colon", function()
    local text = logged("-G --data-urlencode 'code=kong.response:exit(401)'", "code/")
    assert.matches("code must be a number", text, 1, true)
  end)

  for message, call in pairs(WRONG_CALLS) do
    PROVOKED[message] = function()
      return logged("-G --data-urlencode 'code=kong.response." .. call .. "'", "code/")
    end
  end

  troubleshooting.compare(PROVOKED, "My plugin does not run", "Messages of the test kit")
end)
