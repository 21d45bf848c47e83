--- Runs plugins in a real nginx with the life cycle, and in memory with the test kit.

local described = require "spec.support.described"
local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"


local _M = {}


local source_of = described.source_of


-- Sorts the headers like the test kit.
local function in_order(upstreams)
  local list = {}
  for name, upstream in pairs(upstreams) do
    list[name] = { status = upstream.status, headers = described.grouped(upstream.headers),
                   body = upstream.body }
  end
  return list
end


--- Starts a server with a location for each list of plugins: `/<list>/<upstream>` asks that
-- upstream through them.
-- @tparam table lists of `{ plugin = "module", config = {} }`
-- @tparam table upstreams in the format of `kong.response.testing`
-- @tparam[opt] table options `init`: Lua that runs before the plugins are loaded
function _M.start(lists, upstreams, options)
  local locations = {}
  for name in pairs(lists) do
    locations[#locations + 1] = ([[
      location /NAME/ {
        rewrite_by_lua_block { require("lists").NAME.rewrite() }
        access_by_lua_block { require("lists").NAME.access() }
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
    ]]):gsub("NAME", name)
  end

  return nginx.start {
    http = [[
      default_type "";
      proxy_http_version 1.1;
      lua_transform_underscores_in_response_headers off;
      lua_shared_dict rate_limit 1m;
      # for hundreds of headers
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
    ]],
    files = {
      ["upstreams.lua"] = "return " .. source_of(in_order(upstreams)),
      ["lists.lua"] = [[
        package.path = "%{root}/?.lua;" .. package.path
        ]] .. (options and options.init or "") .. [[

        local lists = ]] .. source_of(lists) .. [[

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
            for _, header in ipairs(answer.headers) do
              local name, values = unpack(header)
              ngx.header[name] = values
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


-- Headers that always differ: they have the version of nginx, the date, or a request id.
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


local function lines_of(headers)
  local lines = {}
  for name, values in pairs(headers or {}) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  return lines
end


--- Returns the response of nginx, and the result in memory.
-- @tparam table server a result of `start`
-- @tparam table case `list`, `upstream` (names), `request`, `services` (as for the test kit)
-- @treturn table the response of nginx
-- @treturn table the result in memory
function _M.both(server, lists, upstreams, case)
  local request = case.request or {}
  local real = server:request {
    path = "/" .. case.list .. "/" .. case.upstream,
    method = request.method,
    headers = lines_of(request.headers),
    http2 = request.http_version == 2,
  }
  local memory = testing.run {
    strict = false,
    plugins = lists[case.list],
    request = {
      path = "/", method = request.method, headers = request.headers,
      http_version = request.http_version,
    },
    upstream = upstreams[case.upstream],
    ngx = case.ngx,
    services = case.services,
  }
  return real, memory
end


--- Returns a response without the parts that always differ.
function _M.comparable(response)
  return comparable(response.status, response.headers, response.body)
end


return _M
