--- The examples that answer a question: what a client of a real nginx gets, which is what the same
-- plugins answer in memory.

local examples = require "spec.support.examples"
local zlib = require "zlib"
local served = require "spec.support.served"


local SHOP = "https://shop.example"

local LISTS = {
  gunzip = { { plugin = "examples.gunzip.plugin", config = { max_size = 100000 } } },
  transform = {
    { plugin = "examples.json-transform.plugin", config = { remove = { "internal" } } },
    { plugin = "examples.gunzip.plugin", config = {} },
  },
  refuse = {
    { plugin = "examples.json-transform.plugin", config = { remove = { "internal" } } },
  },
  cors = {
    {
      plugin = "examples.cors.plugin",
      config = {
        origins = { SHOP }, methods = { "GET", "DELETE" }, headers = { "Content-Type", "apikey" },
        exposed_headers = { "X-Consumer", "X-Trace-Id" }, credentials = true, max_age = 600,
      },
    },
    { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {
      ["key-of-alice"] = { name = "alice" },
    } } },
  },
  limit = { { plugin = "examples.rate-limit.plugin", config = { limit = 1, window = 1e9 } } },
  grpc = {
    {
      plugin = "examples.grpc-guard.plugin",
      config = { tokens = { ["token-of-alice"] = "alice" } },
    },
  },
  errors = {
    {
      plugin = "examples.upstream-errors.plugin",
      config = { messages = { [503] = "We are back at <noon>" } },
    },
  },
  etag = {
    { plugin = "examples.not-modified.plugin", config = { version = "7", document = "espresso" } },
  },
  websocket = {
    { plugin = "examples.websocket-guard.plugin", config = { origins = { SHOP } } },
  },
  hop = { { plugin = "examples.hop-by-hop.plugin", config = { response = {
    status = 200, body = "espresso", headers = {
      Connection = "keep-alive, X-Hop", ["X-Hop"] = "1", ["Keep-Alive"] = "timeout=5",
      ["Transfer-Encoding"] = "chunked", ["Content-Length"] = "99", ["Set-Cookie"] = { "a", "b" },
    },
  } } } },
  check = { { plugin = "examples.large-body.plugin", config = {
    replace = "espresso", by = "100 %", max_size = 100,
  } } },
  headers = {
    {
      plugin = "examples.internal-headers.plugin",
      config = { prefix = "X-Internal-", shown = { ["X-Internal-Trace"] = "X-Trace-Id" } },
    },
  },
}

-- In nginx, the upstream's server also gives the answers of the auth service.
local SERVICES = {}
for _, name in ipairs { "verified", "rejected", "failing" } do
  local url = "http://auth.example/" .. name
  LISTS[name] = { { plugin = "examples.auth-service.plugin", config = { url = url } } }
  SERVICES[url] = name
end


local function gzip(text)
  return (zlib.deflate(9, 31)(text, "finish"))
end


-- Returns `count` headers. The last one is the trace.
local function many(count)
  local headers = {}
  for i = 1, count - 1 do
    headers[i] = { (i % 3 == 0 and "X-Public-" or "X-Internal-") .. i, tostring(i) }
  end
  headers[count] = { "X-Internal-Trace", "4711" }
  return headers
end


