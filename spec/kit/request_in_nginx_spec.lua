-- Plugins read the same values of a request in a test and in nginx.

local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"
local served = require "spec.support.served"


local TARGETS = {
  "/", "/a", "/a/", "/a//b", "//a", "/a/./b", "/a/.", "/a/../b", "/a/b/..", "/a/b/../", "/a/..b",
  "/a/.b", "/a/...", "/a//../b", "/%61dmin", "/a%20b", "/a+b", "/a%2Fb", "/a%2f..%2Fb",
  "/a/b/%2E%2e/c", "/a%3fb?c", "/a%23b", "/%25%32%35", "/a%C3%A9", "/a?b=%2F..",
  "/a?b?c", "/?", "/a;b=1/c", "/a%5Cb", "/a\\b",
}

local HOSTS = {
  "example.com", "Example.COM", "example.com:8080", "127.0.0.1:80", "[::1]:80", "[::1]",
}

local NAMES = {
  "uri", "request_uri", "args", "is_args", "query_string", "document_uri", "host", "http_host",
}


served.describe("the request of a test", function()
  return nginx.start {
    locations = [[
      location / {
        content_by_lua_block {
          local values = {}
          for name in ngx.var.http_names:gmatch("%S+") do
            values[#values + 1] = tostring(ngx.var[name])
          end
          ngx.say(table.concat(values, "\n"))
        }
      }
    ]],
  }
end, function(server)
  local function both(target, host)
    local names = table.concat(NAMES, " ")
    local connection = server:connect()
    local head = ("GET %s HTTP/1.0\r\nHost: %s\r\nNames: %s"):format(target, host, names)
    connection:send(head .. "\r\n\r\n")
    local real = connection:read { seconds = 2 }
    connection:close()

    local memory = {}
    testing.run {
      plugin = {
        access = function()
          for i, name in ipairs(NAMES) do
            memory[i] = tostring(ngx.var[name])
          end
        end,
      },
      request = { path = target, headers = { Host = host } },
    }
    return real:match("\r\n\r\n(.*)$"), table.concat(memory, "\n") .. "\n"
  end

  for _, target in ipairs(TARGETS) do
    it("has nginx's variables: " .. target, function()
      local real, memory = both(target, "example.com")
      assert.equal(real, memory)
    end)
  end

  for _, host in ipairs(HOSTS) do
    it("has nginx's host: " .. host, function()
      local real, memory = both("/", host)
      assert.equal(real, memory)
    end)
  end
end)
