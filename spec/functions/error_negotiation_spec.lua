local documents = require "spec.support.error_documents"
local hosts = require "spec.support.hosts"


local JSON, HTML, XML, PLAIN = documents.JSON, documents.HTML, documents.XML, documents.PLAIN
local assert_document = documents.check


hosts.each("error", {
  gateway = true, add_headers = { ["Request-Id"] = "$request_id" },
}, function(server)
  describe("and the request's Accept", function()
    --- Checks what a request with these Accept headers gets.
    local function negotiated(cases)
      local requests = {}
      for i, case in ipairs(cases) do
        local headers = {}
        for j, accept in ipairs(type(case[1]) == "table" and case[1] or { case[1] }) do
          headers[j] = "Accept: " .. accept
        end
        requests[i] = {
          path = server:target { access = "response.error(404, 'lost')" },
          headers = headers,
        }
      end
      for i, r in ipairs(server:requests(requests)) do
        local accept, kind = cases[i][1], cases[i][2]
        local name = type(accept) == "table" and table.concat(accept, " | ") or accept
        assert.equal(name .. " -> " .. kind, name .. " -> " .. tostring(r:header("Content-Type")))
        assert_document(kind, 404, "lost", r)
      end
    end

    it("writes JSON without an Accept", function()
      assert_document(JSON, 404, "lost", server:run { access = "response.error(404, 'lost')" })
    end)

    it("writes each of the four types", function()
      negotiated {
        { "application/json", JSON },
        { "text/html", HTML },
        { "application/xml", XML },
        { "text/plain", PLAIN },
      }
    end)

    it("decides by quality, then by the header's order, then by its own order", function()
      negotiated {
        {
          "text/plain;q=0.3, text/html;q=0.7, text/html;level=1, text/html;level=2;q=0.4, "
            .. "*/*;q=0.5",
          HTML,
        },
        { "text/html;q=0.5, application/xml;q=0.9", XML },
        { "text/html;q=0.001, text/plain;q=0.002", PLAIN },
        { "text/html;q=0.999, application/xml", XML },
        { "text/html;q=1.000, application/xml;q=0.999", HTML },
        { "text/html, application/xml", HTML },
        { "application/xml, text/html", XML },
        { "application/xml;q=0.5, text/plain;q=0.5, text/html;q=0.4", XML },
        { "image/png, text/html;q=0.9", HTML },
        {
          "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
            .. "*/*;q=0.8",
          HTML,
        },
      }
    end)

    it("reads wildcards", function()
      negotiated {
        { "*/*", JSON },
        { "application/*", JSON },
        { "text/*", PLAIN },
        { "*/*, text/html", JSON },
        { "text/html, */*", HTML },
        { "text/*, text/html;q=0.5", PLAIN },
        { "text/plain;q=0.5, text/*;q=0.1", PLAIN },
        { "*/*;q=0.1, text/plain;q=0.2", PLAIN },
        { "*/*;q=0.9, text/html;q=0.1", JSON },
        { "image/*, application/*;q=0.1", JSON },
        { "*/*;q=0.1", JSON },
      }
    end)

    it("uses the most specific range for each type", function()
      negotiated {
        { "*/*, application/json;q=0.1, text/html;q=0.2, text/plain;q=0.3, application/xml;q=0.4",
          XML },
        { "application/json;q=0.2, application/*;q=0.9, text/html;q=0.5, application/xml;q=0.1",
          HTML },
        { "text/html;level=1;q=0.2, text/html;q=0.8, text/plain;q=0.5", HTML },
        { "text/html;q=0.8, text/html;level=1;q=0.2, text/plain;q=0.5", HTML },
      }
    end)

    it("excludes types with q=0", function()
      negotiated {
        { "text/html;q=0", JSON },
        { "text/html;q=0, text/plain;q=0.1", PLAIN },
        { "text/html;q=0.000, application/xml;q=0.001", XML },
        { "application/json;q=0, text/html;q=0.1", HTML },
        { "text/html;q=0, text/*", PLAIN },
        { "*/*;q=0", JSON },
        { "*/*;q=0, text/html", HTML },
        { "text/*;q=0, application/xml;q=0.3", XML },
      }
    end)

    it("takes the next type of a wildcard if JSON is excluded", function()
      negotiated { { "application/json;q=0, */*", HTML } }
    end)

    it("writes JSON if no type is acceptable", function()
      negotiated {
        { "json", JSON },
        { "image/png", JSON },
        { "text/css, image/*", JSON },
        { "html", JSON },
        { "", JSON },
      }
    end)

    it("ignores case", function()
      negotiated {
        { "TEXT/HTML", HTML },
        { "Text/Plain;Q=0.9, text/html;q=0.8", PLAIN },
        { "APPLICATION/xml;q=0.2, text/HTML;Q=0.1", XML },
      }
    end)

    it("allows white space", function()
      negotiated {
        { "text/html ; q=0.4 ,\tapplication/xml ;\tq=0.5", XML },
        { ",, text/html ,", HTML },
        { "text/html;;q=0.4, text/plain;q=0.3", HTML },
      }
    end)

    it("skips malformed items", function()
      negotiated {
        { "text/html;q=abc, text/plain;q=0.1", PLAIN },
        { "text/html;q=, text/plain;q=0.1", PLAIN },
        { "text/html;q=2, text/plain;q=0.1", PLAIN },
        { "text/html;q=-1, text/plain;q=0.1", PLAIN },
        { "text/html;q=1.5, text/plain;q=0.1", PLAIN },
        { "text/html;q=0x1, text/plain;q=0.1", PLAIN },
        { "text/html;q=nan, text/plain;q=0.1", PLAIN },
        { "text/html;q=1e0, text/plain;q=0.1", PLAIN },
        { "/html, text/plain;q=0.1", PLAIN },
        { "text/, application/xml;q=0.1", XML },
        { "*/html, text/plain;q=0.1", PLAIN },
        { "text html, text/plain;q=0.1", PLAIN },
        { "text/html/x, text/plain;q=0.1", PLAIN },
        { "text, html, application/xml", XML },
        { ";q=1, text/html;q=0.5", HTML },
        { "*, text/html;q=0.5", HTML },
      }
    end)

    it("ignores other parameters, also quoted ones", function()
      negotiated {
        { [[text/html;foo="a,b", text/plain;q=0.5]], HTML },
        { [[text/plain;q=0.5;x="a, application/xml", text/html;q=0.9]], HTML },
        { [[text/html;x=";q=0.1", text/plain;q=0.5]], HTML },
        { [[text/html;x="\", application/xml", text/plain;q=0.5]], HTML },
        { "text/html;charset=utf-8;q=0.3, text/plain;q=0.4", PLAIN },
      }
    end)

    it("reads several Accept headers as one list", function()
      negotiated {
        { { "image/png", "text/html" }, HTML },
        { { "text/html;q=0.1", "application/xml;q=0.2" }, XML },
        { { "text/plain", "text/html" }, PLAIN },
        { { "text/html;q=0", "*/*;q=0.1, text/plain;q=0.2" }, PLAIN },
      }
    end)

    it("reads a long Accept", function()
      negotiated {
        { ("image/png;q=0.1, "):rep(400) .. "text/html;q=0.1", HTML },
        { ("x"):rep(5000) .. ", text/html;q=0.1", HTML },
      }
    end)
  end)
end)
