--- Runs whole plugins, handler and schema, in nginx under the life cycle and in the test kit: the
-- scenarios of `spec/plugins/cases/`.
--
-- A scenario has `plugins`, a `description` of the gateway, and steps, which share what the worker
-- keeps. A step has a `request` and an `upstream`, as the test kit describes them, `services` (what
-- other servers answer, by URL) and what is expected:
--
--   status, body, json, message   of the answer; `message` is that of an error document
--   headers                       by name: a value, an array of values, or false for none
--   upstream                      what the upstream got, `method`, `path`, `headers`, `body` and
--                                 `json`; false if nothing
--   services                      what other servers got, in order; `has` are fields of a JSON body
--   log                           a text in the log

local cjson = require "cjson"
local documents = require "kong.response.json"
local fields = require "kong.response.testing.fields"
local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"
local process = require "spec.support.process"

local assert = require "luassert"
local busted = require "busted"


local write_file = process.write_file

local HOST = "shop.example"

local PLUGINS = {
  "audit-log", "consumer-rate-limit", "cors", "header-router", "html-injector", "idempotency",
  "jwt-claims", "oidc-introspection", "request-firewall", "request-transformer", "response-cache",
  "xml-to-json",
}

local DICTS = { "kong_idempotency", "kong_response_cache", "kong_rate_limits" }

local _M = {
  DICTS = DICTS,
}


