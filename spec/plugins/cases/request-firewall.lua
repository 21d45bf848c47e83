local JSON = { ["Content-Type"] = "application/json" }

local function blocked(where)
  return { status = 403, upstream = false, log = where }
end

return {
  {
    name = "a request",
    plugins = { { plugin = "request-firewall", config = {
      patterns = { "forbidden-\\d+" }, allowed_methods = { "GET", "POST" }, max_args = 3,
      max_body_size = 100,
    } } },
    steps = {
      {
        name = "without harm passes",
        request = { method = "POST", path = "/a?name=O'Brian&x=1", headers = JSON,
                    body = '{"q":"select a coffee","list":[1,"or",{"deep":true}]}' },
        upstream = { body = "ok" },
        expect = { status = 200, body = "ok", upstream = {
          path = "/a?name=O'Brian&x=1",
          body = '{"q":"select a coffee","list":[1,"or",{"deep":true}]}',
        } },
      },
      {
        name = "with SQL in its query is refused",
        request = { path = "/a?q=1%27+OR+1%3D1" },
        expect = blocked "blocked: rule sql in the query of GET /a from 127.0.0.1",
      },
      {
        name = "with a script in its body is refused",
        request = { method = "POST", headers = JSON, body = '{"a":{"b":["x","<ScRipt src=1>"]}}' },
        expect = blocked "blocked: rule script in the body of POST /",
      },
      {
        name = "with a script in its form is refused",
        request = { method = "POST", body = "a=1&b=javascript%3Aalert(1)", headers = {
          ["Content-Type"] = "application/x-www-form-urlencoded",
        } },
        expect = blocked "blocked: rule script in the body of POST /",
      },
      {
        name = "with a pattern of the config in a header is refused",
        request = { headers = { Referer = "http://x.example/forbidden-12" } },
        expect = blocked "blocked: rule custom in the header Referer",
      },
      {
        name = "with a path out of its folder in the query is refused",
        request = { path = "/a?file=..%2F..%2Fetc%2Fpasswd" },
        expect = blocked "blocked: rule traversal in the query",
      },
      {
        name = "with another method is refused",
        request = { method = "DELETE" },
        expect = { status = 405, json = { message = "Method not allowed" }, upstream = false,
                   headers = { Allow = "GET, POST" } },
      },
      {
        name = "with too many arguments is refused",
        request = { path = "/?a=1&b=2&c=3&d=4", headers = { Accept = "application/json" } },
        expect = { status = 400, upstream = false, message = "Too many arguments" },
      },
      {
        name = "with a large body is refused",
        request = { method = "POST", body = ("x"):rep(101) },
        expect = { status = 413, upstream = false, message = "Payload too large" },
      },
      {
        name = "with a body that is not JSON is refused",
        request = { method = "POST", headers = JSON, body = "[1," },
        expect = { status = 400, upstream = false, message = "The body is no JSON" },
      },
    },
  },
  {
    name = "a request that is only logged",
    plugins = { { plugin = "request-firewall", config = { log_only = true } } },
    steps = {
      {
        name = "passes",
        request = { path = "/?q=<script>" },
        upstream = { body = "ok" },
        expect = { status = 200, body = "ok", log = "blocked: rule script in the query" },
      },
    },
  },
}
