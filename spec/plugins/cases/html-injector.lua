local HTML = { ["Content-Type"] = "text/html; charset=utf-8", ETag = '"1"' }

return {
  {
    name = "a page",
    plugins = { { plugin = "html-injector", config = {
      snippet = "<script>at('{{ path }}', '$1')</script>",
      content_security_policy = "script-src 'self'",
      replacements = {
        { regex = "COFFEE", replacement = "tea", ignore_case = true },
        { regex = "(\\d+) EUR", replacement = "EUR $1" },
      },
    } } },
    steps = {
      {
        name = "gets the snippet before the end of its body",
        request = { path = "/a%20b?c=d", headers = { ["Accept-Encoding"] = "gzip" } },
        upstream = { headers = HTML, body = { "<html><body>Coffee 3 ", "EUR</bo", "dy></html>" } },
        expect = {
          status = 200,
          body = "<html><body>tea EUR 3<script>at('%2Fa%20b', '$1')</script></body></html>",
          headers = {
            ETag = false, ["Content-Length"] = false,
            ["Content-Security-Policy"] = "script-src 'self'",
          },
          upstream = { path = "/a%20b?c=d", headers = { ["accept-encoding"] = false } },
        },
      },
      {
        name = "loses its Content-Length",
        request = {},
        upstream = { headers = HTML, body = "<body></BODY >" },
        expect = { status = 200, body = "<body><script>at('%2F', '$1')</script></BODY >",
                   headers = { ["Content-Length"] = false } },
      },
      {
        name = "without the marker does not change",
        request = {},
        upstream = { headers = HTML, body = "coffee" },
        expect = { status = 200, body = "coffee" },
      },
      {
        name = "that is compressed does not change",
        request = {},
        upstream = { headers = {
          ["Content-Type"] = "text/html", ["Content-Encoding"] = "br",
        }, body = "packed</body>" },
        expect = { status = 200, body = "packed</body>",
                   headers = { ["Content-Length"] = "13", ["Content-Encoding"] = "br" },
                   log = "a page with Content-Encoding br stays as it is" },
      },
      {
        name = "of another type does not change",
        request = {},
        upstream = { headers = { ["Content-Type"] = "text/plain" }, body = "coffee</body>" },
        expect = { status = 200, body = "coffee</body>", headers = { ["Content-Length"] = "13" } },
      },
    },
  },
  {
    name = "a page without a body element",
    plugins = { { plugin = "html-injector", config = { snippet = "<!-- {{host}} -->",
                                                       append = true } } },
    steps = {
      {
        name = "gets the snippet at its end",
        request = {},
        upstream = { headers = HTML, body = "coffee" },
        expect = { status = 200, body = "coffee<!-- shop.example -->" },
      },
    },
  },
}
