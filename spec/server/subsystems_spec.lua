local nginx = require "spec.support.nginx"


local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end


--- In one request: the functions for it, those for a stream in between, and those for it again.
local BETWEEN = [[
local stream_host = require "stream_host"
local response = require "kong.response"

local _M = {}

function _M.access()
  response.set_status(201)
  response.set_header("X-Before", "1")

  local names = {}
  local host = stream_host.run(function(of_stream)
    for name, call in pairs(of_stream) do
      if name ~= "exit" then
        local ok, err = pcall(call, "X-Stream", "1")
        names[#names + 1] = name .. " " .. tostring(ok) .. " " .. tostring(err)
      end
    end
    table.sort(names)
    of_stream.exit(403, { to = "the stream" })
  end)

  local delayed = { ctx = { delay_response = true } }
  stream_host.run(function(of_stream)
    coroutine.wrap(of_stream.exit)(502, "down")
    delayed.ctx.delayed_response_callback(delayed.ctx)
  end, delayed)

  response.set_header("X-After", "2")
  ngx.ctx.report = table.concat({
    host.sent[1], host.code, tostring(host.ctx.KONG_EXITED), delayed.logged[1][2], delayed.code,
    tostring(ngx.ctx.KONG_EXITED), tostring(ngx.headers_sent), table.concat(names, "\n"),
  }, "\n")
end

return _M
]]


it("the functions for streams do not change an HTTP request of the same process", function()
  nginx.once({
    files = {
      ["stream_host.lua"] = read(nginx.root .. "/spec/support/stream_host.lua"),
      ["between.lua"] = BETWEEN,
    },
    locations = [[
      location / {
        access_by_lua_block { require("between").access() }
        content_by_lua_block {
          ngx.ctx.KONG_EXITED = nil
          require("kong.response").exit(ngx.status, ngx.ctx.report)
        }
      }
    ]],
  }, function(server)
    local refused = {}
    for i, name in ipairs {
      "add_header", "clear_header", "error", "get_header", "get_headers", "get_raw_body",
      "get_source", "get_status", "set_header", "set_headers", "set_raw_body", "set_status",
    } do
      refused[i] = name .. " false API disabled in the current context"
    end

    for _ = 1, 2 do
      local r = server:get("/")
      assert.equal(201, r.status)
      assert.equal("1", r:header("X-Before"))
      assert.equal("2", r:header("X-After"))
      assert.is_nil(r:header("X-Stream"))
      assert.equal(table.concat({
        '{"to":"the stream"}', "403", "true",
        "unable to proxy stream connection, status: 502, err: down", "502",
        "nil", "false", table.concat(refused, "\n"),
      }, "\n"), r.body)
    end
    assert.not_matches("[error]", server:log(), 1, true)
  end)
end)
