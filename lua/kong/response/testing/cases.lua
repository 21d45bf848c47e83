--- Checks the fields of a case: their types, and the tables that describe the surroundings of the
-- plugin.

local fields = require "kong.response.testing.fields"
local ip = require "kong.response.pdk.ip"
local json = require "kong.response.json"
local names = require "kong.response.names"


local error = error
local find = string.find
local fmt = string.format
local pairs = pairs
local tostring = tostring
local type = type


local FIELDS = {
  plugin = "",
  plugins = "table",
  config = "table",
  name = "string",
  schema = "table string",
  row = "table",
  request = "table",
  upstream = "table",
  configuration = "table",
  default_type = "string",
  client_body_buffer_size = "number",
  kong = "table",
  ngx = "table",
  strict = "boolean",
  gateway = "boolean",
  clock = "number",
  shared = "table",
  services = "table",
  modules = "table",
  nginx_version = "string",
  route = "table",
  service = "table",
  consumers = "table",
  upstreams = "table",
  node = "table",
  version = "string",
}

-- The fields of a gateway's objects that plugins read. Other fields are possible.
local OBJECTS = {
  route = {
    id = "string", name = "string", protocols = "table", methods = "table", hosts = "table",
    paths = "table", headers = "table", tags = "table", snis = "table", preserve_host = "boolean",
    strip_path = "boolean",
  },
  service = {
    id = "string", name = "string", protocol = "string", host = "string", port = "number",
    path = "string", retries = "number", connect_timeout = "number", write_timeout = "number",
    read_timeout = "number", tags = "table",
  },
  consumer = { id = "string", username = "string", custom_id = "string", tags = "table" },
  node = { id = "string", hostname = "string" },
  configuration = {
    error_template_json = "string", error_template_html = "string", error_template_xml = "string",
    error_template_plain = "string", trusted_ips = "table", host_ports = "table",
    lua_max_uri_args = "number", lua_max_post_args = "number", lua_max_req_headers = "number",
    lua_max_resp_headers = "number",
  },
}

-- The fields of the answer of another service.
local ANSWER = { status = "number", headers = "table", body = "string", reason = "string" }

local _M = {}


--- Checks a gateway's object: the types of known fields, and the spelling of others.
-- @tparam string kind a key of `OBJECTS`
-- @tparam string what the name of the object in errors
function _M.check_object(value, kind, what)
  local known = OBJECTS[kind]
  if type(value) ~= "table" then
    error(fmt("%s must be a table, got %s", what, type(value)), 0)
  end
  for name, field in pairs(value) do
    local expected = known[name]
    local meant = not expected and type(name) == "string" and names.nearest(name, known)
    if meant then
      error(fmt("unknown field %q of %s: did you mean %q?", name, what, meant), 0)
    elseif expected and type(field) ~= expected and field ~= json.null then
      error(fmt("%s.%s must be a %s, got %s", what, name, expected, type(field)), 0)
    end
  end
end


--- Checks the answer of another service.
function _M.check_answer(answer, what)
  fields.check(answer, ANSWER, what)
  local status = answer.status or 200
  if not (status >= 100 and status <= 599 and status % 1 == 0) then
    error(fmt("%s.status must be a whole number from 100 to 599, got %s", what, tostring(status)),
          0)
  end
  fields.headers(answer.headers, what .. ".headers")
end


local function check_list(list, what, check)
  local key = fields.stray_key(list)
  if key then
    error(fmt("%s must be a list, got a table with the key %s", what, key), 0)
  end
  for i = 1, #list do
    check(list[i], fmt("%s[%d]", what, i))
  end
end


-- Checks of the fields, by name.
local CHECKS = {}


function CHECKS.plugins(plugins)
  check_list(plugins, "plugins", function() end)
end


function CHECKS.clock(clock)
  if not (clock >= 0 and clock < 1 / 0) then
    error(fmt("clock must be a number of seconds since 1970, got %s", tostring(clock)), 0)
  end
end


function CHECKS.client_body_buffer_size(size)
  if not (size >= 1 and size < 1 / 0 and size % 1 == 0) then
    error(fmt("client_body_buffer_size must be a whole number of bytes, got %s", tostring(size)), 0)
  end
end


function CHECKS.services(services)
  for name, answer in pairs(services) do
    if type(name) ~= "string" or not find(name, "^/") and not find(name, "^%a[%w+.-]*://") then
      error(fmt("services must have URLs, or paths of locations, as names, got %s",
                type(name) == "string" and fmt("%q", name) or type(name)), 0)
    end
    local what = fmt("services[%q]", name)
    if type(answer) ~= "table" and type(answer) ~= "function" then
      error(fmt("%s must be a response or a function, got %s", what, type(answer)), 0)
    elseif type(answer) == "table" then
      _M.check_answer(answer, what)
    end
  end
end


function CHECKS.modules(modules)
  for name, module in pairs(modules) do
    if type(name) ~= "string" then
      error(fmt("modules must have the names of modules, got %s", type(name)), 0)
    elseif module == false then
      error(fmt("modules[%q] must not be false: `require` takes it for no module", name), 0)
    end
  end
end


function CHECKS.nginx_version(version)
  if not find(version, "^%d+%.%d+$") and not find(version, "^%d+%.%d+%.%d+$") then
    error(fmt("nginx_version must be a version such as \"1.27.1\", got %q", version), 0)
  end
end


function CHECKS.version(version)
  if not find(version, "^%d+%.%d+") then
    error(fmt("version must be a version such as \"3.9.0\", got %q", version), 0)
  end
end


for _, kind in pairs { "route", "service", "node" } do
  CHECKS[kind] = function(value)
    _M.check_object(value, kind, kind)
  end
end


function CHECKS.consumers(consumers)
  check_list(consumers, "consumers", function(consumer, what)
    _M.check_object(consumer, "consumer", what)
  end)
end


local function check_target(target, what)
  if type(target) ~= "string" or not find(target, "^.+:%d+$") then
    error(fmt("%s must be \"<address>:<port>\", got %s", what,
              type(target) == "string" and fmt("%q", target) or type(target)), 0)
  end
end


function CHECKS.upstreams(upstreams)
  for name, targets in pairs(upstreams) do
    local what = fmt("upstreams[%q]", tostring(name))
    if type(name) ~= "string" then
      error(fmt("upstreams must have the names of upstreams, got %s", type(name)), 0)
    elseif type(targets) ~= "table" then
      error(fmt("%s must be a list, got %s", what, type(targets)), 0)
    end
    check_list(targets, what, check_target)
  end
end


local function check_range(range, what)
  if type(range) ~= "string" or not ip.is_range(range) and range ~= "unix:" then
    error(fmt("%s must be an IP address or a range, got %s", what, tostring(range)), 0)
  end
end


function CHECKS.configuration(configuration)
  _M.check_object(configuration, "configuration", "configuration")
  check_list(configuration.trusted_ips or {}, "configuration.trusted_ips", check_range)
end


--- Checks the fields of a case, or of defaults.
-- @tparam table given
-- @tparam string what the name of the table in errors
-- @raise see `run` in types/kong/response/testing.lua and docs/testing.md
function _M.check(given, what)
  if type(given) == "table" and given.consumer ~= nil then
    error(fmt("unknown field \"consumer\" of %s: write request = { client = { consumer = ... } }",
              what), 0)
  end
  fields.check(given, FIELDS, what, "")
  for name, value in pairs(given) do
    local check = CHECKS[name]
    if check then
      check(value)
    end
  end
end


return _M
