local ROUTES = {
  {
    name = "beta", path = "/beta$(path)", host = "beta.example",
    match = {
      { header = "X-Channel", equals = "beta" }, { header = "User-Agent", regex = "^curl" },
    },
    strip_headers = { "X-Channel" }, strip_args = { "debug" },
  },
  { match = { { header = "X-Version", regex = "^v[23]$" } }, path = "/next/$(method)" },
}

local TARGETS = {
  {
    name = "canary", target = { host = "127.0.0.1", port = "%{canary_port}" }, path = "/new$(path)",
    match = { { header = "X-Channel", equals = "canary" } },
  },
  {
    name = "named", target = { host = "127.0.0.1", port = "%{canary_port}" },
    host = "canary.example", match = { { header = "X-Channel", equals = "named" } },
  },
  { name = "old", path = "/old", match = { { header = "X-Channel", equals = "old" } } },
}

return {
  {
    name = "headers",
    description = { service = { host = "coffee.example", port = 8000 } },
    plugins = { { plugin = "header-router", config = {
      routes = ROUTES, debug_header = "X-Route", max_headers = 10,
    } } },
    steps = {
      {
        name = "choose a path and a host",
        request = { path = "/coffee?debug=1&a=b%20c", headers = {
          ["X-Channel"] = "beta", ["User-Agent"] = "curl/8",
        } },
        upstream = { body = "beta" },
        expect = {
          status = 200, body = "beta", headers = { ["X-Route"] = "beta" },
          upstream = {
            path = "/beta/coffee?a=b%20c",
            headers = {
              host = "beta.example", ["x-channel"] = false, ["x-forwarded-route"] = "beta",
              ["x-original-path"] = "/coffee?debug=1&a=b%20c",
            },
          },
        },
      },
      {
        name = "choose the next route",
        request = { path = "/coffee", headers = { ["X-Version"] = { "v1", "v2" } } },
        upstream = { body = "next" },
        expect = {
          status = 200, body = "next", headers = { ["X-Route"] = "2" },
          upstream = { path = "/next/get", headers = { host = "coffee.example:8000" } },
        },
      },
      {
        name = "choose nothing",
        request = { path = "/coffee", headers = { ["X-Channel"] = "beta" } },
        upstream = { body = "old" },
        expect = {
          status = 200, body = "old", headers = { ["X-Route"] = "none" },
          upstream = { path = "/coffee", headers = { ["x-channel"] = "beta" } },
        },
      },
      {
        name = "are refused if there are too many",
        request = { headers = {
          ["X-1"] = "1", ["X-2"] = "1", ["X-3"] = "1", ["X-4"] = "1", ["X-5"] = "1", ["X-6"] = "1",
          ["X-7"] = "1", ["X-8"] = "1", ["X-9"] = "1", ["X-10"] = "1", ["X-11"] = "1",
        } },
        expect = { status = 431, json = { message = "Too many header fields" }, upstream = false,
                   headers = { ["X-Route"] = false } },
      },
    },
  },
  {
    name = "headers that choose a server",
    description = {
      balancer = true, service = { host = "127.0.0.1", port = "%{upstream_port}" },
    },
    plugins = { { plugin = "header-router", config = {
      routes = TARGETS, debug_header = "X-Route",
    } } },
    steps = {
      {
        name = "send the request to the server",
        request = { path = "/coffee?a=1", headers = { ["X-Channel"] = "canary" } },
        upstream = { body = "new" },
        expect = {
          status = 200, body = "new", headers = { ["X-Route"] = "canary" },
          upstream = {
            server = "canary", path = "/new/coffee?a=1",
            headers = { host = "127.0.0.1", ["x-forwarded-route"] = "canary" },
          },
        },
      },
      {
        name = "send a body and another Host to the server",
        request = { method = "POST", body = "two cups", headers = { ["X-Channel"] = "named" } },
        upstream = { status = 201, body = "made" },
        expect = {
          status = 201, body = "made", headers = { ["X-Route"] = "named" },
          upstream = {
            server = "canary", method = "POST", body = "two cups",
            headers = { host = "canary.example" },
          },
        },
      },
      {
        name = "keep the server and change the path",
        request = { headers = { ["X-Channel"] = "old" } },
        upstream = { body = "old" },
        expect = {
          status = 200, body = "old", headers = { ["X-Route"] = "old" },
          upstream = { server = "upstream", path = "/old" },
        },
      },
      {
        name = "choose nothing, so the request goes to the service",
        request = { path = "/coffee" },
        upstream = { body = "service" },
        expect = {
          status = 200, body = "service", headers = { ["X-Route"] = "none" },
          upstream = { server = "upstream", path = "/coffee" },
        },
      },
      {
        name = "cause a 502 if the chosen server fails",
        request = { headers = { ["X-Channel"] = "canary" } },
        upstream = { failure = "refused" },
        expect = { status = 502, headers = { ["X-Route"] = "canary" } },
      },
    },
  },
  {
    name = "headers, if the route keeps Host,",
    description = {
      route = { preserve_host = true }, service = { host = "coffee.example", port = 80 },
    },
    plugins = { { plugin = "header-router", config = { routes = ROUTES } } },
    steps = {
      {
        name = "choose nothing",
        request = { path = "/coffee" },
        upstream = { body = "old" },
        expect = {
          status = 200, body = "old",
          upstream = { path = "/coffee", headers = { host = "shop.example" } },
        },
      },
      {
        name = "choose a host",
        request = { headers = { ["X-Channel"] = "beta", ["User-Agent"] = "curl/8" } },
        upstream = { body = "beta" },
        expect = { status = 200, upstream = { headers = { host = "beta.example" } } },
      },
    },
  },
  {
    name = "headers that must match",
    description = { service = { host = "coffee.example", port = 80 } },
    plugins = { { plugin = "header-router", config = { routes = ROUTES, default = "refuse" } } },
    steps = {
      {
        name = "let a request with them pass",
        request = { headers = { ["X-Version"] = "v2" } },
        upstream = { body = "next" },
        expect = { status = 200, upstream = { headers = { host = "coffee.example" } } },
      },
      {
        name = "refuse a request without them",
        request = { headers = { ["X-Version"] = "v4" } },
        expect = { status = 404, json = { message = "No route for these headers" },
                   upstream = false },
      },
    },
  },
}
