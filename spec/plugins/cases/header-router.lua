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

return {
  {
    name = "headers",
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
          upstream = { path = "/next/get", headers = { host = "shop.example" } },
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
        name = "are too many",
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
    name = "headers that must match",
    plugins = { { plugin = "header-router", config = { routes = ROUTES, default = "refuse" } } },
    steps = {
      {
        name = "do not",
        request = { headers = { ["X-Version"] = "v4" } },
        expect = { status = 404, json = { message = "No route for these headers" },
                   upstream = false },
      },
    },
  },
}
