local documents = require "spec.support.error_documents"
local hosts = require "spec.support.hosts"


local JSON, XML, PLAIN = documents.JSON, documents.XML, documents.PLAIN
local MESSAGES = documents.MESSAGES
local assert_document = documents.check
local document = documents.document


hosts.each("error", {
  gateway = true, add_headers = { ["Request-Id"] = "$request_id" },
}, function(server)
  describe("with a Content-Type in the call", function()
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

    it("prefers it to the request's Accept, and sends it unchanged", function()
      assert_sent("['Content-Type'] = 'application/json'", JSON, "application/json")
      assert_sent("['Content-Type'] = 'text/plain'", PLAIN, "text/plain")
      assert_sent("['Content-Type'] = 'application/xml'", XML, "application/xml")
      assert.equal("text/html", sent("['Content-Type'] = 'text/html'", "text/plain")
        :header("Content-Type"))
    end)

    it("finds it in any spelling of the name", function()
      for _, name in ipairs {
        "content-type", "CONTENT-TYPE", "content_type", "Content_Type", "CONTENT_type",
      } do
        assert_sent("['" .. name .. "'] = 'text/plain'", PLAIN, "text/plain")
      end
    end)

    it("matches the type in any case and with parameters", function()
      assert_sent("['Content-Type'] = 'Text/PLAIN; charset=ISO-8859-1'", PLAIN,
        "Text/PLAIN; charset=ISO-8859-1")
      assert_sent("['Content-Type'] = 'APPLICATION/Json ; x=y'", JSON, "APPLICATION/Json ; x=y")
      assert_sent("['Content-Type'] = 'application/xml;charset=utf-8'", XML,
        "application/xml;charset=utf-8")
    end)

    it("uses the first item of an array", function()
      assert_sent("['Content-Type'] = { 'text/plain', 'text/html' }", PLAIN, "text/plain")
      assert_sent("content_type = { 'application/xml' }", XML, "application/xml")
    end)

    it("uses the spelling that wins if there are several", function()
      assert_sent("['Content-Type'] = 'application/xml', content_type = 'text/plain'", PLAIN,
        "text/plain")
    end)

    it("chooses the document by the suffix of other types", function()
      assert_sent("['Content-Type'] = 'application/problem+json'", JSON,
        "application/problem+json")
      assert_sent("['Content-Type'] = 'application/vnd.api+JSON; ext=x'", JSON,
        "application/vnd.api+JSON; ext=x")
      assert_sent("['Content-Type'] = 'image/svg+xml'", XML, "image/svg+xml")
      assert_sent("['Content-Type'] = 'application/xhtml+xml; charset=utf-8'", XML,
        "application/xhtml+xml; charset=utf-8")
    end)

    it("writes plain text for every other type", function()
      for _, kind in ipairs {
        "text/css", "text/csv; header=present", "application/octet-stream", "image/png", "nonsense",
        "application/jsonp", "text/xhtml", "application/html", "json", "a/b+jsonx",
      } do
        assert_sent("['Content-Type'] = '" .. kind .. "'", PLAIN, kind)
      end
    end)

    it("accepts malformed types", function()
      for _, value in ipairs { "''", "5", "true", "{}", "{ '' }", "' '", "';'", "'/'" } do
        local r = sent("['Content-Type'] = " .. value)
        assert.equal(404, r.status)
        assert.is_truthy(r.body:find("lost", 1, true))
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
      end
    end)
  end)


  describe("with headers in the call", function()
    it("sends them in the order of their names", function()
      local r = server:run {
        content = [[
          response.error(404, nil, {
            ["X-e"] = 5, x_d = true, ["x-c"] = { "3", "2" }, ["X-B"] = "2", ["X-a"] = "1",
          })
        ]],
      }
      assert.same({ "X-a=1", "X-B=2", "x-c=3", "x-c=2", "x-d=true", "X-e=5" }, r:own_headers("="))
    end)

    it("sends no Transfer-Encoding", function()
      local r = server:run {
        content = "response.error(404, nil, { ['Transfer-Encoding'] = 'chunked' })",
      }
      assert_document(JSON, 404, "Not found", r)
      assert.is_nil(r:header("Transfer-Encoding"))
      assert.is_string(server:wait_log("(manually setting Transfer%-Encoding%. Ignored%.)"))
    end)

    it("sends the Content-Length of the document", function()
      local r = server:run {
        content = "response.error(404, nil, { ['Content-Length'] = '5' })",
      }
      assert_document(JSON, 404, "Not found", r)
      assert.is_string(server:wait_log("(Content%-Length 5 does not match the body's "
        .. #r.body .. " bytes: corrected)"))
    end)

    it("does not change the caller's table", function()
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
      assert.same({ "(nil)", "text/plain", "text/html" }, server:noted())
    end)
  end)


  it("sets ngx.ctx.KONG_EXITED and ends the phase", function()
    for _, stage in ipairs { "rewrite", "access", "content" } do
      server:clear_log()
      server:run {
        [stage] = "response.error(404) note('ran on')",
        log = "note(ngx.ctx.KONG_EXITED, response.get_source())",
      }
      assert.same({ true, "exit" }, server:noted())
    end
  end)


  it("returns in header_filter and replaces the upstream's response", function()
    local r = server:run {
      path = "/proxied",
      headers = { "Accept: application/xml" },
      header_filter = "response.error(502) ngx.header['X-B'] = 'behind'",
    }
    assert_document(XML, 502, MESSAGES[502], r)
    assert.equal("behind", r:header("X-B"))
  end)


  it("ends the phase from a coroutine", function()
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
    assert.same({ "log" }, r.notes)
  end)
end)
