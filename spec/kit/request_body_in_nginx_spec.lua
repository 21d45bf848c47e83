-- A plugin finds the same request body in a test and in nginx: in memory, or in a temporary file.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local states = require "spec.kit.fixtures.body_states"
local testing = require "kong.response.testing"


-- nginx's default is two memory pages.
local DEFAULT = 8192
local SMALL = 1000

local DO = { "nothing", "read", "set", "set_after_file", "arguments" }


local function handlers()
  return {
    rewrite = states.state,
    access = function()
      states.act(kong.request.get_header("X-Do"))
    end,
    header_filter = states.state,
    log = function()
      ngx.log(ngx.NOTICE, "told <<", states.finish(), ">>")
    end,
  }
end


-- How the client tells the length: the headers, and the body as it sends it.
local FRAMING = {
  length = function(body)
    return { ["Content-Length"] = #body }, body
  end,
  chunks = function(body)
    return { ["Transfer-Encoding"] = "chunked" },
           (body ~= "" and ("%x\r\n%s\r\n"):format(#body, body) or "") .. "0\r\n\r\n"
  end,
  none = function()
    return {}, ""
  end,
}


local function in_kit(path, act, body, framing)
  local headers = FRAMING[framing](body)
  headers["X-Do"] = act
  local result = testing.run {
    plugin = handlers(), gateway = false, strict = false,
    client_body_buffer_size = path == "/small" and SMALL or nil,
    request = { method = "POST", path = path, headers = headers, body = body },
  }
  return ("%d\n%s"):format(#result.upstream.request.body,
    result.log.notice[#result.log.notice]:match("told <<(.-)>>"))
end


local LOCATION = [[
  location = %s {
    %s
    rewrite_by_lua_block {
      require("body_states").state()
      ngx.log(ngx.NOTICE, "started")
    }
    access_by_lua_block { require("body_states").act(ngx.var.http_x_do) }
    proxy_pass http://127.0.0.1:%%{port}/upstream;
    header_filter_by_lua_block { require("body_states").state() }
    log_by_lua_block { ngx.log(ngx.NOTICE, "told <<", require("body_states").finish(), ">>") }
  }
]]


served.describe("the body of a request", function()
  return nginx.start {
    files = { ["body_states.lua"] = nginx.read("../kit/fixtures/body_states.lua") },
    locations = LOCATION:format("/default", "") .. LOCATION:format("/small",
      "client_body_buffer_size 1000;") .. [[
      location = /upstream {
        client_body_buffer_size 1m;
        content_by_lua_block {
          ngx.req.read_body()
          local size = tostring(#(ngx.req.get_body_data() or ""))
          ngx.header["Content-Length"] = #size
          ngx.print(size)
        }
      }
    ]],
  }
end, function(server)
  -- The head comes first: nginx reads a body that comes with it into the buffer of the head.
  local function in_nginx(path, act, body, framing)
    local headers, bytes = FRAMING[framing](body)
    local connection = server:connect()
    local head = ("POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Do: %s\r\n")
      :format(path, act)
    for name, value in pairs(headers) do
      head = head .. name .. ": " .. value .. "\r\n"
    end
    connection:send(head .. "\r\n")
    assert(server:wait_log("started"))
    connection:send(bytes)
    local answer = connection:read { seconds = 5 }
    connection:close()
    return answer:match("(%d+)[^%d]*$") .. "\n" .. server:wait_log("told <<(.-)>>")
  end

  local function same(path, act, body, framing)
    assert.equal(in_nginx(path, act, body, framing), in_kit(path, act, body, framing))
  end

  for path, limit in pairs { ["/default"] = DEFAULT, ["/small"] = SMALL } do
    for _, act in ipairs(DO) do
      for _, size in ipairs {
        0, 1, limit, limit + 1, limit + limit / 4 - 1, limit + limit / 4, 100000,
      } do
        for _, framing in ipairs { "length", "chunks" } do
          it(("is in memory or in a file: %s, %d bytes, %s, %s"):format(path, size, act, framing),
            function()
              same(path, act, ("b"):rep(size), framing)
            end)
        end
      end
    end
  end

  for _, act in ipairs(DO) do
    it("does not exist: " .. act, function()
      same("/default", act, "", "none")
    end)
  end
end)
