local TEXT = { ["Content-Type"] = "text/plain", ["X-Own"] = "1", ["Set-Cookie"] = "a=1" }

return {
  {
    name = "a response",
    plugins = { { plugin = "response-cache", config = { ignored_args = { "utm" } } } },
    steps = {
      {
        name = "that is not cached comes from the service, with an ETag",
        request = { path = "/coffee?b=2&a=1" },
        upstream = { headers = TEXT, body = { "espresso", " lungo" } },
        expect = {
          status = 200, body = "espresso lungo",
          headers = {
            ["X-Cache-Status"] = "Miss", ETag = '"810f61d4fc5b14ea497eca2e82a59f4e"',
            ["Content-Length"] = false, ["Set-Cookie"] = "a=1", ["Transfer-Encoding"] = "chunked",
          },
          upstream = { path = "/coffee?b=2&a=1" },
        },
      },
      {
        name = "that is cached comes from memory",
        request = { path = "/coffee?a=1&b=2&utm=x" },
        expect = {
          status = 200, body = "espresso lungo", upstream = false,
          headers = {
            ["X-Cache-Status"] = "Hit", ["X-Own"] = "1", ["Set-Cookie"] = false,
            ["Content-Type"] = "text/plain", ["Content-Length"] = "14",
          },
        },
      },
      {
        name = "that the client has becomes a 304",
        request = { path = "/coffee?a=1&b=2", headers = {
          ["If-None-Match"] = '"810f61d4fc5b14ea497eca2e82a59f4e"',
        } },
        expect = { status = 304, body = "", headers = { ["X-Cache-Status"] = "Hit" },
                   upstream = false },
      },
      {
        name = "to POST is not cached",
        request = { method = "POST", path = "/coffee?a=1&b=2", body = "x" },
        upstream = { status = 201, body = "made" },
        expect = { status = 201, body = "made", headers = { ["X-Cache-Status"] = "Bypass",
                   ETag = false }, upstream = { method = "POST", body = "x" } },
      },
      {
        name = "that is private is not cached",
        request = { path = "/mine" },
        upstream = { headers = { ["Cache-Control"] = "private, max-age=60" }, body = "secret" },
        expect = { status = 200, body = "secret", headers = { ["X-Cache-Status"] = "Bypass" } },
      },
      {
        name = "with another status is not cached",
        request = { path = "/gone" },
        upstream = { status = 410, body = "gone" },
        expect = { status = 410, body = "gone", headers = { ["X-Cache-Status"] = "Bypass" } },
      },
      {
        name = "of HEAD has no body",
        request = { method = "HEAD", path = "/head" },
        upstream = { body = "espresso" },
        expect = { status = 200, body = "", headers = { ["X-Cache-Status"] = "Miss",
                   ["Content-Length"] = "8" } },
      },
      {
        name = "of a service that fails is not cached",
        request = { path = "/down" },
        upstream = { failure = "refused" },
        expect = { status = 502, headers = { ["X-Cache-Status"] = false } },
      },
    },
  },
}
