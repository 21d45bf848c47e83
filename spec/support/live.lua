--- A real nginx in which a plugin runs in one of two places: in a gateway, or in the life cycle
-- (`kong.response.lifecycle`). The gateway makes the functions with `kong.pdk.response`, and sends
-- `ctx.response_body` like a gateway: it sets `arg[1]` before `arg[2]`.
--
--     live.each("exit in header_filter", {}, function(server, place)
--       it("replaces the upstream's answer", function()
--         local r = server:ask {
--           path = "/coded",
--           upstream = "ngx.header.etag = 'x' ngx.print('upstream')",
--           header_filter = "response.exit(403, 'no')",
--         }
--         assert.equal(403, r.status)
--       end)
--     end)
--
-- A case has code for the phases, which sees `response`, code for the upstream, and the fields of
-- `server:request`. The code for `upstream` answers `/coded`, `/unbuffered`, `/cached` and
-- `/ranged`. The upstream of `grpc.lua` answers `/grpc`. `/page` has no upstream, and the upstream
-- of `/tunnel` accepts an upgrade. The code for `content` answers `/content`, and nginx itself
-- answers `/second`.

local lifecycle = require "spec.support.lifecycle"
local served = require "spec.support.served"
local stages = require "spec.support.stages"
local wire = require "spec.support.wire"

local assert = require "luassert"


local concat = table.concat

local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }

local HTTP = [[
  proxy_cache_path %{dir}/cache keys_zone=live:1m;
]]

local CODED = [[
  proxy_http_version 1.1;
  proxy_pass http://127.0.0.1:%{coded_port};
]]

local CACHED = [[
  proxy_cache live;
  proxy_cache_key $request_uri$http_case;
  proxy_cache_valid any 1m;
]] .. CODED

-- The directives of the proxied locations, by their paths.
local PROXIED = {
  ["/coded"] = CODED,
  ["/cached"] = CACHED,
  ["/ranged"] = "proxy_force_ranges on;" .. CACHED,
  ["/unbuffered"] = "proxy_buffering off;" .. CODED,
  ["/grpc"] = "grpc_pass grpc://127.0.0.1:%{grpc_port};",
  ["/tunnel"] = [[
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    proxy_pass http://127.0.0.1:%{tunnel_port};
  ]],
  -- The upstream refuses connections, and nginx answers with a page.
  ["/page"] = "error_page 502 /of_nginx?$args; proxy_pass http://127.0.0.1:%{refused_port};",
}

local PLAIN = [[
  location = /second {
    return 200 "second";
  }
  location = /of_nginx {
    internal;
    return 502 "the page";
  }
  location = /version {
    content_by_lua_block { ngx.print(ngx.config.ngx_lua_version) }
  }
]]

local UPSTREAM = [[
  server {
    listen 127.0.0.1:%{coded_port};
    location / {
      content_by_lua_block { CODE }
    }
  }
]]

-- An upstream that accepts an upgrade, sends first, returns all bytes that it gets, and logs them.
local TUNNEL = [[
  server {
    listen 127.0.0.1:%{tunnel_port};
    location / {
      content_by_lua_block {
        local socket = assert(ngx.req.socket(true))
        socket:settimeout(5000)
        assert(socket:send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
          .. "Connection: upgrade\r\n\r\nat once\n"))
        while true do
          local line, err = socket:receive()
          if not line then
            ngx.log(ngx.NOTICE, "the tunnel ended <<", err, ">>")
            return
          end
          ngx.log(ngx.NOTICE, "the tunnel got <<", line, ">>")
          socket:send("back: " .. line .. "\n")
        end
      }
    }
  }
]]

local GATEWAY_INIT = [[
  kong.response = require("kong.pdk.response").new(kong)
  package.loaded["kong.response"] = kong.response
]]

local GATEWAY_BODY_FILTER = [[
  if ngx.ctx.response_body then
    ngx.arg[1] = ngx.ctx.response_body
    ngx.arg[2] = true
  end
]]


