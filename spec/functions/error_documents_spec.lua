local documents = require "spec.support.error_documents"
local hosts = require "spec.support.hosts"


local JSON, HTML, XML, PLAIN = documents.JSON, documents.HTML, documents.XML, documents.PLAIN
local MESSAGES = documents.MESSAGES
local assert_document = documents.check
local document = documents.document
local shown = documents.shown


hosts.each("error", {
  gateway = true, add_headers = { ["Request-Id"] = "$request_id" },
}, function(server)
  describe("with a status and a message", function()
    for accept, kind in pairs {
      ["application/json"] = JSON, ["text/html"] = HTML, ["application/xml"] = XML,
      ["text/plain"] = PLAIN,
    } do
      it("sends the document for " .. accept, function()
        for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
          local r = server:run {
            headers = { "Accept: " .. accept },
            [stage] = "response.error(404, 'lost')",
          }
          assert_document(kind, 404, "lost", r)
        end
      end)

      it("sends the document's length to HEAD, for " .. accept, function()
        local r = server:run {
          method = "HEAD",
          headers = { "Accept: " .. accept },
          content = "response.error(404, 'lost')",
        }
        assert.equal(404, r.status)
        assert.same({ kind }, r:values("Content-Type"))
        assert.same({ tostring(#document(kind, "lost", r)) }, r:values("Content-Length"))
      end)

      it("sends the document over HTTP/2, for " .. accept, function()
        local r = server:run {
          http2 = true,
          headers = { "Accept: " .. accept },
          access = "response.error(503)",
        }
        assert_document(kind, 503, MESSAGES[503], r)
      end)
    end

    it("writes an empty message if the message is empty", function()
      assert_document(JSON, 404, "", server:run { content = "response.error(404, '')" })
    end)

    it("writes the default message of every status", function()
      local cases, statuses = {}, {}
      for status = 400, 599 do
        statuses[#statuses + 1] = status
        cases[#cases + 1] = {
          path = server:target {
            header_filter = "response.error(" .. status .. ")",
          },
        }
      end
      for i, r in ipairs(server:requests(cases)) do
        local status = statuses[i]
        assert_document(JSON, status,
          MESSAGES[status] or "The upstream server responded with " .. status, r)
      end
    end)

    it("sends a document for status 408, for which nginx itself hangs up", function()
      for _, stage in ipairs { "access", "content" } do
        assert_document(JSON, 408, "Request timeout",
          server:run { [stage] = "response.error(408)" })
      end
    end)

    it("does not escape a slash in the message", function()
      for accept, kind in pairs {
        ["application/json"] = JSON, ["text/html"] = HTML, ["application/xml"] = XML,
        ["text/plain"] = PLAIN,
      } do
        for _, stage in ipairs { "access", "header_filter" } do
          assert_document(kind, 404, "/a//b/", server:run {
            headers = { "Accept: " .. accept },
            [stage] = "response.error(404, '/a//b/')",
          })
        end
      end
    end)

    it("does not escape a slash in the request's id", function()
      for accept, expected in pairs {
        ["application/json"] = '{\n  "message":"a/b",\n  "request_id":"c/d//"\n}',
        ["text/plain"] = "a/b\nrequest_id: c/d//\n",
      } do
        local r = server:run {
          headers = { "Accept: " .. accept },
          access = [[
            require("kong.response.instance").new({
              request_id = function() return "c/d//" end,
            }).error(404, "a/b")
          ]],
        }
        assert.equal(expected, r.body)
      end
    end)

    it("does not escape a slash if the call gives a JSON type", function()
      for _, kind in ipairs { "application/json", "application/problem+json" } do
        local r = server:run {
          access = ("response.error(404, 'a/b', { ['Content-Type'] = %q })"):format(kind),
        }
        assert.same({ kind }, r:values("Content-Type"))
        assert.matches('"message":"a/b"', r.body, 1, true)
      end
    end)

    it("drops the fraction of a status", function()
      assert_document(JSON, 404, "Not found", server:run { content = "response.error(404.9)" })
      assert_document(JSON, 598, "The upstream server responded with 598",
        server:run { content = "response.error(598.5)" })
    end)

    it("writes a table as JSON text", function()
      local code = [[response.error(400, { message = 'a/<b>&"c"' })]]
      local r = server:run { content = code }
      assert.equal([[{\"message\":\"a\\/<b>&\\\"c\\\"\"}]], shown(JSON, r))
      r = server:run { content = code, headers = { "Accept: text/html" } }
      assert.equal([[{"message":"a\/&lt;b&gt;&amp;\"c\""}]], shown(HTML, r))
      r = server:run { content = code, headers = { "Accept: application/xml" } }
      assert.equal([[{"message":"a\/&lt;b&gt;&amp;\"c\""}]], shown(XML, r))
      r = server:run { content = code, headers = { "Accept: text/plain" } }
      assert.equal([[{"message":"a\/<b>&\"c\""}]], shown(PLAIN, r))

      assert.equal("{}", shown(JSON, server:run { content = "response.error(400, {})" }))
      assert.equal("[1,2]", shown(JSON, server:run { content = "response.error(400, { 1, 2 })" }))
    end)

    it("sends no page of nginx", function()
      local r = server:run { access = "response.error(404)" }
      assert.is_nil(r.body:find("nginx", 1, true))
    end)
  end)


  describe("with special characters in the message", function()
    local function message(kind, text)
      local quoted = text:gsub(".", function(byte)
        return ("\\%03d"):format(byte:byte())
      end)
      return shown(kind, server:run {
        headers = { "Accept: " .. kind:match("^[^;]+") },
        content = "response.error(400, '" .. quoted .. "')",
      })
    end

    it("escapes them in JSON", function()
      assert.equal([[a\"b\\c/d\b\t\n\f\r\u0000\u001f\u007f<>&'%s %d %]],
        message(JSON, 'a"b\\c/d\b\t\n\f\r\0\31\127<>&\'%s %d %'))
      assert.equal([[\",\"request_id\":\"forged]], message(JSON, '","request_id":"forged'))
      assert.equal("é€😀", message(JSON, "é€😀"))
      assert.equal("a\239\191\189b", message(JSON, "a\255b"))
    end)

    for name, kind in pairs { HTML = HTML, XML = XML } do
      it("escapes them in " .. name, function()
        assert.equal([[a&amp;b&lt;c&gt;d"e'f]] .. "\ng\th% %s %d %%", message(kind,
          [[a&b<c>d"e'f]] .. "\ng\th% %s %d %%"))
        assert.equal("&lt;/message&gt;&lt;script&gt;&amp;lt;",
          message(kind, "</message><script>&lt;"))
        assert.equal("é€😀", message(kind, "é€😀"))
      end)

      it("writes forbidden bytes as U+FFFD in " .. name, function()
        local forbidden = {}
        for byte = 0, 31 do
          if byte ~= 9 and byte ~= 10 and byte ~= 13 then
            forbidden[#forbidden + 1] = string.char(byte)
          end
        end
        assert.equal(("a\239\191\189"):rep(#forbidden),
          message(kind, "a" .. table.concat(forbidden, "a")))

        for _, broken in ipairs {
          "\255", "\195", "\128", "\226\130", "\239\191\190", "\239\191\191",
        } do
          assert.equal("a\239\191\189b", message(kind, "a" .. broken .. "b"))
        end
        assert.is_nil(message(kind, "\237\160\128"):find("\237", 1, true))
        assert.is_nil(message(kind, "\192\188script>"):find("\192", 1, true))
      end)
    end

    it("does not escape them in plain text", function()
      assert.equal([[a&b<c>"d"\/% %s %d]] .. "\r\n\t", message(PLAIN,
        [[a&b<c>"d"\/% %s %d]] .. "\r\n\t"))
    end)
  end)
end)
