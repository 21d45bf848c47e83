--- Runs the scenarios of `spec/plugins/cases/`: whole plugins (handler and schema), in nginx under
-- the life cycle and in the test kit.
--
-- A scenario has `plugins`, a `description` of the gateway, and steps, which run in one worker. A
-- step has a `request` and an `upstream` in the test kit's format, `services` (the answers of other
-- servers, by URL), and the expected results:
--
--   status, body, json, message   of the answer; `message` is that of an error document
--   headers                       by name: a value, an array of values, or false for none
--   upstream                      what the upstream got, `method`, `path`, `headers`, `body` and
--                                 `json`, and which `server` it was, "upstream" or "canary"; false
--                                 if nothing
--   services                      what other servers got, in order; `has` are fields of a JSON body
--   log                           a text in the log
--
-- "%{upstream_port}" and "%{canary_port}" are the ports of the upstreams.

local cjson = require "cjson"
local documents = require "kong.response.json"
local in_nginx = require "spec.support.whole_plugins_nginx"
local testing = require "kong.response.testing"

local assert = require "luassert"
local busted = require "busted"


local PLUGINS = {
  "audit-log", "consumer-rate-limit", "cors", "header-router", "html-injector", "idempotency",
  "jwt-claims", "oidc-introspection", "request-firewall", "request-transformer", "response-cache",
  "xml-to-json",
}

local _M = {
  start = in_nginx.start,
  forget = in_nginx.forget,
  in_nginx = in_nginx.run,
}


--- Returns the scenarios of all plugins. `of` is the name of the plugin.
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


--- Adds the plugins to the paths of `require`, inside of a describe block.
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


-- Returns headers by name, like `ngx.req.get_headers`.
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


-- The ports of the upstreams in the test kit.
local PORTS = { ["%{upstream_port}"] = 8080, ["%{canary_port}"] = 8081 }


local function with_ports(value)
  if type(value) ~= "table" then
    return PORTS[value] or value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = with_ports(item)
  end
  return copy
end


--- Makes a `run` of the test kit for a scenario.
-- @tparam table scenario
-- @tparam[opt] boolean gateway false runs the plugins under the life cycle
function _M.worker(scenario, gateway)
  local description = scenario.description or {}
  return testing.worker {
    plugins = with_ports(scenario.plugins), shared = in_nginx.DICTS, gateway = gateway,
    route = description.route, service = with_ports(description.service),
  }
end


--- Returns the results of a step in the test kit. The fields are those of `in_nginx`.
function _M.in_memory(run, scenario, step)
  local description = scenario.description or {}
  local request = { host = in_nginx.HOST, client = {
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
      server = sent.port == PORTS["%{canary_port}"] and "canary" or "upstream",
      method = sent.method, path = sent.path, body = sent.body,
      headers = by_lower_name(sent.headers),
    },
  }
end


--- Returns an answer without the parts that always differ: the version of the server, times and
-- ids.
function _M.comparable(got)
  local list = {}
  for _, header in ipairs(got.headers) do
    if header[1] == "Server" or header[1] == "Age" then
      list[#list + 1] = header[1]
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
  for _, field in ipairs { "server", "method", "path", "url", "body" } do
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


--- Asserts that the results of a step are the expected ones.
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
