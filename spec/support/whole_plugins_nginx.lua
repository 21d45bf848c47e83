--- Runs the scenarios of `whole_plugins.lua` in nginx, under the life cycle: with a server for each
-- scenario, two upstreams, and one server instead of all other services.

local cjson = require "cjson"
local described = require "spec.support.described"
local fields = require "kong.response.testing.fields"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

local assert = require "luassert"


local write_file = process.write_file

local DICTS = { "kong_idempotency", "kong_response_cache", "kong_rate_limits" }

local _M = {
  HOST = "shop.example",
  DICTS = DICTS,
}


-- The placeholders for ports in a scenario, for example "%{canary_port}".
local PORT = "^%%{%w+_port}$"


local grouped = described.grouped


local function source_of(value)
  return described.source_of(value, PORT)
end


local function answer_of(answer)
  return answer and {
    status = answer.status or 200, headers = grouped(answer.headers or {}),
    body = answer.body or "", fails = answer.failure ~= nil,
  }
end


local LISTS = [==[
package.path = "%{root}/spec/plugins/nginx/?.lua;%{root}/spec/plugins/?.lua;" .. package.path
require("resty.http").port = %{services_port}

local new = require("kong.response.lifecycle").new
local lists = {}
for i, scenario in ipairs(loadstring("return " .. [=[%{scenarios}]=])()) do
  local description = scenario.description or {}
  description.buffering = "/buffered"
  lists[i] = new(scenario.plugins, description)
end

function lists.forget()
  for _, name in ipairs { "kong_idempotency", "kong_response_cache", "kong_rate_limits" } do
    ngx.shared[name]:flush_all()
  end
  kong.cache:purge()
end

return lists
]==]

-- A file has the answers of the upstream and of the other servers. They note the requests that they
-- get.
local PEER = [==[
local cjson = require "cjson"
local _M = {}

local function note(kind)
  ngx.req.read_body()
  local file = assert(io.open("%{dir}/received", "ab"))
  file:write(cjson.encode {
    kind = kind, server = ngx.var.peer, method = ngx.req.get_method(), path = ngx.var.request_uri,
    url = "http://" .. ngx.var.http_host .. ngx.var.request_uri,
    headers = ngx.req.get_headers(0), body = ngx.req.get_body_data() or "",
  }, "\n")
  file:close()
end

local function send(answer)
  if not answer or answer.fails then
    return ngx.exit(444)
  end
  ngx.status = answer.status
  for _, header in ipairs(answer.headers) do
    ngx.header[header[1]] = header[2]
  end
  if type(answer.body) == "string" then
    if answer.status ~= 204 then
      ngx.header["Content-Length"] = #answer.body
    end
    ngx.print(answer.body)
  else
    for _, chunk in ipairs(answer.body) do
      ngx.print(chunk)
      ngx.flush(true)
    end
  end
end

function _M.upstream()
  note("upstream")
  return send(dofile("%{dir}/state.lua").upstream)
end

function _M.service()
  note("service")
  local url = "http://" .. ngx.var.http_host .. ngx.var.request_uri
  return send(dofile("%{dir}/state.lua").services[url])
end

return _M
]==]

local SERVER = [==[
upstream balanced_NUMBER {
  server 0.0.0.1;
  balancer_by_lua_block { require("lists")[NUMBER].balancer() }
}
server {
  listen 127.0.0.1:%{listNUMBER_port};
  header_filter_by_lua_block { require("lists")[NUMBER].header_filter() }
  body_filter_by_lua_block { require("lists")[NUMBER].body_filter() }
  log_by_lua_block { require("lists")[NUMBER].log() }
  error_page 502 504 /error_page;
  location / {
    set $upstream_scheme "";
    set $upstream_host "";
    set $upstream_uri "";
    rewrite_by_lua_block { require("lists")[NUMBER].rewrite() }
    access_by_lua_block { require("lists")[NUMBER].access() }
    proxy_pass http://UPSTREAM$upstream_uri;
    proxy_set_header Host $upstream_host;
  }
  location = /buffered {
    internal;
    proxy_pass http://UPSTREAM$upstream_uri;
    proxy_set_header Host $upstream_host;
    error_page 599 /never;
  }
  location = /error_page {
    internal;
    content_by_lua_block { require("lists")[NUMBER].error_page() }
  }
}
]==]


