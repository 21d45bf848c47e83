local lifecycle = require "spec.support.lifecycle"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local H = lifecycle.HANDLERS

local SOURCES = {
  access = "kong.ctx.plugin.mine = 'one' kong.ctx.shared.all = 'shared' ngx.ctx.field = 'field'",
  header_filter = "note('header_filter', kong.response.get_source())",
  log = [[
    note("log", kong.response.get_source(), kong.response.get_status(), kong.ctx.plugin.mine,
         kong.ctx.shared.all, ngx.ctx.field)
  ]],
}

served.describe("internal redirects", function()
  return lifecycle.start {
    http = [[
      proxy_http_version 1.1;
      proxy_next_upstream_tries 2;
      proxy_cache_path %{dir}/cache keys_zone=cache:1m;
      proxy_cache_valid 200 1m;
      upstream retried {
        server 127.0.0.1:%{refused_port};
        server 127.0.0.1:%{upstream_port} backup;
      }
    ]],
    files = {
      ["html/page.html"] = "the page",
      ["html/there"] = "a file",
      ["html/down"] = "upstream is down",
    },
    init = [[
      other = require("kong.response.lifecycle").new {
        { plugin = require("plugins").plugin("other", 1) },
      }
    ]],
    locations = [[
      root %{dir}/html;

      location = /other {
        error_page 403 @other;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @other {
        rewrite_by_lua_block { other.rewrite() }
        access_by_lua_block { other.access() }
        proxy_pass http://127.0.0.1:%{upstream_port};
      }

      location = /file-page {
        error_page 403 404 /page.html;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /page.html {
        internal;
        default_type text/html;
        ]] .. H .. [[
      }
      location = /named-page {
        error_page 403 502 504 @page;
        ]] .. H .. [[
        proxy_read_timeout 100ms;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /hidden-status {
        error_page 502 = @page;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location @page {
        content_by_lua_block {
          -- what was kept must outlive the redirect
          collectgarbage()
          collectgarbage()
          lifecycle.error_page()
        }
      }
      location /there {
        ]] .. H .. [[
        try_files $uri @service;
      }
      location /missing {
        ]] .. H .. [[
        try_files $uri @service;
      }
      location @service {
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /fields {
        error_page 403 @fields;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @fields {
        content_by_lua_block {
          ngx.ctx.later = "later"
          ngx.ctx.KONG_PHASE = nil
          require("kong.response").exit(200, "fields")
        }
      }
      location = /unlogged {
        error_page 403 @unlogged;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @unlogged {
        log_by_lua_block { ngx.log(ngx.NOTICE, "ended <<", ngx.var.http_case, ">>") }
        header_filter_by_lua_block { }
        body_filter_by_lua_block { }
        return 403;
      }
      location = /answers {
        content_by_lua_block {
          kong.response.exit(202, kong.ctx.shared.all)
        }
      }
      location = /sub {
        ]] .. H .. [[
        content_by_lua_block {
          ngx.print(ngx.var.arg_mine, " ", tostring(kong.ctx.shared.all))
        }
      }
      location = /timeout {
        ]] .. H .. [[
        proxy_read_timeout 100ms;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /refused {
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location = /retried {
        ]] .. H .. [[
        proxy_pass http://retried;
      }
      location = /fallback {
        ]] .. H .. [[
        error_page 502 = @service;
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location = /proxied-page {
        ]] .. H .. [[
        error_page 502 @proxied-page;
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location @proxied-page {
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /intercepted {
        ]] .. H .. [[
        proxy_intercept_errors on;
        error_page 500 /page.html;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /cached {
        ]] .. H .. [[
        proxy_cache cache;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /small {
        error_page 413 @page;
        client_max_body_size 5;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
    ]],
  }
end, function(server)
  local function run(case)
    return server:run(case)
  end

  --- A case whose plugin `one` remembers and tells what it remembers, and whose plugin `two` runs
  -- `code` in access.
  local function telling(path, code, more)
    local case = { path = path, one = SOURCES, two = code and { access = code } }
    for key, value in pairs(more or {}) do
      case[key] = value
    end
    return case
  end


  describe("keep the source and what plugins know", function()
    it("after an exit under error_page with a file", function()
      local r = run(telling("/file-page", "kong.response.exit(403)"))
      assert.equal(403, r.status)
      assert.equal("the page", r.body)
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("after an exit under error_page with a page in the client's format", function()
      local r = run(telling("/named-page", "kong.response.exit(403, nil, { ['X-A'] = '1' })", {
        headers = { "Accept: application/xml" },
      }))
      assert.equal(403, r.status)
      assert.equal("application/xml; charset=utf-8", r:header("Content-Type"))
      assert.matches("<message>Forbidden</message>", r.body, 1, true)
      assert.equal("1", r:header("X-A"))
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("after an exit with a body, which no error_page replaces", function()
      local r = run(telling("/named-page", "kong.response.exit(403, 'own')"))
      assert.equal("own", r.body)
      assert.same({ "header_filter exit", "log exit 403 one shared field" }, r.notes)
    end)

    it("with try_files", function()
      local r = run(telling("/there"))
      assert.equal("a file", r.body)
      assert.same({ "header_filter error", "log error 200 one shared field" }, r.notes)

      r = run(telling("/missing", "note('once')"))
      assert.equal("upstream", r.body)
      assert.same({ "once", "header_filter service", "log service 200 one shared field" }, r.notes)
    end)

    it("with ngx.exec, behind which the other plugins run", function()
      for _, phase in ipairs { "rewrite", "access" } do
        for _, target in ipairs { "@service", "/?x=1" } do
          local case = telling("/there")
          case.one = {
            [phase] = SOURCES.access .. " note('one')",
            header_filter = SOURCES.header_filter,
            log = SOURCES.log,
          }
          case.two = { [phase] = "note('two') ngx.exec('" .. target .. "')" }
          case.three = { rewrite = "note('rewrite')", access = "note('access')" }
          local r = run(case)
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

    it("with ngx.exec to a location that answers at once", function()
      local r = run(telling("/there", "ngx.exec('/answers')"))
      assert.equal(202, r.status)
      assert.equal("shared", r.body)
      assert.same({ "header_filter exit", "log exit 202 one shared field" }, r.notes)
    end)

    it("and what the new location has put into ngx.ctx", function()
      local r = run(telling("/fields", "ngx.ctx.later = 'earlier' kong.response.exit(403)", {
        three = { log = "note(ngx.ctx.later, ngx.ctx.field)" },
      }))
      assert.equal(200, r.status)
      assert.equal("fields", r.body)
      assert.same({
        "header_filter exit", "log exit 200 one shared field", "later field",
      }, r.notes)
    end)

    it("but a subrequest has its own", function()
      local r = run {
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


  describe("do not run a handler twice", function()
    it("after an exit, not even those that have not run", function()
      local r = run {
        path = "/file-page",
        one = { rewrite = "note('rewrite')", access = "note('one')" },
        two = { access = "note('two') kong.response.exit(403)" },
        three = { access = "note('three')" },
      }
      assert.equal("the page", r.body)
      assert.same({ "rewrite", "one", "two" }, r.notes)
    end)

    it("but run those of another life cycle, for they may guard what follows", function()
      local case = {
        path = "/other",
        one = { rewrite = "note('rewrite')", access = "kong.response.exit(403)" },
        two = { log = "note(kong.response.get_source())" },
        other = { rewrite = "note('other rewrite')", access = "note('other access')" },
      }
      local r = run(case)
      assert.equal("upstream", r.body)
      assert.same({ "rewrite", "other rewrite", "other access", "exit" }, r.notes)

      case.other.access = "kong.response.exit(401, 'other')"
      r = run(case)
      assert.equal(401, r.status)
      assert.equal("other", r.body)
      assert.same({ "rewrite", "other rewrite", "exit" }, r.notes)
    end)

    it("after an error of the upstream's", function()
      local r = run {
        path = "/fallback",
        one = { rewrite = "note('rewrite')", access = "note('access')" },
      }
      assert.equal("upstream", r.body)
      assert.same({ "rewrite", "access" }, r.notes)
    end)
  end)


  describe("and the source of a response", function()
    local function sources(case)
      local r = run(case)
      return r.notes[1], r.notes[2], r
    end

    local SLOW = "ngx.sleep(0.3) return"

    it("of an upstream is service, whatever its status", function()
      for _, status in ipairs { 200, 404, 500, 504 } do
        local first, last, r = sources(telling("/", nil, {
          upstream = "ngx.status = " .. status .. " ngx.print('own') return true",
        }))
        assert.equal(status, r.status)
        assert.equal("own", r.body)
        assert.equal("header_filter service", first)
        assert.equal("log service " .. status .. " one shared field", last)
      end
    end)

    it("of an upstream that times out is error, with a page in the client's format", function()
      local case = telling("/named-page", nil, { upstream = SLOW })
      for _, format in ipairs {
        { "application/json", '"message":"The upstream server is timing out"' },
        { "text/html", "<p>The upstream server is timing out.</p>" },
        { "text/plain", "The upstream server is timing out\n" },
      } do
        case.headers = { "Accept: " .. format[1] }
        local first, last, r = sources(case)
        assert.equal(504, r.status)
        assert.equal(format[1] .. "; charset=utf-8", r:header("Content-Type"))
        assert.matches(format[2], r.body, 1, true)
        assert.equal("header_filter error", first)
        assert.equal("log error 504 one shared field", last)
      end
    end)

    it("of an upstream that times out or refuses is error without a page, too", function()
      for path, status in pairs { ["/timeout"] = 504, ["/refused"] = 502 } do
        local first, last, r = sources(telling(path, nil, { upstream = SLOW }))
        assert.equal(status, r.status)
        assert.equal("header_filter error", first)
        assert.equal("log error " .. status .. " one shared field", last)
      end
    end)

    it("of the upstream that answers in the end is service", function()
      for _, path in ipairs { "/retried", "/fallback" } do
        local first, last, r = sources(telling(path))
        assert.equal("upstream", r.body)
        assert.equal("header_filter service", first)
        assert.equal("log service 200 one shared field", last)
      end
    end)

    it("of an upstream's error that nginx replaces is service", function()
      local first, last, r = sources(telling("/intercepted", nil, {
        upstream = "ngx.status = 500 ngx.print('own') return true",
      }))
      assert.equal(500, r.status)
      assert.equal("the page", r.body)
      assert.equal("header_filter service", first)
      assert.equal("log service 500 one shared field", last)
    end)

    it("of a file that the upstream points to is service", function()
      local first, last, r = sources(telling("/", nil, {
        upstream = "ngx.header['X-Accel-Redirect'] = '/page.html' return true",
      }))
      assert.equal(200, r.status)
      assert.equal("the page", r.body)
      assert.equal("header_filter service", first)
      assert.equal("log service 200 one shared field", last)
    end)

    it("is error where an upstream only has the error page", function()
      local first, last, r = sources(telling("/proxied-page"))
      assert.equal(502, r.status)
      assert.equal("upstream", r.body)
      assert.equal("header_filter error", first)
      assert.equal("log error 502 one shared field", last)
    end)

    it("of a cache is service", function()
      local case = telling("/cached", nil, { upstream = "note('asked')" })
      assert.same({
        "asked", "header_filter service", "log service 200 one shared field",
      }, run(case).notes)
      assert.same({ "header_filter service", "log service 200 one shared field" }, run(case).notes)
    end)

    it("is error for a location of its own, unless that says otherwise", function()
      local case = telling("/content", nil, { content = "ngx.print('x')" })
      assert.equal("header_filter error", (sources(case)))
      case.content = "ngx.ctx.KONG_PROXIED = true ngx.print('x')"
      assert.equal("header_filter service", (sources(case)))
    end)

    it("is error for what nginx refuses before the plugins", function()
      local r = run {
        path = "/small",
        body = "too large",
        one = { rewrite = "note('rewrite')", access = "note('access')", log = SOURCES.log },
        headers = { "Accept: text/plain" },
      }
      assert.equal(413, r.status)
      assert.equal("Payload too large\n", r.body:match("^[^\n]*\n"))
      assert.same({ "log error 413 nil nil nil" }, r.notes)
    end)

    it("is error for what is no request", function()
      local header = server:prepare { one = { log = SOURCES.log } }
      server:clear_log()
      local connection = server:connect()
      connection:send("GET / HTTP/1.1\r\n" .. header .. "\r\n\r\n")
      local answer = connection:read()
      connection:close()
      assert.matches("^HTTP/1.1 400 ", answer)
      assert.equal("log error 400 nil nil nil", server:wait_log("noted <<(.-)>>"))
    end)

    it("is error for a client that does not wait", function()
      local header = server:prepare {
        one = { log = "note(kong.response.get_source(), ngx.status)" },
        upstream = SLOW,
      }
      server:clear_log()
      local connection = server:connect()
      connection:send("GET / HTTP/1.1\r\nHost: x\r\n" .. header .. "\r\n\r\n")
      nginx.sleep(0.1)
      connection:close()
      assert.equal("error 499", server:wait_log("noted <<(.-)>>"))
    end)
  end)


  it("let a page answer with 500 where nginx hides the status", function()
    local r = run(telling("/hidden-status"))
    assert.equal(500, r.status)
    assert.matches('"message":"An unexpected error occurred"', r.body, 1, true)
    assert.same({ "header_filter error", "log error 500 one shared field" }, r.notes)
  end)


  describe("never mix up requests", function()
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

    it("one after the other on a connection", function()
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

    it("at the same time on a connection", function()
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


  it("leave nothing behind, with a log phase and without", function()
    local remember = [[
      if not rawget(_G, "remembered") then
        rawset(_G, "remembered", setmetatable({}, { __mode = "k" }))
      end
      remembered[ngx.ctx] = true
      kong.response.exit(403)
    ]]
    for _, path in ipairs { "/file-page", "/named-page", "/unlogged", "/" } do
      for _ = 1, 20 do
        local r = run { path = path, one = { access = remember } }
        assert.equal(403, r.status)
        assert.is_true(r.ended)
      end
    end
    local r = run {
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
