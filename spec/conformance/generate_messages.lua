--- Makes random requests of clients and responses of upstreams.

local _M = {}


--- Makes the request of a client.
function _M.request(g)
  local random = g.random
  local headers = {}
  local function add(name, value)
    headers[#headers + 1] = { name, value }
  end
  for _ = 1, random:once_in(2) and 1 or 0 do
    add(random:pick { "Accept", "accept" }, random:pick {
      "text/html", "text/plain", "application/xml;q=0.9, */*;q=0.1", "*/*", "text/*", "json",
      "image/png, text/html;q=0.9", "APPLICATION/JSON", "text/html;q=0", ";;,,q=", "",
      "text/plain;q=0.5, text/html;q=0.7",
    })
  end
  if random:once_in(8) then
    add("Accept", random:pick { "text/html", "application/xml" })
  end
  if random:once_in(5) then
    add("Content-Type", random:pick {
      "application/grpc", "application/json", "application/grpc+x", "application/grpc-web",
      "Application/gRPC-Web-text+proto",
    })
  end
  if random:once_in(12) then
    add("Connection", random:pick { "close", "keep-alive", "Keep-Alive", "CLOSE" })
  end
  if random:once_in(8) then
    add("If-None-Match", random:pick {
      "1", "2", '"1"', 'W/"1"', "x", "*", '"3", "1"', "W/1 , x", "1x", "", ",", '"1', "W/",
    })
  end
  if random:once_in(15) then
    add("If-Modified-Since", random:pick(g.DATES))
  end
  if random:once_in(12) then
    add("If-Match", random:pick {
      "1", "2", '"1"', 'W/"1"', "x", "*", '"3", "1"', "W/1 , x", "1x", "", ",", '"1',
    })
  end
  if random:once_in(15) then
    add("If-Unmodified-Since", random:pick(g.DATES))
  end
  if random:once_in(20) then
    add("Range", random:pick { "bytes=0-1", "bytes=-1", "bytes=1-", "bytes=9-", "x" })
  end
  if random:once_in(15) then
    add("User-Agent", random:pick { "curl/8", "Mozilla/5.0 (X11; rv:120.0) Gecko/20100101" })
  end
  return {
    method = random:weighted { { 16, "GET" }, { 3, "HEAD" }, { 2, "POST" }, { 1, "DELETE" } },
    version = random:once_in(12) and 1.0 or 1.1,
    headers = headers,
  }
end


--- Makes the answer of the upstream.
function _M.upstream(g)
  local random = g.random
  local headers = {}
  local function add(name, value)
    headers[#headers + 1] = { name, value }
  end
  for _ = 1, random:int(0, 6) do
    local name = random:pick {
      "X-A", "x-b", "X_Foo", "X-Foo", "x_b", "Set-Cookie", "Vary", "Server", "Date", "ETag",
      "E-Tag", "Content-Encoding", "Location", "Refresh", "Last-Modified", "Content-Range",
      "Accept-Ranges", "Digest", "Content-Digest", "Repr-Digest", "Content-MD5", "Trailer",
      "grpc-status", "grpc-message", "grpc-encoding",
      "WWW-Authenticate", "Expires", "Cache-Control", "Link", "Connection", "Keep-Alive",
      "X-Accel-Buffering", "X-Pad", "Status", "Content-Disposition", "Content-Type",
      "cache-control",
    }
    local folded = name:lower()
    local value = random:pick { "1", "up", "a b", "\195\169", "" }
    if folded == "last-modified" or folded == "expires" then
      value = random:pick(g.DATES)
    elseif folded == "location" then
      value = random:pick { "/up", "http://up/", "up" }
    elseif folded == "content-type" then
      value = random:pick {
        "text/html", "text/html; charset=utf-8", "a/b; x=y", 'text/css;charset="x"',
        "application/grpc", "application/grpc-web+proto",
      }
    elseif folded == "x-accel-buffering" then
      value = "yes"
    elseif folded == "connection" then
      value = "close"
    end
    add(name, value)
  end
  local status = random:pick { 200, 200, 200, 200, 204, 206, 301, 304, 404, 500, 503, 418, 201 }
  local body = random:pick { "", "upstream", "0123456789", ("up"):rep(300) }
  if status == 204 or status == 304 then
    body = ""
  end
  local framing = random:pick { "length", "length", "chunked", "close" }
  if framing == "length" and status ~= 204 and status ~= 304 then
    add(random:pick { "Content-Length", "content-length" }, tostring(#body))
  elseif framing == "chunked" and status ~= 204 and status ~= 304 then
    add("Transfer-Encoding", "chunked")
  end
  return { status = status, headers = headers, body = body }
end


return _M
