local XML = { ["Content-Type"] = "application/xml" }

return {
  {
    name = "a document",
    plugins = { { plugin = "xml-to-json" } },
    steps = {
      {
        name = "becomes JSON",
        request = { headers = { Accept = "application/json" } },
        upstream = { headers = XML, body = {
          '<?xml version="1.0"?><order id="1"><!-- two -->\n<item>es', "presso &amp; milk</item>",
          '<item size="s">lungo</item><empty/></order>',
        } },
        expect = {
          status = 200,
          json = { order = {
            ["@id"] = "1", empty = "",
            item = { "espresso & milk", { ["@size"] = "s", ["#text"] = "lungo" } },
          } },
          headers = { ["Content-Type"] = "application/json", ["Content-Length"] = false },
          upstream = { headers = { accept = "application/xml" } },
        },
      },
      {
        name = "that is malformed causes an error",
        request = {},
        upstream = { headers = { ["Content-Type"] = "application/problem+xml" },
                     body = "<a><b></a>" },
        expect = { status = 200, body = '{"error":"the service has sent no XML"}',
                   log = "no XML: unexpected </a>" },
      },
      {
        name = "of another type does not change",
        request = {},
        upstream = { headers = { ["Content-Type"] = "text/plain" }, body = "<a/>" },
        expect = { status = 200, body = "<a/>", headers = { ["Content-Length"] = "4" } },
      },
    },
  },
}
