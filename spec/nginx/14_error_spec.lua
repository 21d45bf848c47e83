local stages = require "spec.support.stages"


local JSON = "application/json; charset=utf-8"
local HTML = "text/html; charset=utf-8"
local XML = "application/xml; charset=utf-8"
local PLAIN = "text/plain; charset=utf-8"

local DOCUMENTS = {
  [JSON] = '{\n  "message":"%s",\n  "request_id":"%s"\n}',
  [HTML] = '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
    .. "    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n"
    .. "    <p>request_id: %s</p>\n  </body>\n</html>\n",
  [XML] = '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>%s</message>\n'
    .. "  <requestid>%s</requestid>\n</error>\n",
  [PLAIN] = "%s\nrequest_id: %s\n",
}

local MESSAGES = {
  [400] = "Bad request",
  [401] = "Unauthorized",
  [402] = "Payment required",
  [403] = "Forbidden",
  [404] = "Not found",
  [405] = "Method not allowed",
  [406] = "Not acceptable",
  [407] = "Proxy authentication required",
  [408] = "Request timeout",
  [409] = "Conflict",
  [410] = "Gone",
  [411] = "Length required",
  [412] = "Precondition failed",
  [413] = "Payload too large",
  [414] = "URI too long",
  [415] = "Unsupported media type",
  [416] = "Range not satisfiable",
  [417] = "Expectation failed",
  [418] = "I'm a teapot",
  [421] = "Misdirected request",
  [422] = "Unprocessable entity",
  [423] = "Locked",
  [424] = "Failed dependency",
  [425] = "Too early",
  [426] = "Upgrade required",
  [428] = "Precondition required",
  [429] = "Too many requests",
  [431] = "Request header fields too large",
  [451] = "Unavailable for legal reasons",
  [494] = "Request header or cookie too large",
  [500] = "An unexpected error occurred",
  [501] = "Not implemented",
  [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable",
  [504] = "The upstream server is timing out",
  [505] = "HTTP version not supported",
  [506] = "Variant also negotiates",
  [507] = "Insufficient storage",
  [508] = "Loop detected",
  [510] = "Not extended",
  [511] = "Network authentication required",
}


local function concat(...)
  return table.concat({ ... }, "\n")
end


describe("error", function()
  local server

  setup(function()
    server = stages.start {
      gateway = true,
      http = "add_header Request-Id $request_id always;",
    }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:clear_log()
  end)


  --- The document a client gets for a message that needs no escapes.
  local function document(kind, message, r)
    return (DOCUMENTS[kind]:format(message, r:header("Request-Id")))
  end

  local function assert_document(kind, status, message, r)
    assert.equal(status, r.status)
    assert.equal(document(kind, message, r), r.body)
    assert.same({ kind }, r:values("Content-Type"))
    assert.same({ tostring(#r.body) }, r:values("Content-Length"))
  end

  --- What stands for the message in a document of this kind.
  local function shown(kind, r)
    local before, after = DOCUMENTS[kind]:match("^(.-)%%s(.-)%%s")
    local tail = DOCUMENTS[kind]:match("%%s.-%%s(.*)$")
    local stop = #r.body - #(after .. r:header("Request-Id") .. tail)
    assert.equal(before, r.body:sub(1, #before))
    assert.equal(after .. r:header("Request-Id") .. tail, r.body:sub(stop + 1))
    return r.body:sub(#before + 1, stop)
  end


  describe("refuses", function()
    local function refused(message, call)
      local r = server:run {
        content = concat(
          "local ok, err = pcall(function()",
          "  " .. call,
          "end)",
          "ngx.print(type(err), ' ', tostring(err), ' ', ngx.status, ' ',",
          "  tostring(ngx.ctx.KONG_EXITED))",
          "ngx.exit(200)"
        ),
      }
      assert.equal("string plugin.lua:2: " .. message .. " 0 nil", r.body)
      assert.equal(200, r.status)
      assert.is_nil(r:header("X-A"))
    end

    local NOT_A_NUMBER = "code must be a number"
    local RANGE = "code must be a number between 400 and 599"

    it("a call in the wrong phase, before anything else", function()
      server:run {
        log = concat(
          "local ok, err = pcall(function()",
          "  response.error('x', 1, 1)",
          "end)",
          "note(err)"
        ),
      }
      assert.same({
        "plugin.lua:2: function cannot be called in log phase (only in: rewrite, access, "
          .. "balancer, response, header_filter, error, admin_api)",
      }, server:noted())
    end)

    it("an answer that has begun, before it looks at the arguments", function()
      local r = server:run {
        content = concat(
          "ngx.print('begun ')",
          "local ok, err = pcall(function()",
          "  response.error('x', 1, 1)",
          "end)",
          "ngx.print(err)"
        ),
      }
      assert.equal("begun plugin.lua:3: headers have already been sent", r.body)
    end)

    for _, code in ipairs { "", "'404'", "{}", "true" } do
      it("error(" .. code .. ")", function()
        refused(NOT_A_NUMBER, "response.error(" .. code .. ")")
      end)
    end

    for _, code in ipairs {
      "0", "100", "200", "399", "399.9", "600", "599.5", "-1", "0/0", "1/0",
    } do
      it("the status " .. code, function()
        refused(RANGE, "response.error(" .. code .. ")")
      end)
    end

    it("a status before a message, a message before the headers", function()
      refused(NOT_A_NUMBER, "response.error('404', 1, 1)")
      refused(RANGE, "response.error(200, 1, 1)")
      refused("message must be a nil, a string or a table", "response.error(404, 1, 1)")
      refused("headers must be a nil or table", "response.error(404, 'x', 1)")
    end)

    for _, message in ipairs { "1", "true", "false", "print", "ngx.null", "1LL" } do
      it("the message " .. message, function()
        refused("message must be a nil, a string or a table",
          "response.error(404, " .. message .. ")")
      end)
    end

    it("a message that cannot be encoded", function()
      refused("could not JSON encode the error message: "
        .. "Cannot serialise function: type not supported", "response.error(404, { print })")
      refused("could not JSON encode the error message: "
        .. "Cannot serialise number: must not be NaN or Infinity",
        "response.error(404, { a = 0/0 }, { ['X-A'] = '1' })")
      refused("could not JSON encode the error message: "
        .. "Cannot serialise function: type not supported",
        "response.error(404, { print }, { ['Content-Type'] = 'text/plain' })")
    end)

    it("headers as exit does", function()
      local tail = ", expected string, number, boolean or array of strings"
      refused("headers must be a nil or table", "response.error(404, nil, 'X-A: 1')")
      refused([[invalid header name "1": got number, expected string]],
        "response.error(404, nil, { 'X-A: 1' })")
      refused([[invalid header value for "X-A": got function]] .. tail,
        "response.error(404, nil, { ['X-A'] = print })")
      refused([[invalid header value for "Content-Type": got function]] .. tail,
        "response.error(404, nil, { ['Content-Type'] = print })")
      refused([[invalid header value in array "X-A": got number, expected string]],
        "response.error(404, nil, { ['X-A'] = { 1 } })")
      refused([[invalid header value in array "Content-Type": got number, expected string]],
        "response.error(404, nil, { ['Content-Type'] = { 1 } })")
      refused([[invalid header value for "Content-Length": got "abc", expected a ]]
        .. "non-negative integer", "response.error(404, nil, { ['Content-Length'] = 'abc' })")
    end)

    it("without a position where no frame of the plugin is left", function()
      local r = server:run {
        content = concat(
          "local function tail() return response.error(200) end",
          "local _, called = pcall(response.error, 'x')",
          "local _, tailed = pcall(tail)",
          "ngx.print(called, '\\n', tailed)"
        ),
      }
      assert.equal("code must be a number\ncode must be a number between 400 and 599", r.body)
    end)

    it("a call from a timer", function()
      server:run {
        content = concat(
          "ngx.timer.at(0, function()",
          "  local ok, err = pcall(function()",
          "    response.error(500)",
          "  end)",
          "  note(type(err), err)",
          "end)",
          "ngx.print('content')"
        ),
      }
      assert.same({ "string plugin.lua:3: API disabled in the current context" }, server:noted())
    end)
  end)


  describe("writes", function()
    for accept, kind in pairs {
      ["application/json"] = JSON, ["text/html"] = HTML, ["application/xml"] = XML,
      ["text/plain"] = PLAIN,
    } do
      it("the document for " .. accept, function()
        for _, stage in ipairs { "rewrite", "access", "content", "header_filter" } do
          local r = server:run {
            headers = { "Accept: " .. accept },
            [stage] = "response.error(404, 'lost')",
          }
          assert_document(kind, 404, "lost", r)
        end
      end)

      it("no document to HEAD but its length, for " .. accept, function()
        local r = server:run {
          method = "HEAD",
          headers = { "Accept: " .. accept },
          content = "response.error(404, 'lost')",
        }
        assert.equal(404, r.status)
        assert.same({ kind }, r:values("Content-Type"))
        assert.same({ tostring(#document(kind, "lost", r)) }, r:values("Content-Length"))
      end)

      it("the document over HTTP/2, for " .. accept, function()
        local r = server:run {
          http2 = true,
          headers = { "Accept: " .. accept },
          access = "response.error(503)",
        }
        assert_document(kind, 503, MESSAGES[503], r)
      end)
    end

    it("an empty message where it is empty", function()
      assert_document(JSON, 404, "", server:run { content = "response.error(404, '')" })
    end)

    it("the default message of every status", function()
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

    it("the document of a timeout, which nginx itself answers by hanging up", function()
      for _, stage in ipairs { "access", "content" } do
        assert_document(JSON, 408, "Request timeout",
          server:run { [stage] = "response.error(408)" })
      end
    end)

    it("statuses with a fraction as the whole one", function()
      assert_document(JSON, 404, "Not found", server:run { content = "response.error(404.9)" })
      assert_document(JSON, 598, "The upstream server responded with 598",
        server:run { content = "response.error(598.5)" })
    end)

    it("a table as JSON, which is text then", function()
      local code = [[response.error(400, { message = 'a/<b>&"c"' })]]
      local r = server:run { content = code }
      assert.equal([[{\"message\":\"a\\\/<b>&\\\"c\\\"\"}]], shown(JSON, r))
      r = server:run { content = code, headers = { "Accept: text/html" } }
      assert.equal([[{"message":"a\/&lt;b&gt;&amp;\"c\""}]], shown(HTML, r))
      r = server:run { content = code, headers = { "Accept: application/xml" } }
      assert.equal([[{"message":"a\/&lt;b&gt;&amp;\"c\""}]], shown(XML, r))
      r = server:run { content = code, headers = { "Accept: text/plain" } }
      assert.equal([[{"message":"a\/<b>&\"c\""}]], shown(PLAIN, r))

      assert.equal("{}", shown(JSON, server:run { content = "response.error(400, {})" }))
      assert.equal("[1,2]", shown(JSON, server:run { content = "response.error(400, { 1, 2 })" }))
    end)

    it("nothing of nginx's own pages", function()
      local r = server:run { access = "response.error(404)" }
      assert.is_nil(r.body:find("nginx", 1, true))
    end)
  end)


  describe("escapes the message", function()
    local function message(kind, text)
      local quoted = text:gsub(".", function(byte)
        return ("\\%03d"):format(byte:byte())
      end)
      return shown(kind, server:run {
        headers = { "Accept: " .. kind:match("^[^;]+") },
        content = "response.error(400, '" .. quoted .. "')",
      })
    end

    it("in JSON", function()
      assert.equal([[a\"b\\c\/d\b\t\n\f\r\u0000\u001f\u007f<>&'%s %d %]],
        message(JSON, 'a"b\\c/d\b\t\n\f\r\0\31\127<>&\'%s %d %'))
      assert.equal([[\",\"request_id\":\"forged]], message(JSON, '","request_id":"forged'))
      assert.equal("é€😀", message(JSON, "é€😀"))
      assert.equal("a\239\191\189b", message(JSON, "a\255b"))
    end)

    for name, kind in pairs { HTML = HTML, XML = XML } do
      it("in " .. name, function()
        assert.equal([[a&amp;b&lt;c&gt;d"e'f]] .. "\ng\th% %s %d %%", message(kind,
          [[a&b<c>d"e'f]] .. "\ng\th% %s %d %%"))
        assert.equal("&lt;/message&gt;&lt;script&gt;&amp;lt;",
          message(kind, "</message><script>&lt;"))
        assert.equal("é€😀", message(kind, "é€😀"))
      end)

      it("in " .. name .. ", where bytes no document may hold become U+FFFD", function()
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

    it("not in plain text", function()
      assert.equal([[a&b<c>"d"\/% %s %d]] .. "\r\n\t", message(PLAIN,
        [[a&b<c>"d"\/% %s %d]] .. "\r\n\t"))
    end)
  end)


  describe("negotiates", function()
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

    it("JSON without an Accept", function()
      assert_document(JSON, 404, "lost", server:run { access = "response.error(404, 'lost')" })
    end)

    it("each of the four types", function()
      negotiated {
        { "application/json", JSON },
        { "text/html", HTML },
        { "application/xml", XML },
        { "text/plain", PLAIN },
      }
    end)

    it("by quality, by the order of the header, by our order", function()
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

    it("wildcards", function()
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

    it("the most specific range for each type", function()
      negotiated {
        { "*/*, application/json;q=0.1, text/html;q=0.2, text/plain;q=0.3, application/xml;q=0.4",
          XML },
        { "application/json;q=0.2, application/*;q=0.9, text/html;q=0.5, application/xml;q=0.1",
          HTML },
        { "text/html;level=1;q=0.2, text/html;q=0.8, text/plain;q=0.5", HTML },
        { "text/html;q=0.8, text/html;level=1;q=0.2, text/plain;q=0.5", HTML },
      }
    end)

    it("nothing that has q=0", function()
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

    it("the next type where a wildcard's JSON is excluded", function()
      negotiated { { "application/json;q=0, */*", HTML } }
    end)

    it("JSON where nothing is acceptable", function()
      negotiated {
        { "json", JSON },
        { "image/png", JSON },
        { "text/css, image/*", JSON },
        { "html", JSON },
        { "", JSON },
      }
    end)

    it("without looking at case", function()
      negotiated {
        { "TEXT/HTML", HTML },
        { "Text/Plain;Q=0.9, text/html;q=0.8", PLAIN },
        { "APPLICATION/xml;q=0.2, text/HTML;Q=0.1", XML },
      }
    end)

    it("with white space where it may be", function()
      negotiated {
        { "text/html ; q=0.4 ,\tapplication/xml ;\tq=0.5", XML },
        { ",, text/html ,", HTML },
        { "text/html;;q=0.4, text/plain;q=0.3", HTML },
      }
    end)

    it("without the items that are malformed", function()
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

    it("without other parameters, quoted ones included", function()
      negotiated {
        { [[text/html;foo="a,b", text/plain;q=0.5]], HTML },
        { [[text/plain;q=0.5;x="a, application/xml", text/html;q=0.9]], HTML },
        { [[text/html;x=";q=0.1", text/plain;q=0.5]], HTML },
        { [[text/html;x="\", application/xml", text/plain;q=0.5]], HTML },
        { "text/html;charset=utf-8;q=0.3, text/plain;q=0.4", PLAIN },
      }
    end)

    it("several Accept headers as one list", function()
      negotiated {
        { { "image/png", "text/html" }, HTML },
        { { "text/html;q=0.1", "application/xml;q=0.2" }, XML },
        { { "text/plain", "text/html" }, PLAIN },
        { { "text/html;q=0", "*/*;q=0.1, text/plain;q=0.2" }, PLAIN },
      }
    end)

    it("a long Accept", function()
      negotiated {
        { ("image/png;q=0.1, "):rep(400) .. "text/html;q=0.1", HTML },
        { ("x"):rep(5000) .. ", text/html;q=0.1", HTML },
      }
    end)
  end)


  describe("takes the call's Content-Type", function()
    local function sent(header, accept)
      return server:run {
        headers = { "Accept: " .. (accept or "text/html") },
        access = "response.error(404, 'lost', { " .. header .. ", ['X-A'] = '1' })",
      }
    end

    local function assert_sent(header, kind, value)
      local r = sent(header)
      assert.equal(404, r.status)
      assert.equal(document(kind, "lost", r), r.body)
      assert.same({ value }, r:values("Content-Type"))
      assert.same({ tostring(#r.body) }, r:values("Content-Length"))
      assert.equal("1", r:header("X-A"))
    end

    it("over the request's Accept, exactly as given", function()
      assert_sent("['Content-Type'] = 'application/json'", JSON, "application/json")
      assert_sent("['Content-Type'] = 'text/plain'", PLAIN, "text/plain")
      assert_sent("['Content-Type'] = 'application/xml'", XML, "application/xml")
      assert.equal("text/html", sent("['Content-Type'] = 'text/html'", "text/plain")
        :header("Content-Type"))
    end)

    it("in any spelling of the name", function()
      for _, name in ipairs {
        "content-type", "CONTENT-TYPE", "content_type", "Content_Type", "CONTENT_type",
      } do
        assert_sent("['" .. name .. "'] = 'text/plain'", PLAIN, "text/plain")
      end
    end)

    it("in any case of the type and with parameters", function()
      assert_sent("['Content-Type'] = 'Text/PLAIN; charset=ISO-8859-1'", PLAIN,
        "Text/PLAIN; charset=ISO-8859-1")
      assert_sent("['Content-Type'] = 'APPLICATION/Json ; x=y'", JSON, "APPLICATION/Json ; x=y")
      assert_sent("['Content-Type'] = 'application/xml;charset=utf-8'", XML,
        "application/xml;charset=utf-8")
    end)

    it("as the first item of an array", function()
      assert_sent("['Content-Type'] = { 'text/plain', 'text/html' }", PLAIN, "text/plain")
      assert_sent("content_type = { 'application/xml' }", XML, "application/xml")
    end)

    it("of the spelling that wins, where there are several", function()
      assert_sent("['Content-Type'] = 'application/xml', content_type = 'text/plain'", PLAIN,
        "text/plain")
    end)

    it("and goes by the suffix outside of the four", function()
      assert_sent("['Content-Type'] = 'application/problem+json'", JSON,
        "application/problem+json")
      assert_sent("['Content-Type'] = 'application/vnd.api+JSON; ext=x'", JSON,
        "application/vnd.api+JSON; ext=x")
      assert_sent("['Content-Type'] = 'image/svg+xml'", XML, "image/svg+xml")
      assert_sent("['Content-Type'] = 'application/xhtml+xml; charset=utf-8'", XML,
        "application/xhtml+xml; charset=utf-8")
    end)

    it("and writes plain text for everything else", function()
      for _, kind in ipairs {
        "text/css", "text/csv; header=present", "application/octet-stream", "image/png", "nonsense",
        "application/jsonp", "text/xhtml", "application/html", "json", "a/b+jsonx",
      } do
        assert_sent("['Content-Type'] = '" .. kind .. "'", PLAIN, kind)
      end
    end)

    it("and does not fall over anything odd", function()
      for _, value in ipairs { "''", "5", "true", "{}", "{ '' }", "' '", "';'", "'/'" } do
        local r = sent("['Content-Type'] = " .. value)
        assert.equal(404, r.status)
        assert.is_truthy(r.body:find("lost", 1, true))
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
      end
    end)
  end)


  describe("sends the call's headers", function()
    local function names(r)
      local found = {}
      for _, header in ipairs(r.headers) do
        if header[1]:find("^[Xx]%-") then
          found[#found + 1] = header[1] .. "=" .. header[2]
        end
      end
      return found
    end

    it("in the order of their names", function()
      local r = server:run {
        content = [[
          response.error(404, nil, {
            ["X-e"] = 5, x_d = true, ["x-c"] = { "3", "2" }, ["X-B"] = "2", ["X-a"] = "1",
          })
        ]],
      }
      assert.same({ "X-a=1", "X-B=2", "x-c=3", "x-c=2", "x-d=true", "X-e=5" }, names(r))
    end)

    it("but no Transfer-Encoding", function()
      local r = server:run {
        content = "response.error(404, nil, { ['Transfer-Encoding'] = 'chunked' })",
      }
      assert_document(JSON, 404, "Not found", r)
      assert.is_nil(r:header("Transfer-Encoding"))
      assert.is_string(server:wait_log("(manually setting Transfer%-Encoding%. Ignored%.)"))
    end)

    it("with the Content-Length of the document", function()
      local r = server:run {
        content = "response.error(404, nil, { ['Content-Length'] = '5' })",
      }
      assert_document(JSON, 404, "Not found", r)
      assert.is_string(server:wait_log("(Content%-Length 5 does not match the body's "
        .. #r.body .. " bytes: corrected)"))
    end)

    it("and leaves the caller's table as it was", function()
      server:run {
        content = [[
          local headers = setmetatable({ ["X-A"] = { "1" }, ["Content-Length"] = "7" }, {
            __newindex = function(_, name) note("written", name) end,
          })
          ngx.ctx.headers = headers
          response.error(404, nil, headers)
        ]],
        log = [[
          local seen = {}
          for name, value in pairs(ngx.ctx.headers) do
            seen[#seen + 1] = name .. "=" .. (type(value) == "table" and #value or value)
          end
          table.sort(seen)
          note(table.concat(seen, " "))
        ]],
      }
      assert.same({ "Content-Length=7 X-A=1" }, server:noted())

      server:clear_log()
      server:run {
        content = [[
          local headers = { content_type = { "text/plain", "text/html" } }
          ngx.ctx.headers = headers
          response.error(404, nil, headers)
        ]],
        log = [[
          local headers = ngx.ctx.headers
          note(next(headers, "content_type"), unpack(headers.content_type))
        ]],
      }
      assert.same({ "nil text/plain text/html" }, server:noted())
    end)
  end)


  it("leaves its mark and ends the phase", function()
    for _, stage in ipairs { "rewrite", "access", "content" } do
      server:clear_log()
      server:run {
        [stage] = "response.error(404) note('ran on')",
        log = "note(ngx.ctx.KONG_EXITED, response.get_source())",
      }
      assert.same({ "true exit" }, server:noted())
    end
  end)

  it("runs on in header_filter, over an upstream's answer", function()
    local r = server:run {
      path = "/proxied",
      headers = { "Accept: application/xml" },
      header_filter = "response.error(502) ngx.header['X-B'] = 'behind'",
    }
    assert_document(XML, 502, MESSAGES[502], r)
    assert.equal("behind", r:header("X-B"))
  end)

  it("ends from a coroutine", function()
    local r = server:run {
      access = [[
        coroutine.wrap(function()
          response.error(403, "no")
          note("ran on")
        end)()
        note("ran on")
      ]],
      log = "note('log')",
    }
    assert_document(JSON, 403, "no", r)
    assert.same({ "log" }, server:noted())
  end)
end)
