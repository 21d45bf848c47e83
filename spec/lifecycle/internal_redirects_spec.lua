local nginx = require "spec.support.nginx"
local redirects = require "spec.support.redirects"
local served = require "spec.support.served"


served.describe("with internal redirects,", redirects.start, function(server)
  describe("the source and the values of plugins", function()
    it("stay after an exit under error_page with a file", function()
      local r = server:run(redirects.case("/file-page", "kong.response.exit(403)"))
      assert.equal(403, r.status)
      assert.equal("the page", r.body)
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("stay after an exit under error_page with a page in the client's format", function()
      local r = server:run(redirects.case("/named-page",
        "kong.response.exit(403, nil, { ['X-A'] = '1' })",
        { headers = { "Accept: application/xml" } }))
      assert.equal(403, r.status)
      assert.equal("application/xml; charset=utf-8", r:header("Content-Type"))
      assert.matches("<message>Forbidden</message>", r.body, 1, true)
      assert.equal("1", r:header("X-A"))
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("stay after an exit with a body, which no error_page replaces", function()
      local r = server:run(redirects.case("/named-page", "kong.response.exit(403, 'own')"))
      assert.equal("own", r.body)
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("stay with try_files", function()
      local r = server:run(redirects.case("/there"))
      assert.equal("a file", r.body)
      assert.same({ "header_filter error", "log error 200 one shared field" }, r.notes)

      r = server:run(redirects.case("/missing", "note('once')"))
      assert.equal("upstream", r.body)
      assert.same({ "once", "header_filter service", "log service 200 one shared field" }, r.notes)
    end)

    it("stay with ngx.exec, after which the other plugins run", function()
      for _, phase in ipairs { "rewrite", "access" } do
        for _, target in ipairs { "@service", "/?x=1" } do
          local case = redirects.case("/there")
          case.one = {
            [phase] = redirects.SOURCES.access .. " note('one')",
            header_filter = redirects.SOURCES.header_filter,
            log = redirects.SOURCES.log,
          }
          case.two = { [phase] = "note('two') ngx.exec('" .. target .. "')" }
          case.three = { rewrite = "note('rewrite')", access = "note('access')" }
          local r = server:run(case)
          assert.equal("upstream", r.body)
          local expected = { "one", "two", "rewrite", "access" }
          if phase == "access" then
            expected = { "rewrite", "one", "two", "access" }
          end
          expected[5] = "header_filter service"
          expected[6] = "log service 200 one shared field"
          assert.same(expected, r.notes, phase .. " " .. target)
        end
      end
    end)

    it("stay with ngx.exec to a location that responds at once", function()
      local r = server:run(redirects.case("/there", "ngx.exec('/answers')"))
      assert.equal(202, r.status)
      assert.equal("shared", r.body)
      assert.same({ "header_filter exit", "log exit 202 one shared field" }, r.notes)
    end)

    it("stay together with the new location's values in ngx.ctx", function()
      local r = server:run(redirects.case("/fields",
        "ngx.ctx.later = 'earlier' kong.response.exit(403)",
        { three = { log = "note(ngx.ctx.later, ngx.ctx.field)" } }))
      assert.equal(200, r.status)
      assert.equal("fields", r.body)
      assert.same({
        "header_filter exit", "log exit 200 one shared field", "later field",
      }, r.notes)
    end)

    it("are not those of a subrequest", function()
      local r = server:run {
        path = "/content",
        one = {
          rewrite = [[
            if not ngx.is_subrequest then
              kong.ctx.shared.all = "parent's"
              kong.ctx.shared.answer = ngx.location.capture("/sub?mine=sub").body
              note(ngx.ctx.KONG_PHASE, kong.ctx.shared.all)
            else
              note("in sub", kong.ctx.shared.all)
            end
          ]],
        },
        content = "ngx.print(kong.ctx.shared.answer)",
      }
      assert.equal("sub nil", r.body)
      assert.same({ "in sub nil", "16 parent's" }, r.notes)
    end)
  end)


  it("handlers run for a subrequest in the phases that nginx runs for it", function()
    local noted = {}
    for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
      noted[phase] = ("if ngx.ctx.seen ~= %q then ngx.ctx.seen = %q"
        .. " note(ngx.var.uri, %q) end"):format(phase, phase, phase)
    end
    local r = server:run {
      path = "/content", one = noted, content = "ngx.print(ngx.location.capture('/sub').body)",
    }
    assert.equal("nil nil", r.body)
    assert.same({
      "/content rewrite", "/content access",
      "/sub rewrite", "/sub header_filter", "/sub body_filter",
      "/content header_filter", "/content body_filter", "/content log",
    }, r.notes)
  end)


  describe("a handler", function()
    it("does not run again after an exit, or for the first time", function()
      local r = server:run {
        path = "/file-page",
        one = { rewrite = "note('rewrite')", access = "note('one')" },
        two = { access = "note('two') kong.response.exit(403)" },
        three = { access = "note('three')" },
      }
      assert.equal("the page", r.body)
      assert.same({ "rewrite", "one", "two" }, r.notes)
    end)

    it("runs if it belongs to another life cycle", function()
      local case = {
        path = "/other",
        one = { rewrite = "note('rewrite')", access = "kong.response.exit(403)" },
        two = { log = "note(kong.response.get_source())" },
        other = { rewrite = "note('other rewrite')", access = "note('other access')" },
      }
      local r = server:run(case)
      assert.equal("upstream", r.body)
      assert.same({ "rewrite", "other rewrite", "other access", "exit" }, r.notes)

      case.other.access = "kong.response.exit(401, 'other')"
      r = server:run(case)
      assert.equal(401, r.status)
      assert.equal("other", r.body)
      assert.same({ "rewrite", "other rewrite", "exit" }, r.notes)
    end)

    it("does not run again after an error of the upstream", function()
      local r = server:run {
        path = "/fallback",
        one = { rewrite = "note('rewrite')", access = "note('access')" },
      }
      assert.equal("upstream", r.body)
      assert.same({ "rewrite", "access" }, r.notes)
    end)
  end)


  it("an error page has the status 500 if nginx hides the status", function()
    local r = server:run(redirects.case("/hidden-status"))
    assert.equal(500, r.status)
    assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
    assert.same({ "header_filter error", "log error 500 one shared field" }, r.notes)
  end)


  describe("requests", function()
    local PLUGIN = {
      access = [[
        kong.ctx.plugin.id = ngx.var.arg_id
        ngx.sleep(math.random() / 50)
        if ngx.var.arg_id % 2 == 0 then
          kong.response.exit(403)
        end
      ]],
      header_filter = [[
        kong.response.set_header("Content-Length", 20)
        kong.ctx.shared.source = kong.response.get_source()
      ]],
      body_filter = [[
        ngx.arg[1] = ngx.arg[2]
          and ("%-5d%-15s"):format(kong.ctx.plugin.id, kong.ctx.shared.source) or nil
      ]],
    }

    local function expected(id)
      return ("%-5d%-15s"):format(id, id % 2 == 0 and "exit" or "service")
    end

    it("do not mix in sequence on one connection", function()
      local header = server:prepare { one = PLUGIN }
      local connection = server:connect()
      for id = 1, 20 do
        connection:send(("GET /file-page?id=%d HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n")
                        :format(id, header))
        local answer = connection:read { pattern = "\r\n\r\n" .. ("."):rep(20), seconds = 2 }
        assert.equal(expected(id), answer:match("\r\n\r\n(.*)"))
      end
      connection:close()
    end)

    it("do not mix at the same time on one connection", function()
      local number = server:prepare({ one = PLUGIN }):match("%d+")
      local streams = 60

      local function uint(value, bytes)
        local text = {}
        for i = bytes, 1, -1 do
          text[i] = string.char(value % 256)
          value = math.floor(value / 256)
        end
        return table.concat(text)
      end
      local function frame(kind, flags, stream, payload)
        return uint(#payload, 3) .. uint(kind, 1) .. uint(flags, 1) .. uint(stream, 4) .. payload
      end
      local function text(value)
        return uint(#value, 1) .. value
      end

      local parts = { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, "") }
      for id = 1, streams do
        -- :method GET, :scheme http, :path, :authority, case; then the end
        parts[#parts + 1] = frame(1, 5, 2 * id - 1, "\130\134\4" .. text("/file-page?id=" .. id)
          .. "\1" .. text("x") .. "\0" .. text("case") .. text(number))
      end
      local connection = server:connect("h2_port")
      connection:send(table.concat(parts))

      local bodies, ended, received = {}, 0, ""
      local deadline = nginx.now() + 5
      while ended < streams and nginx.now() < deadline do
        received = received .. connection:read { bytes = 1, seconds = 1 }
        while #received >= 9 do
          local a, b, c, kind, flags, _, _, high, low = received:byte(1, 9)
          local length = a * 65536 + b * 256 + c
          if #received < 9 + length then
            break
          end
          local id = (high * 256 + low + 1) / 2
          if kind == 0 then
            bodies[id] = (bodies[id] or "") .. received:sub(10, 9 + length)
          end
          if kind <= 1 and flags % 2 == 1 then
            ended = ended + 1
          end
          received = received:sub(10 + length)
        end
      end
      connection:close()

      for id = 1, streams do
        assert.equal(expected(id), bodies[id])
      end
    end)
  end)


  it("no memory leaks, with and without a log phase", function()
    local remember = [[
      if not rawget(_G, "remembered") then
        rawset(_G, "remembered", setmetatable({}, { __mode = "k" }))
      end
      remembered[ngx.ctx] = true
      kong.response.exit(403)
    ]]
    for _, path in ipairs { "/file-page", "/named-page", "/unlogged", "/" } do
      for _ = 1, 20 do
        local r = server:run { path = path, one = { access = remember } }
        assert.equal(403, r.status)
        assert.is_true(r.ended)
      end
    end
    local r = server:run {
      path = "/content",
      content = [[
        collectgarbage()
        collectgarbage()
        local count = 0
        for _ in pairs(remembered) do
          count = count + 1
        end
        note(count)
      ]],
    }
    assert.same({ "0" }, r.notes)
  end)
end)