local JSON = { ["Content-Type"] = "application/json" }
local GZIP = { ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip", ETag = '"1"' }
local COFFEE = '{"internal":1,"name":"espresso"}'
local TRACE = "<pre>java.lang.NullPointerException</pre>"

local UPSTREAMS = {
  plain = { headers = JSON, body = COFFEE },
  packed = { headers = GZIP, body = gzip(COFFEE) },
  large = { headers = GZIP, body = gzip(('{"internal":1},'):rep(6000)) },
  bomb = { headers = GZIP, body = gzip(("x"):rep(10000000)) },
  failed = { status = 500, body = TRACE, headers = {
    ["Content-Type"] = "text/html", ETag = '"1"', ["Set-Cookie"] = "a=1",
  } },
  closed = { status = 503, body = { "java", ".lang" }, headers = { ["Retry-After"] = "120" } },
  grpc = { headers = { ["Content-Type"] = "application/grpc" }, body = "\0\0\0\0\0" },
  many = { headers = many(300), body = "espresso" },
  ["too-many"] = { headers = many(1100), body = "espresso" },
  verified = { headers = JSON, body = '{"name":"alice"}' },
  rejected = { status = 401, body = "no" },
  failing = { status = 500, body = "no" },
  foreign = { headers = { ["Access-Control-Allow-Origin"] = "*", Vary = "Accept" }, body = "x" },
}

for url, name in pairs(SERVICES) do
  SERVICES[url] = UPSTREAMS[name]
end


served.describe("in nginx, the example", function()
  return examples.start(LISTS, UPSTREAMS, { init = [[
    package.path = "%{root}/spec/plugins/nginx/?.lua;" .. package.path
    require("resty.http").port = %{upstream_port}
  ]] })
end, function(server)
  --- Returns nginx's answer. The answer in memory must be the same.
  local function ask(list, upstream, request, options)
    local case = { list = list, upstream = upstream, request = request, services = SERVICES }
    local real, memory = examples.both(server, LISTS, UPSTREAMS, case)
    if not (options and options.broken) then
      assert.same(examples.comparable(real), examples.comparable(memory))
    end
    return real, memory
  end

  describe("json-transform", function()
    it("rewrites a body with a new length, so that the connection stays usable", function()
      local connection = server:connect("port")
      local head = "GET /refuse/plain HTTP/1.1\r\nHost: localhost\r\n"
      connection:send(head .. "\r\n" .. head .. "Connection: close\r\n\r\n")
      local came, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      local bodies = {}
      for block, body in came:gmatch("HTTP/1.1 200 OK\r\n(.-)\r\n\r\n13\r\n(.-)\r\n0\r\n\r\n") do
        assert.is_nil(block:find("Content%-Length"))
        bodies[#bodies + 1] = body
      end
      assert.same({ '{"name":"espresso"}', '{"name":"espresso"}' }, bodies)
    end)

    it("answers HEAD without the length of the old body", function()
      local response = ask("refuse", "plain", { method = "HEAD" })
      assert.equal(200, response.status)
      assert.is_nil(response:header("Content-Length"))
    end)

    it("refuses a gzipped body", function()
      local response = ask("refuse", "packed")
      assert.equal(502, response.status)
      assert.is_nil(response:header("Content-Encoding"))
      assert.matches("an encoding that is not understood: gzip", response.body, 1, true)
    end)
  end)

  describe("gunzip", function()
    it("unpacks a body", function()
      local response = ask("gunzip", "packed")
      assert.equal(COFFEE, response.body)
      assert.is_nil(response:header("Content-Encoding"))
      assert.is_nil(response:header("Content-Length"))
      assert.equal('W/"1"', response:header("ETag"))
      assert.equal(('{"internal":1},'):rep(6000), ask("gunzip", "large").body)
    end)

    it("unpacks a body for a later plugin", function()
      assert.equal('{"name":"espresso"}', ask("transform", "packed").body)
    end)

    it("does not change other bodies", function()
      assert.equal(tostring(#COFFEE), ask("gunzip", "plain"):header("Content-Length"))
    end)

    it("breaks the response off for a decompression bomb", function()
      server:clear_log()
      local real, memory = ask("gunzip", "bomb", nil, { broken = true })
      assert.not_equal(0, real.exit)
      assert.equal("", real.body)
      assert.is_true(memory.truncated)
      assert.is_truthy(server:wait_log("it has more than 100000 bytes"))
    end)
  end)

  describe("cors", function()
    it("answers a preflight without an API key", function()
      local response = ask("cors", "plain", {
        method = "OPTIONS",
        headers = { Origin = SHOP, ["Access-Control-Request-Method"] = "DELETE" },
      })
      assert.equal(204, response.status)
      assert.same({ SHOP }, response:values("Access-Control-Allow-Origin"))
      assert.same({ "GET, DELETE" }, response:values("Access-Control-Allow-Methods"))
      assert.same({ "Content-Type, apikey" }, response:values("Access-Control-Allow-Headers"))
      assert.same({ "true" }, response:values("Access-Control-Allow-Credentials"))
      assert.same({ "600" }, response:values("Access-Control-Max-Age"))
      assert.same({ "Origin" }, response:values("Vary"))
      assert.is_nil(response:header("Content-Length"))
    end)

    it("lets a page read responses and errors", function()
      local response = ask("cors", "foreign", {
        headers = { Origin = SHOP, apikey = "key-of-alice" },
      })
      assert.equal(200, response.status)
      assert.same({ SHOP }, response:values("Access-Control-Allow-Origin"))
      assert.same({ "X-Consumer, X-Trace-Id" }, response:values("Access-Control-Expose-Headers"))
      assert.same({ "Accept", "Origin", "apikey" }, response:values("Vary"))
      response = ask("cors", "plain", { headers = { Origin = SHOP } })
      assert.equal(401, response.status)
      assert.same({ SHOP }, response:values("Access-Control-Allow-Origin"))
    end)

    it("allows nothing to other pages", function()
      local response = ask("cors", "foreign", {
        headers = { Origin = "https://evil.example", apikey = "key-of-alice" },
      })
      assert.same({}, response:values("Access-Control-Allow-Origin"))
    end)
  end)

  describe("rate-limit", function()
    it("refuses excess requests in the client's format, with Retry-After", function()
      local first = server:get("/limit/plain")
      assert.equal(200, first.status)
      assert.equal("1", first:header("RateLimit-Limit"))
      assert.equal("0", first:header("RateLimit-Remaining"))

      local second = server:get("/limit/plain", { "Accept: application/xml" })
      assert.equal(429, second.status)
      assert.equal("application/xml; charset=utf-8", second:header("Content-Type"))
      assert.matches("^%d+$", second:header("Retry-After"))
      assert.equal(second:header("RateLimit-Reset"), second:header("Retry-After"))
      assert.matches("<message>Too many requests: 1 in 1000000000 seconds are allowed</message>",
        second.body, 1, true)
    end)
  end)

  describe("grpc-guard", function()
    local function grpc(token)
      return {
        method = "POST", http_version = 2,
        headers = { ["content-type"] = "application/grpc", te = "trailers", ["x-token"] = token },
      }
    end

    -- Names are in lower case over HTTP/2, and there is no Connection.
    local function ask_grpc(token)
      local case = { list = "grpc", upstream = "grpc", request = grpc(token) }
      return examples.both(server, LISTS, UPSTREAMS, case)
    end

    it("refuses over HTTP/2 with headers only", function()
      local real, memory = ask_grpc()
      assert.equal("2", real.version)
      assert.equal(200, real.status)
      assert.equal("application/grpc", real:header("content-type"))
      assert.equal("16", real:header("grpc-status"))
      assert.equal("No valid token in the metadata x-token", real:header("grpc-message"))
      assert.equal("", real.body)
      for _, name in ipairs { "content-type", "grpc-status", "grpc-message" } do
        assert.equal(memory.headers[name], real:header(name))
      end
    end)

    it("accepts a token", function()
      local real, memory = ask_grpc("token-of-alice")
      assert.equal("\0\0\0\0\0", real.body)
      assert.equal(memory.body, real.body)
      assert.is_nil(real:header("grpc-status"))
    end)

    it("refuses other clients with a document", function()
      assert.equal(401, ask("grpc", "plain").status)
    end)
  end)

  describe("upstream-errors", function()
    it("replaces the upstream's document", function()
      local response = ask("errors", "failed", { headers = { Accept = "text/html" } })
      assert.equal(500, response.status)
      assert.equal("text/html; charset=utf-8", response:header("Content-Type"))
      assert.equal(tostring(#response.body), response:header("Content-Length"))
      assert.equal("a=1", response:header("Set-Cookie"))
      assert.is_nil(response:header("ETag"))
      assert.matches("<p>An unexpected error occurred.</p>", response.body, 1, true)
      assert.is_nil(response.body:find("java", 1, true))
    end)

    it("sends the configured message, and keeps Retry-After", function()
      local response = ask("errors", "closed")
      assert.equal(503, response.status)
      assert.equal("120", response:header("Retry-After"))
      assert.matches('"message":"We are back at <noon>"', response.body, 1, true)
    end)

    it("does not change other responses", function()
      assert.equal(COFFEE, ask("errors", "plain").body)
    end)

    it("uses its own page, with the message escaped", function()
      local own = examples.start({ errors = LISTS.errors }, UPSTREAMS, { init = [[
        kong = { response = require("kong.response.instance").new {
          error_templates = { html = "%{root}/examples/error-page/error.html" },
        } }
      ]] })
      local response = own:get("/errors/closed", { "Accept: text/html" })
      own:stop()
      assert.equal(503, response.status)
      assert.equal("text/html; charset=utf-8", response:header("Content-Type"))
      assert.matches("<h1>That did not work</h1>", response.body, 1, true)
      assert.matches('dir="auto">We are back at &lt;noon&gt;</p>', response.body, 1, true)
      assert.matches("<code>%x+</code>", response.body)
    end)
  end)

  describe("auth-service", function()
    it("lets a token pass that the service confirms, twice", function()
      for _ = 1, 2 do
        local response = ask("verified", "plain", { headers = { Authorization = "Bearer one" } })
        assert.equal(COFFEE, response.body)
      end
    end)

    it("refuses requests without a token, and an invalid token", function()
      local response = ask("rejected", "plain")
      assert.equal(401, response.status)
      assert.equal("Bearer", response:header("WWW-Authenticate"))
      response = ask("rejected", "plain", { headers = { Authorization = "Bearer one" } })
      assert.equal(401, response.status)
      assert.equal('Bearer error="invalid_token"', response:header("WWW-Authenticate"))
    end)

    it("answers 503 if the service fails", function()
      server:clear_log()
      local response = ask("failing", "plain", { headers = { Authorization = "Bearer one" } })
      assert.equal(503, response.status)
      assert.matches("Tokens cannot be checked at the moment", response.body, 1, true)
      assert.is_truthy(server:wait_log("the token cannot be checked: "
        .. "failed to get from node cache: status 500"))
    end)
  end)

  describe("not-modified", function()
    it("sends a 304 to a client that has this version", function()
      for _, tag in ipairs { '"7"', 'W/"7"', '"6", "7"' } do
        local response = ask("etag", "plain", { headers = { ["If-None-Match"] = tag } })
        assert.equal(304, response.status)
        assert.equal('"7"', response:header("ETag"))
        assert.equal("no-cache", response:header("Cache-Control"))
      end
      local refused = ask("etag", "plain", {
        method = "POST", headers = { ["If-None-Match"] = '"7"' },
      })
      assert.equal(405, refused.status)
      assert.equal("GET, HEAD", refused:header("Allow"))
      local response = ask("etag", "plain", { headers = { ["If-None-Match"] = '"6"' } })
      assert.equal(200, response.status)
      assert.equal("espresso", response.body)
    end)
  end)

  describe("websocket-guard", function()
    it("refuses another origin with a reason, and accepts the right one", function()
      local headers = {
        Connection = "Upgrade", Upgrade = "websocket", Origin = "https://evil.example",
      }
      local response = ask("websocket", "plain", { headers = headers })
      assert.equal(403, response.status)
      assert.matches("WebSockets from this origin are not allowed", response.body, 1, true)
      headers.Origin = SHOP
      assert.equal(200, ask("websocket", "plain", { headers = headers }).status)
    end)
  end)

  describe("hop-by-hop", function()
    it("sends only headers for the client, over both protocols", function()
      for _, version in ipairs { 1.1, 2 } do
        server:clear_log()
        local case = { list = "hop", upstream = "plain", request = { http_version = version } }
        local response = examples.both(server, LISTS, UPSTREAMS, case)
        assert.equal(200, response.status)
        assert.equal("espresso", response.body)
        assert.equal("8", response:header("Content-Length"))
        assert.same({ "a", "b" }, response:values("Set-Cookie"))
        for _, name in ipairs { "Keep-Alive", "Transfer-Encoding", "X-Hop" } do
          assert.is_nil(response:header(name))
        end
        assert.is_nil(server:log():find("[warn]", 1, true))
      end
    end)
  end)

  describe("large-body", function()
    it("changes a small body, and refuses others", function()
      assert.equal('{"internal":1,"name":"100 %"}', ask("check", "plain").body)
      assert.equal(502, ask("check", "large").status)
      assert.equal(502, ask("check", "closed").status) -- chunked
    end)
  end)

  describe("internal-headers", function()
    local function internal(response)
      local count = 0
      for _, header in ipairs(response.headers) do
        count = count + (header[1]:lower():find("^x%-internal%-") and 1 or 0)
      end
      return count
    end

    it("removes 300 internal headers, and reads the last of them", function()
      local response = ask("headers", "many")
      assert.equal(200, response.status)
      assert.equal("4711", response:header("X-Trace-Id"))
      assert.equal("297", response:header("X-Public-297"))
      assert.equal(0, internal(response))
    end)

    it("sends a 500 if there are too many headers to read", function()
      local response = ask("headers", "too-many")
      assert.equal(500, response.status)
      assert.equal(0, internal(response))
      assert.is_nil(response:header("X-Public-3"))
    end)
  end)
end)