local function locations_of(handlers)
  local blocks = { PLAIN }
  for path, directives in pairs(PROXIED) do
    blocks[#blocks + 1] = "location " .. path .. " {\n" .. handlers .. directives .. "\n}\n"
  end
  return concat(blocks)
end


local function settings_of(options, handlers, upstream_code)
  local settings = {}
  for name, value in pairs(options) do
    settings[name] = value
  end
  settings.http = HTTP .. (options.http or "")
  settings.locations = locations_of(handlers) .. (options.locations or "")
  settings.servers = UPSTREAM:gsub("CODE", (upstream_code:gsub("%%", "%%%%"))) .. TUNNEL
    .. (options.servers or "")
  return settings
end


local function copy(case)
  local request = {}
  for name, value in pairs(case) do
    request[name] = value
  end
  return request
end


--- Returns the request of a case for `server:request`.
local function prepared_for_gateway(self, case)
  local request = copy(case)
  request.body_filter = case.body_filter or GATEWAY_BODY_FILTER
  request.path = case.path or "/"
  request.path = self:target(request)
  return request
end


local function prepared_for_lifecycle(self, case)
  local handlers = {}
  for _, phase in ipairs(PHASES) do
    handlers[phase] = case[phase] and "local response = kong.response " .. case[phase]
  end
  local name = self:prepare {
    one = handlers,
    content = case.content and "local response = kong.response " .. case.content,
    upstream = case.upstream and case.upstream .. " return true",
  }
  local request = copy(case)
  request.headers = { name, unpack(case.headers or {}) }
  request.path = case.path or case.content and "/content" or "/coded"
  return request
end


local function ask(self, case)
  return self:request(self:prepared(case))
end


--- Sends a case and then another request on a connection of HTTP/1.x, as a strict client.
-- @tparam table case
-- @tparam table client `method`, `version`, `headers`
-- @treturn table the first response
local function exchange(self, case, client)
  local request = self:prepared(case)
  local connection = wire.connect(self)
  local headers = { unpack(request.headers or {}) }
  for _, line in ipairs(client.headers or {}) do
    headers[#headers + 1] = line
  end
  connection:send(client.method, request.path, { version = client.version, headers = headers })
  local response, err = connection:receive(client.method)
  if response and not response.close then
    err = connection.rest ~= "" and ("behind the response stands " .. connection.rest) or nil
    connection:send("GET", "/second")
    local second, err_of_second = connection:receive("GET")
    err = err or err_of_second or second.body ~= "second" and second.body or nil
  end
  connection:close()
  assert.is_nil(err)
  return response
end


local STARTS = {
  gateway = function(options)
    local settings = settings_of(options, "", [[ require("stages").run("upstream") ]])
    settings.gateway = true
    settings.init = GATEWAY_INIT .. (options.init or "")
    local server = stages.start(settings)
    server.prepared = prepared_for_gateway
    return server
  end,
  lifecycle = function(options)
    local server = lifecycle.start(settings_of(options, lifecycle.HANDLERS,
      [[ if require("plugins").run("upstream") == nil then ngx.print("upstream") end ]]))
    server.prepared = prepared_for_lifecycle
    return server
  end,
}


local _M = {
  --- Clients of HTTP/1.x for `server:exchange`.
  CLIENTS = {
    ["HTTP/1.1"] = { method = "GET", version = "1.1" },
    ["HTTP/1.1, HEAD"] = { method = "HEAD", version = "1.1" },
    ["HTTP/1.0, keep-alive"] = {
      method = "GET", version = "1.0", headers = { "Connection: keep-alive" },
    },
    ["HTTP/1.0"] = { method = "GET", version = "1.0" },
  },
}


--- Whether lua-nginx-module loses the end of a response that is set after an empty chunk.
function _M.loses_the_end(server)
  return tonumber(server:get("/version").body) < 10027
end


--- Starts a server.
-- @tparam string place `gateway` or `lifecycle`
-- @tparam table options those of `nginx.start`
function _M.start(place, options)
  local server = STARTS[place](options or {})
  server.ask, server.exchange = ask, exchange
  return server
end


--- Describes the cases in each place: `body(server, place)`.
function _M.each(name, options, body)
  for _, place in ipairs { "gateway", "lifecycle" } do
    local title = place == "gateway" and " in a gateway" or " through the life cycle"
    served.describe(name .. title, function()
      return _M.start(place, options)
    end, function(server)
      body(server, place)
    end)
  end
end


return _M
