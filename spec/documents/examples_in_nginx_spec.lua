-- The example plugins answer in nginx as they do in memory.

local examples = require "spec.support.examples"
local served = require "spec.support.served"


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


served.describe("the examples", function()
  return examples.start(LISTS, UPSTREAMS)
end, function(server)
  for list in pairs(LISTS) do
    for upstream in pairs(UPSTREAMS) do
      it("give the same responses in nginx and in memory: " .. list .. ", " .. upstream, function()
        for i, request in ipairs(REQUESTS) do
          local real, memory = examples.both(server, LISTS, UPSTREAMS, {
            list = list, upstream = upstream, request = request,
          })
          assert.same(examples.comparable(real), examples.comparable(memory), "request " .. i)
        end
      end)
    end
  end
end)