--- The scenarios of all plugins; `of` is the plugin's name.
function _M.scenarios()
  local scenarios = {}
  for _, name in ipairs(PLUGINS) do
    for _, scenario in ipairs(dofile("spec/plugins/cases/" .. name .. ".lua")) do
      scenario.of = name
      scenarios[#scenarios + 1] = scenario
    end
  end
  return scenarios
end


--- Lets `require` find the plugins, inside of a describe block.
function _M.on_path()
  local path
  busted.setup(function()
    path = package.path
    package.path = "./spec/plugins/?.lua;" .. path
  end)
  busted.teardown(function()
    package.path = path
  end)
end


local function source_of(value)
  if type(value) == "string" then
    return (string.format("%q", value):gsub("\n", "n"))
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local items = {}
  for key, item in pairs(value) do
    items[#items + 1] = "[" .. source_of(key) .. "]=" .. source_of(item)
  end
  return "{" .. table.concat(items, ",") .. "}"
end


-- Headers in the order of the test kit; those of one name are one entry.
local function grouped(headers)
  local list, places = {}, {}
  for _, header in ipairs(fields.headers(headers, "headers")) do
    local place = places[header[1]]
    if not place then
      place = { header[1], {} }
      places[header[1]] = place
      list[#list + 1] = place
    end
    table.insert(place[2], header[2])
  end
  return list
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

-- The upstream and the other servers answer what a file says, and note what they get.
local PEER = [==[
local cjson = require "cjson"
local _M = {}

local function note(kind)
  ngx.req.read_body()
  local file = assert(io.open("%{dir}/received", "ab"))
  file:write(cjson.encode {
    kind = kind, method = ngx.req.get_method(), path = ngx.var.request_uri,
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
    proxy_pass http://127.0.0.1:%{upstream_port}$upstream_uri;
    proxy_set_header Host $upstream_host;
  }
  location = /buffered {
    internal;
    proxy_pass http://127.0.0.1:%{upstream_port}$upstream_uri;
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
    servers[i] = SERVER:gsub("NUMBER", tostring(i))
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
        location / { content_by_lua_block { require("peer").upstream() } }
      }
      server {
        listen 127.0.0.1:%{services_port};
        location / { content_by_lua_block { require("peer").service() } }
      }
    ]],
  }
end


local function lines_of(headers)
  -- Not those of curl.
  local lines = { "Host: " .. HOST, "Accept:", "User-Agent:", "Content-Type:" }
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


--- Forgets what the worker keeps.
function _M.forget(server)
  assert.equal("done", server:get("/forget").body)
end


--- What came of a step in nginx: `status`, `headers`, `body`, `upstream`, `services`, `log`.
function _M.in_nginx(server, number, step)
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


-- Headers by name, as `ngx.req.get_headers` has them.
local function by_lower_name(headers)
  local named = {}
  for name, value in pairs(headers) do
    if type(name) == "number" then
      name, value = value[1], value[2]
    end
    name = name:lower()
    if named[name] == nil then
      named[name] = value
    elseif type(named[name]) == "table" then
      table.insert(named[name], value)
    else
      named[name] = { named[name], value }
    end
  end
  return named
end


--- A `run` of the test kit for a scenario.
-- @tparam table scenario
-- @tparam[opt] boolean gateway false for what the life cycle gives
function _M.worker(scenario, gateway)
  local description = scenario.description or {}
  return testing.worker {
    plugins = scenario.plugins, shared = DICTS, gateway = gateway,
    route = description.route, service = description.service,
  }
end


--- What came of a step in the test kit; the fields are those of `in_nginx`.
function _M.in_memory(run, scenario, step)
  local description = scenario.description or {}
  local request = { host = HOST, client = {
    consumer = description.consumer, credential = description.credential,
  } }
  for name, value in pairs(step.request) do
    request[name] = value
  end
  local services = {}
  for url, answer in pairs(step.services or {}) do
    services[url] = { status = answer.status, headers = answer.headers, body = answer.body }
  end
  local result = run { request = request, upstream = step.upstream, services = services }
  local lines = {}
  for _, line in ipairs(result.log) do
    lines[#lines + 1] = "[" .. line.level .. "] " .. line.message
  end
  local calls = {}
  for i, call in ipairs(result.services) do
    calls[i] = {
      method = call.method, url = call.url, body = call.body,
      headers = by_lower_name(call.headers),
    }
  end
  local sent = result.upstream.request
  return {
    status = result.status, headers = result.headers, body = result.body, services = calls,
    log = table.concat(lines, "\n"),
    upstream = sent and {
      method = sent.method, path = sent.path, body = sent.body,
      headers = by_lower_name(sent.headers),
    },
  }
end


--- An answer without what differs for good reason: the server's version, dates and ids.
function _M.comparable(got)
  local list = {}
  for _, header in ipairs(got.headers) do
    if header[1] == "Server" then
      list[#list + 1] = "Server"
    elseif header[1] ~= "Date" and header[1] ~= "Connection" then
      list[#list + 1] = header[1] .. ": " .. header[2]
    end
  end
  table.sort(list)
  -- cjson writes the fields of an object in any order.
  local body = got.body:gsub(("%x"):rep(32), "<id>")
  local value = documents.decode(body)
  return { got.status, list, value == nil and body or value }
end


local function values_of(headers, name)
  local values = {}
  for _, header in ipairs(headers) do
    if header[1]:lower() == name:lower() then
      values[#values + 1] = header[2]
    end
  end
  return values
end


local function get(value, path)
  for name in path:gmatch("[^.]+") do
    if type(value) ~= "table" then
      return nil
    end
    value = value[tonumber(name) or name]
  end
  return value
end


local function check_request(expected, got)
  for _, field in ipairs { "method", "path", "url", "body" } do
    if expected[field] then
      assert.equal(expected[field], got[field], field .. " of a request")
    end
  end
  for name, value in pairs(expected.headers or {}) do
    assert.same(value or nil, got.headers[name], "header of a request: " .. name)
  end
  if expected.json then
    assert.same(expected.json, cjson.decode(got.body))
  end
  local document = expected.has and cjson.decode(got.body)
  for path, value in pairs(expected.has or {}) do
    assert.equal(value, get(document, path), "field of a request's body: " .. path)
  end
end


--- Asserts that what came of a step is what is expected of it.
function _M.check(expected, got)
  assert.equal(expected.status, got.status, got.body .. "\n" .. got.log)
  if expected.body then
    assert.equal(expected.body, got.body)
  end
  if expected.json then
    assert.same(expected.json, (documents.decode(got.body)))
  end
  if expected.message then
    assert.equal(expected.message, (documents.decode(got.body) or {}).message)
  end
  for name, value in pairs(expected.headers or {}) do
    local values = value == false and {} or type(value) == "table" and value or { value }
    assert.same(values, values_of(got.headers, name), "header " .. name)
  end
  if expected.upstream == false then
    assert.is_nil(got.upstream)
  elseif expected.upstream then
    assert.is_table(got.upstream, got.log)
    check_request(expected.upstream, got.upstream)
  end
  if expected.services then
    assert.equal(#expected.services, #got.services, "number of calls to other servers")
    for i, request in ipairs(expected.services) do
      check_request(request, got.services[i])
    end
  end
  if expected.log then
    assert.is_truthy(got.log:find(expected.log, 1, true),
                     expected.log .. " in the log:\n" .. got.log)
  end
end


return _M
