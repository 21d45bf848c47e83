--- Sends requests on one connection. Checks the framing of each response, and that the next
-- response follows it.
--
--     local framing = require "spec.support.framing"
--     local server = framing.start()
--     local response, told = server:exchange({ access = "response.exit(200)" }, framing.CLIENTS[1])

local stages = require "spec.support.stages"
local wire = require "spec.support.wire"

local assert = require "luassert"


local concat = table.concat
local format = string.format


local SERVERS = [[
  server {
    listen 127.0.0.1:%{chunked_port};
    location / {
      content_by_lua_block {
        ngx.print("chunked ")
        ngx.flush(true)
        ngx.print("body")
      }
    }
    location = /204 { return 204; }
    location = /304 {
      content_by_lua_block { ngx.exit(304) }
    }
  }
]]

local LOCATIONS = [[
  error_page 410 500 /page;
  location = /page {
    return 200 "the configured page";
  }
  location /chunked {
    proxy_http_version 1.1;
    proxy_pass http://127.0.0.1:%{chunked_port}/;
  }
  location /static {
    return 200 "static";
  }
]]


local _M = {}


--- The responses of the routes without a plugin.
_M.BODY = {
  ["/"] = "content",
  ["/proxied"] = "upstream",
  ["/balanced"] = "upstream",
  ["/chunked"] = "chunked body",
  ["/static"] = "static",
}


_M.CLIENTS = {
  { method = "GET", version = "1.1" },
  { method = "HEAD", version = "1.1" },
  { method = "GET", version = "1.0", headers = { "Connection: keep-alive" } },
  { method = "GET", version = "1.0" },
}


--- Names that some parsers read as Transfer-Encoding, and values for them.
_M.CODING_NAMES = {
  "Transfer-Encoding", "transfer_encoding", "TRANSFER-encoding",
  "Transfer-Encoding ", " Transfer-Encoding", "Transfer-Encoding\t", "Transfer-Encoding:",
  "Transfer-Encoding\0", "\0Transfer-Encoding", "Transfer-Encoding\r", "\nTransfer-Encoding",
  "Transfer\11Encoding", "Transfer-Encoding\194\160", "X\r\nTransfer-Encoding",
}
_M.CODINGS = { "chunked", "identity", "gzip", "gzip, chunked", "chunked\r\n", "\11chunked", "x" }


--- Names that some parsers, but not nginx, read as Content-Length.
_M.LENGTH_NAMES = {
  "Content-Length ", " Content-Length", "Content-Length\t", "Content-Length:", "Content-Length\0",
  "\0Content-Length", "Content-Length\r", "\nContent-Length", "Content\0Length",
  "Content-Length\194\160", "X\r\nContent-Length",
}


--- Code with placeholders: N is the name of a header, V its value, and B a body, all as Lua source.
function _M.fill(code, name, value, body)
  return format("local N, V, B = %q, %q, %s ", name, value or "", body or "nil") .. code
end


--- Returns the body that a client gets.
function _M.body_for(client, body)
  return client.method == "HEAD" and "" or body
end


local function show(case, client)
  local lines = { format("%s HTTP/%s", client.method, client.version) }
  for name, value in pairs(case) do
    lines[#lines + 1] = name .. ": " .. value
  end
  return concat(lines, "\n")
end


--- Sends a case of `spec.support.stages` as `client`, and then another request. Returns the first
-- response, and a text for the message of a failure.
local function exchange(self, case, client)
  client = client or _M.CLIENTS[1]
  local told = show(case, client)
  local connection = self.framed or wire.connect(self)
  self.framed = nil
  connection:send(client.method, self:target(case), client)
  local response, err = connection:receive(client.method)
  if not response or response.close then
    connection:close()
    assert.is_nil(err, told)
    return response, told
  end
  assert.equal("", connection.rest, told)
  connection:send("GET", self:target { content = "ngx.print('second')" })
  local second
  second, err = connection:receive("GET")
  assert.is_nil(err, "behind " .. told)
  assert.equal("second", second.body, told)
  assert.equal("", connection.rest, told)
  if second.close then
    connection:close()
  else
    self.framed = connection
  end
  return response, told
end


function _M.start()
  local server = stages.start { servers = SERVERS, locations = LOCATIONS }
  server.exchange = exchange
  return server
end


return _M
