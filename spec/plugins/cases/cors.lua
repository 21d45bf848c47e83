return {
  {
    name = "any origin",
    plugins = { { plugin = "cors" } },
    steps = {
      {
        name = "adds the header to responses",
        request = { headers = { Origin = "https://shop.example" } },
        upstream = { body = "coffee", headers = { ["Content-Type"] = "text/plain" } },
        expect = {
          status = 200, body = "coffee",
          headers = { ["Access-Control-Allow-Origin"] = "*", Vary = false },
          upstream = { method = "GET", path = "/", headers = { origin = "https://shop.example" } },
        },
      },
      {
        name = "answers a preflight",
        request = { method = "OPTIONS", path = "/coffee", headers = {
          Origin = "https://shop.example", ["Access-Control-Request-Method"] = "PUT",
          ["Access-Control-Request-Headers"] = "X-One,X-Two",
        } },
        expect = {
          status = 200, body = "",
          headers = {
            ["Access-Control-Allow-Origin"] = "*",
            ["Access-Control-Allow-Headers"] = "X-One,X-Two",
            ["Access-Control-Allow-Methods"] =
              "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT",
            ["Content-Length"] = "0",
          },
          upstream = false,
        },
      },
      {
        name = "passes OPTIONS without a preflight",
        request = { method = "OPTIONS" },
        upstream = { status = 204, headers = { Allow = "GET" } },
        expect = {
          status = 204, body = "",
          headers = { ["Access-Control-Allow-Origin"] = "*", Allow = "GET" },
          upstream = { method = "OPTIONS" },
        },
      },
    },
  },
  {
    name = "listed origins, with credentials",
    plugins = { { plugin = "cors", config = {
      origins = { "https://shop.example", "https://[a-z]+\\.partner\\.example" },
      methods = { "GET", "DELETE" }, headers = { "Content-Type", "apikey" },
      exposed_headers = { "X-Trace" }, credentials = true, max_age = 600, private_network = true,
    } } },
    steps = {
      {
        name = "allow a listed origin, and keep the upstream's Vary",
        request = { headers = { Origin = "https://blue.partner.example" } },
        upstream = { body = "x", headers = { Vary = "Accept", ["X-Trace"] = "1" } },
        expect = {
          status = 200,
          headers = {
            ["Access-Control-Allow-Origin"] = "https://blue.partner.example",
            ["Access-Control-Allow-Credentials"] = "true",
            ["Access-Control-Expose-Headers"] = "X-Trace",
            Vary = { "Accept", "Origin" },
          },
        },
      },
      {
        name = "remove the headers that the upstream sends to other origins",
        request = { headers = { Origin = "https://evil.example" } },
        upstream = { body = "x", headers = { ["Access-Control-Allow-Origin"] = "*" } },
        expect = {
          status = 200, body = "x",
          headers = {
            ["Access-Control-Allow-Origin"] = false, ["Access-Control-Expose-Headers"] = false,
            Vary = "Origin",
          },
        },
      },
      {
        name = "allow a preflight of a private network",
        request = { method = "OPTIONS", headers = {
          Origin = "https://SHOP.example", ["Access-Control-Request-Method"] = "DELETE",
          ["Access-Control-Request-Private-Network"] = "true",
        } },
        expect = {
          status = 200,
          headers = {
            ["Access-Control-Allow-Origin"] = "https://SHOP.example",
            ["Access-Control-Allow-Headers"] = "Content-Type,apikey",
            ["Access-Control-Allow-Methods"] = "GET,DELETE",
            ["Access-Control-Max-Age"] = "600",
            ["Access-Control-Allow-Private-Network"] = "true",
          },
          upstream = false,
        },
      },
    },
  },
}
