-- The example plugins answer in nginx as they do in memory.

local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"


local KEYS = {
  ["key-of-alice"] = { name = "alice" },
  ["key-of-bob"] = { name = "bob", disabled = true },
}

local LISTS = {
  keys = {
    { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = KEYS } },
  },
  json = {
    {
      plugin = "examples.json-transform.plugin",
      config = { remove = { "internal" }, add = { served_by = "gateway" } },
    },
  },
  headers = {
    {
      plugin = "examples.security-headers.plugin",
      config = { headers = { ["Content-Security-Policy"] = "default-src 'self'" } },
    },
  },
}
LISTS.all = { LISTS.keys[1], LISTS.json[1], LISTS.headers[1] }

local UPSTREAMS = {
  text = { headers = { ["Content-Type"] = "text/plain", ["X-Powered-By"] = "PHP/5.3" },
           body = "espresso" },
  json = { headers = { ["Content-Type"] = "application/json", ETag = '"1"' },
           body = '{"internal":1}' },
  chunked = { headers = { ["Content-Type"] = "application/json", Vary = "Accept" },
              body = { '{"internal":{"ip"', ':"10.0.0.7"}}' } },
  broken = { headers = { ["Content-Type"] = "application/json" }, body = '{"internal":' },
  gzip = { headers = { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" },
           body = "\31\139\8\0\0\0\0\0" },
  framed = { headers = { ["Content-Type"] = "text/html", ["X-Frame-Options"] = "SAMEORIGIN" },
             body = "<p>" },
  nothing = { status = 204, headers = { ["X-AspNet-Version"] = "2.0" } },
  missing = { status = 404, headers = { ["Content-Type"] = "text/plain" }, body = "no coffee" },
  down = { failure = "refused" },
}

local REQUESTS = {
  { headers = { apikey = "key-of-alice" } },
  { headers = { apikey = "key-of-alice" }, method = "HEAD" },
  { headers = { apikey = "key-of-bob" } },
  { headers = { apikey = { "key-of-alice", "key-of-bob" } } },
  { headers = { apikey = "<b>", Accept = "text/html" } },
  { headers = { apikey = "wrong", Accept = "text/plain;q=0.5, application/xml" } },
  {},
}


local function source_of(value)
  if type(value) ~= "table" then
    return type(value) == "string" and (string.format("%q", value):gsub("\n", "n"))
      or tostring(value)
  end
  local items = {}
  for key, item in pairs(value) do
    items[#items + 1] = "[" .. source_of(key) .. "]=" .. source_of(item)
  end
  return "{" .. table.concat(items, ",") .. "}"
end


local function start()
  local locations = {}
  for name in pairs(LISTS) do
    locations[#locations + 1] = ([[
      location /NAME/ {
        rewrite_by_lua_block { require("lists").NAME.rewrite() }
        access_by_lua_block { require("lists").NAME.access() }
        set $list NAME;
        proxy_pass http://127.0.0.1:%{upstream_port}/;
        header_filter_by_lua_block { require("lists").NAME.header_filter() }
        body_filter_by_lua_block { require("lists").NAME.body_filter() }
        log_by_lua_block { require("lists").NAME.log() }
        error_page 502 504 /error_NAME;
      }
      location /NAME/down {
        rewrite_by_lua_block { require("lists").NAME.rewrite() }
        access_by_lua_block { require("lists").NAME.access() }
        proxy_pass http://127.0.0.1:%{refused_port};
        header_filter_by_lua_block { require("lists").NAME.header_filter() }
        body_filter_by_lua_block { require("lists").NAME.body_filter() }
        log_by_lua_block { require("lists").NAME.log() }
        error_page 502 504 /error_NAME;
      }
      location = /error_NAME {
        internal;
        content_by_lua_block { require("lists").NAME.error_page() }
        header_filter_by_lua_block { require("lists").NAME.header_filter() }
        body_filter_by_lua_block { require("lists").NAME.body_filter() }
        log_by_lua_block { require("lists").NAME.log() }
      }
    ]]):gsub("NAME", name):gsub("%s*set $list %w+;", "")
  end

  return nginx.start {
    http = [[
      default_type "";
      proxy_http_version 1.1;
      lua_transform_underscores_in_response_headers off;
    ]],
    files = {
      ["upstreams.lua"] = "return " .. source_of(UPSTREAMS),
      ["lists.lua"] = [[
        package.path = "%{root}/?.lua;" .. package.path
        local lists = ]] .. source_of(LISTS) .. [[

        local lifecycle = require "kong.response.lifecycle"
        for name, list in pairs(lists) do
          for i, entry in ipairs(list) do
            list[i] = { plugin = require(entry.plugin), config = entry.config }
          end
        end
        for name, list in pairs(lists) do
          lists[name] = lifecycle.new(list)
        end
        return lists
      ]],
    },
    init = [[require "lists"]],
    locations = table.concat(locations),
    servers = [[
      server {
        listen 127.0.0.1:%{upstream_port};
        location / {
          content_by_lua_block {
            local answer = require("upstreams")[ngx.var.uri:sub(2)]
            ngx.status = answer.status or 200
            for name, value in pairs(answer.headers) do
              ngx.header[name] = value
            end
            if type(answer.body) == "string" then
              ngx.header["Content-Length"] = #answer.body
            end
            if answer.body then
              ngx.print(answer.body)
            end
          }
        }
      }
    ]],
  }
end


-- What differs for good reason: the version of nginx, the date, and a request's id.
local function comparable(status, headers, body)
  local list = {}
  for _, header in ipairs(headers) do
    if header[1] == "Server" then
      list[#list + 1] = "Server"
    elseif header[1] ~= "Date" then
      list[#list + 1] = header[1] .. ": " .. header[2]
    end
  end
  return { status, list, (body:gsub("%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x+", "<id>")) }
end


describe("the examples", function()
  local server

  setup(function()
    server = start()
  end)

  teardown(function()
    server:stop()
  end)

  for list, plugins in pairs(LISTS) do
    for name, upstream in pairs(UPSTREAMS) do
      it("answer in nginx as in memory: " .. list .. ", " .. name, function()
        for i, request in ipairs(REQUESTS) do
          local lines = {}
          for header, values in pairs(request.headers or {}) do
            for _, value in ipairs(type(values) == "table" and values or { values }) do
              lines[#lines + 1] = header .. ": " .. value
            end
          end
          local real = server:request {
            path = "/" .. list .. "/" .. name, method = request.method, headers = lines,
          }
          local memory = testing.run {
            plugins = plugins,
            request = { path = "/", method = request.method, headers = request.headers },
            upstream = upstream,
          }
          assert.same(comparable(real.status, real.headers, real.body),
            comparable(memory.status, memory.headers, memory.body), "request " .. i)
        end
      end)
    end
  end
end)
