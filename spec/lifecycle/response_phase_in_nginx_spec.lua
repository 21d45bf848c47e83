--- The response phase under the life cycle: a subrequest asks the upstream, and headers may depend
-- on the body.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local PLUGIN = [==[
local Plugin = { PRIORITY = 10 }

local function arg(name)
  return kong.request.get_query_arg(name)
end

function Plugin:access()
  if arg("exit") == "access" then
    return kong.response.exit(403, "early")
  end
  kong.service.request.set_header("X-Access", "yes")
end

function Plugin:response(config)
  kong.ctx.shared.phase = ngx.get_phase()
  local body = kong.service.response.get_raw_body()
  kong.response.set_header("X-Length", #body)
  kong.response.set_header("X-Source", kong.response.get_source())
  kong.response.set_header("X-Service-Status", kong.service.response.get_status())
  kong.response.clear_header("X-Secret")
  if arg("exit") == "response" then
    return kong.response.exit(200, { was = body }, { ["X-Exit"] = "yes" })
  elseif arg("fail") then
    error("failed on purpose")
  end
  kong.response.set_header("X-First-Byte", body:sub(1, 1))
end

function Plugin:log()
  kong.log.warn("ended <", ngx.status, " ", kong.response.get_source(), " ",
    kong.ctx.shared.phase, " ", kong.service.response.get_status(), ">")
end

return Plugin
]==]

-- It runs after the other plugin, in the filters.
local FILTERS = [==[
local Plugin = { PRIORITY = 5 }

function Plugin:response()
  kong.response.set_header("X-Second", "yes")
end

return Plugin
]==]

local TAIL = [==[
local Plugin = { PRIORITY = 1 }

function Plugin:access()
  if kong.request.get_query_arg("buffer") then
    kong.service.request.enable_buffering()
  end
end

function Plugin:header_filter()
  kong.response.set_header("X-Tail", kong.response.get_source())
  local buffered = ngx.ctx.buffered_body
  kong.response.set_header("X-Buffered", buffered and #buffered or "no")
  kong.response.set_header("X-Upstream-Status", ngx.var.upstream_status or "none")
  for _, name in ipairs { "If-Match", "If-Unmodified-Since", "If-None-Match",
                          "If-Modified-Since" } do
    local value = kong.request.get_header(name)
    if value then
      kong.response.add_header("X-Condition", name .. ": " .. value)
    end
  end
end

function Plugin:body_filter()
  ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
end

return Plugin
]==]


local function start()
  return nginx.start {
    files = {
      ["kong/plugins/first/handler.lua"] = PLUGIN,
      ["kong/plugins/second/handler.lua"] = FILTERS,
      ["kong/plugins/tail/handler.lua"] = TAIL,
    },
    init = [[
      local new = require("kong.response.lifecycle").new
      both = new({ { plugin = "first" }, { plugin = "second" }, { plugin = "tail" } },
                 { buffering = "/buffered" })
      asked = new({ { plugin = "tail" } }, { buffering = "/buffered" })
    ]],
    locations = [[
      rewrite_by_lua_block { _G[ngx.var.life].rewrite() }
      header_filter_by_lua_block { _G[ngx.var.life].header_filter() }
      body_filter_by_lua_block { _G[ngx.var.life].body_filter() }
      log_by_lua_block { _G[ngx.var.life].log() }
      location / {
        set $upstream_uri "";
        set $life "both";
        error_page 412 /page;
        access_by_lua_block { both.access() }
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location /asked/ {
        set $upstream_uri "";
        set $life "asked";
        access_by_lua_block { asked.access() }
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /buffered {
        internal;
        proxy_http_version 1.1;
        proxy_read_timeout 1s;
        set $port %{upstream_port};
        if ($upstream_uri ~ "^/refused") { set $port %{refused_port}; }
        proxy_pass http://127.0.0.1:$port$upstream_uri;
      }
    ]],
    servers = [[
      server {
        listen 127.0.0.1:%{upstream_port};
        location / {
          content_by_lua_block {
            ngx.req.read_body()
            ngx.header["X-Secret"] = "secret"
            ngx.header["X-Two"] = { "a", "b" }
            ngx.print(ngx.req.get_method(), " ", ngx.var.request_uri, " ")
            ngx.print(ngx.var.http_x_access or "no access", " ", ngx.req.get_body_data() or "")
          }
        }
        location /tagged {
          content_by_lua_block {
            local condition
            for name, value in pairs(ngx.req.get_headers()) do
              if name:find("^if%-") then
                condition = value
                ngx.req.clear_header(name)
              end
            end
            ngx.header["ETag"] = '"2"'
            ngx.header["Last-Modified"] = "Sat, 28 Nov 2026 12:00:00 GMT"
            ngx.print("changed with ", condition)
          }
        }
        location /status/404 { add_header X_Score a always; return 404 "not here"; }
        location /status/204 { return 204; }
        location /length {
          content_by_lua_block {
            ngx.header["Content-Length"] = 5
            if ngx.req.get_method() ~= "HEAD" then ngx.print("hello") end
          }
        }
        location /cut {
          content_by_lua_block {
            ngx.header["Content-Length"] = 100
            ngx.print("half")
            ngx.flush(true)
            ngx.exit(ngx.ERROR)
          }
        }
      }
    ]],
  }
end


served.describe("the response phase", start, function(server)
  it("has the whole body, so headers can depend on it", function()
    local r = server:request { path = "/a%20b?q=1", method = "POST", body = "sent" }
    local body = "POST /a%20b?q=1 yes sent"
    assert.equal(200, r.status)
    assert.equal(body, r.body)
    for name, value in pairs {
      ["Transfer-Encoding"] = "chunked", ["X-Length"] = tostring(#body),
      ["X-First-Byte"] = "P", ["X-Source"] = "service", ["X-Service-Status"] = "200",
      ["X-Second"] = "yes", ["X-Tail"] = "service", ["X-Buffered"] = tostring(#body),
      ["X-Upstream-Status"] = "none", -- a subrequest has asked the upstream
    } do
      assert.same({ value }, r:values(name), name)
    end
    assert.same({ "a", "b" }, r:values("X-Two"))
    assert.same({}, r:values("X-Secret"))
    assert.same({}, r:values("Content-Length"))
    assert.is_truthy(server:wait_log("ended <200 service access 200>"))
  end)

  it("keeps the upstream's status and headers", function()
    local r = server:get("/status/404")
    assert.equal(404, r.status)
    assert.equal("not here", r.body)
    assert.same({ "8" }, r:values("Content-Length"))
    assert.same({ "a" }, r:values("X-Score"))
    assert.same({}, r:values("X_Score"))
    r = server:get("/status/204")
    assert.equal(204, r.status)
    assert.same({}, r:values("Content-Length"))
    r = server:request { path = "/length", method = "HEAD" }
    assert.equal(200, r.status)
    assert.same({ "5" }, r:values("Content-Length"))
    assert.equal("", r.body)
  end)

  it("keeps the connection to the client", function()
    local connection = server:connect("port")
    local head = "GET /length HTTP/1.1\r\nHost: localhost\r\n"
    connection:send(head .. "\r\n" .. head .. "Connection: close\r\n\r\n")
    local came, closed = connection:read()
    connection:close()
    assert.is_true(closed)
    assert.equal(2, select(2, came:gsub("Content%-Length: 5\r\n.-\r\n\r\nhello", "")))
  end)

  it("serves HTTP/1.0", function()
    local r = server:request { path = "/length", http_version = "1.0" }
    assert.equal("hello", r.body)
    assert.same({ "5" }, r:values("Content-Length"))
  end)

  it("leaves the conditions of the request to the upstream", function()
    for _, condition in ipairs {
      { "If-Match", '"1"' }, { "If-Unmodified-Since", "Fri, 27 Nov 2026 12:00:00 GMT" },
      { "If-None-Match", '"2"' }, { "If-Modified-Since", "Sat, 28 Nov 2026 12:00:00 GMT" },
    } do
      local name, value = condition[1], condition[2]
      local sent = name .. ": " .. value
      for _, method in ipairs { "GET", "PUT" } do
        local r = server:request { path = "/tagged", method = method, headers = { sent } }
        assert.equal(200, r.status, name)
        assert.equal("changed with " .. value, r.body)
        -- The header filters see the condition.
        assert.same({ sent }, r:values("X-Condition"))
      end
    end
    assert.is_nil(server:log():find("exited on signal", 1, true))
  end)

  it("ends with an exit, which keeps headers that were set", function()
    local r = server:get("/length?exit=response")
    assert.equal(200, r.status)
    assert.equal('{"was":"hello"}', r.body)
    assert.same({ "15" }, r:values("Content-Length"))
    assert.same({ "yes" }, r:values("X-Exit"))
    assert.same({ "5" }, r:values("X-Length"))
    assert.same({ "a" }, { r:values("X-Two")[1] or "a" })
    assert.same({}, r:values("X-Second"))
    assert.same({ "exit" }, r:values("X-Tail"))
    assert.is_truthy(server:wait_log("ended <200 exit access 200>"))
  end)

  it("does not run after an exit in access", function()
    local r = server:get("/length?exit=access")
    assert.equal(403, r.status)
    assert.equal("early", r.body)
    assert.same({}, r:values("X-Length"))
    assert.same({ "no" }, r:values("X-Buffered"))
  end)

  it("sends a 500 after a failure, without the upstream's headers", function()
    local r = server:get("/length?fail=1")
    assert.equal(500, r.status)
    assert.matches('"message":"An unexpected error occurred"', r.body)
    assert.same({}, r:values("X-Length"))
    assert.same({ "error" }, r:values("X-Tail"))
    assert.is_truthy(server:wait_log("handler%.lua:%d+: failed on purpose %(the response handler "
      .. 'of plugin "first" failed'))
  end)

  it("sends an error document if the upstream fails", function()
    local r = server:get("/refused")
    assert.equal(502, r.status)
    assert.matches('"message":"An invalid response was received from the upstream server"', r.body)
    assert.same({}, r:values("X-Length"))
    assert.same({ "error" }, r:values("X-Tail"))
    r = server:get("/cut")
    assert.equal(502, r.status)
    assert.same({}, r:values("X-Length"))
    assert.is_truthy(server:wait_log("ended <502 error nil 502>"))
  end)

  it("serves HTTP/2 if the module allows subrequests there, and refuses it otherwise", function()
    local r = server:request { path = "/length", http2 = true }
    if r.status == 200 then
      assert.equal("hello", r.body)
      assert.same({ "5" }, r:values("X-Length"))
    else
      assert.equal(500, r.status)
      assert.is_truthy(server:wait_log("http2 requests not supported yet %(the request to the "
        .. "upstream failed"))
    end
  end)

  it("is not needed for buffering the body on demand", function()
    local r = server:get("/asked/length?buffer=1")
    assert.equal("GET /asked/length?buffer=1 no access ", r.body)
    assert.same({ tostring(#r.body) }, r:values("X-Buffered"))
    r = server:get("/asked/length")
    assert.equal("GET /asked/length no access ", r.body)
    assert.same({ "no" }, r:values("X-Buffered"))
  end)
end)