--- Starts nginx for a list of scenarios.
function _M.start(scenarios)
  local plain, servers = {}, {}
  for i, scenario in ipairs(scenarios) do
    plain[i] = { plugins = scenario.plugins, description = scenario.description }
    local has_balancer = (scenario.description or {}).balancer
    servers[i] = SERVER:gsub("UPSTREAM", has_balancer and "balanced_NUMBER"
                                         or "127.0.0.1:%%{upstream_port}")
                       :gsub("NUMBER", tostring(i))
  end
  local dicts = {}
  for i, name in ipairs(DICTS) do
    dicts[i] = ("lua_shared_dict %s 1m;"):format(name)
  end
  return nginx.start {
    http = table.concat(dicts, "\n") .. [[
      default_type "";
      proxy_http_version 1.1;
      lua_transform_underscores_in_response_headers off;
      init_worker_by_lua_block {
        for _, list in ipairs(require("lists")) do list.init_worker() end
      }
    ]],
    init = [[require "lists"]],
    files = {
      ["lists.lua"] = LISTS:gsub("%%{scenarios}", function() return source_of(plain) end),
      ["peer.lua"] = PEER,
    },
    locations = [[
      location = /forget { content_by_lua_block { require("lists").forget() ngx.print("done") } }
    ]],
    servers = table.concat(servers) .. [[
      server {
        listen 127.0.0.1:%{upstream_port};
        set $peer upstream;
        location / { content_by_lua_block { require("peer").upstream() } }
      }
      server {
        listen 127.0.0.1:%{canary_port};
        set $peer canary;
        location / { content_by_lua_block { require("peer").upstream() } }
      }
      server {
        listen 127.0.0.1:%{services_port};
        set $peer services;
        location / { content_by_lua_block { require("peer").service() } }
      }
    ]],
  }
end


local function lines_of(headers)
  -- Without the headers that curl adds.
  local lines = { "Host: " .. _M.HOST, "Accept:", "User-Agent:", "Content-Type:" }
  for _, header in ipairs(fields.headers(headers, "headers")) do
    for i = 2, #lines do
      if lines[i]:lower() == header[1]:lower() .. ":" then
        table.remove(lines, i)
        break
      end
    end
    lines[#lines + 1] = header[1] .. ": " .. header[2]
  end
  return lines
end


local function read_received(path)
  local upstream, services = nil, {}
  local file = io.open(path, "rb")
  if file then
    for line in file:lines() do
      local entry = cjson.decode(line)
      if entry.kind == "upstream" then
        upstream = entry
      else
        services[#services + 1] = entry
      end
    end
    file:close()
  end
  return upstream, services
end


--- Clears the state of the worker.
function _M.forget(server)
  assert.equal("done", server:get("/forget").body)
end


--- Returns the results of a step in nginx: `status`, `headers`, `body`, `upstream`, `services`,
-- `log`.
function _M.run(server, number, step)
  local services = {}
  for url, answer in pairs(step.services or {}) do
    services[url] = answer_of(answer)
  end
  local received = server.dir .. "/received"
  os.remove(received)
  write_file(server.dir .. "/state.lua", "return " .. source_of {
    upstream = answer_of(step.upstream), services = services,
  })
  server:clear_log()
  local request = step.request
  local response = server:request {
    port = "list" .. number .. "_port",
    path = request.path or "/", method = request.method, body = request.body,
    headers = lines_of(request.headers),
  }
  local expected = step.expect
  nginx.wait_until(3, function()
    local _, got = read_received(received)
    return #got >= #(expected.services or {})
           and (not expected.log or server:log():find(expected.log, 1, true))
  end)
  local upstream, got = read_received(received)
  return {
    status = response.status, headers = response.headers, body = response.body,
    upstream = upstream, services = got, log = server:log(),
  }
end


return _M
