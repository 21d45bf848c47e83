local hosts = require "spec.support.hosts"


local FUNCTIONS = require("spec.support.module").FUNCTIONS

local FILES = {
  ["error.html"] = "<style>p { width: 50%; } %d %5 %%s %%%%</style>\r\n"
    .. "<p>%s</p><i>%s</i>100%",
  ["error.json"] = '{"text":"%s","id":"%s","share":"5%"}\n',
  ["error.xml"] = "<e><m>%s</m><r>%s</r></e>",
  ["error.txt"] = "%s (%s) \255\0 %",
}

local REQUEST_ID = [[
return { get = function() return ngx.var.http_broken and error("no id") or "from the <module>" end }
]]


hosts.each("the options", {
  files = FILES, add_headers = { ["Request-Id"] = "$request_id" },
}, function(server)

  --- Runs the code, which can use `new` and `dir`.
  local function run(code, request)
    local case = request or {}
    case.access = "local new, dir = require('kong.response.instance').new, '" .. server.dir
      .. "' " .. code
    return server:run(case)
  end


  describe("kong.response.instance.new", function()
    it("returns a table of the thirteen functions", function()
      local r = run [[
        local lines = {}
        for _, instance in ipairs { response, new(), new {}, new { log = ngx.log } } do
          local names = {}
          for name, value in pairs(instance) do
            names[#names + 1] = name
            assert(type(value) == "function", name)
          end
          table.sort(names)
          lines[#lines + 1] = table.concat(names, " ")
        end
        response.exit(200, table.concat(lines, "\n"))
      ]]
      local names = table.concat(FUNCTIONS, " ")
      assert.equal(table.concat({ names, names, names, names }, "\n"), r.body)
    end)

    it("returns tables that share no options", function()
      local r = run [[
        local one, other = new { request_id = function() return "one" end }, new()
        assert(one ~= other and one ~= response and new() ~= other)
        one.exit = nil
        assert(other.exit and response.exit)
        note("apart")
        one.error(404)
      ]]
      assert.same({ "apart" }, r.notes)
      assert.matches('"request_id":"one"', r.body, 1, true)
      r = server:run { access = "response.error(404)" }
      assert.matches('"request_id":"' .. r:header("Request-Id") .. '"', r.body, 1, true)
    end)

    it("returns functions that work as those of kong.response", function()
      local r = run [[
        local instance = new()
        local ok, err = pcall(function()
          instance.exit("x")
        end)
        instance.exit(403, { err = err }, { ["X-A"] = "1" })
      ]]
      assert.equal(403, r.status)
      assert.equal([[{"err":"plugin.lua:3: code must be a number"}]], r.body)
      assert.equal("1", r:header("X-A"))
    end)
  end)


  describe("that are invalid raise an error:", function()
    for options, message in pairs {
      ["{ x = 1 }"] = [[unknown option "x"]],
      ["{ Log = print }"] = [[unknown option "Log"]],
      ["{ log = 5 }"] = [[option "log" must be a function, got number]],
      ["{ log = {} }"] = [[option "log" must be a function, got table]],
      ["{ log = false }"] = [[option "log" must be a function, got boolean]],
      ["{ request_id = 'x' }"] = [[option "request_id" must be a function, got string]],
      ["{ error_templates = 'x' }"] = [[option "error_templates" must be a table, got string]],
      ["{ error_templates = print }"] = [[option "error_templates" must be a table, got function]],
      ["{ error_templates = { json = {} } }"]
        = [[option "error_templates.json" must be a string, got table]],
      ["{ error_templates = { html = 5 } }"]
        = [[option "error_templates.html" must be a string, got number]],
      ["{ error_templates = { xml = true } }"]
        = [[option "error_templates.xml" must be a string, got boolean]],
      ["{ error_templates = { plain = print } }"]
        = [[option "error_templates.plain" must be a string, got function]],
      ["{ worker_events = 'x' }"] = [[option "worker_events" must be a table, got string]],
      ["{ worker_events = print }"] = [[option "worker_events" must be a table, got function]],
      ["{ warnings = 'off' }"] = [[option "warnings" must be a boolean, got string]],
      ["{ max_body_size = '1m' }"] = [[option "max_body_size" must be a number, got string]],
      ["{ max_body_size = false }"] = [[option "max_body_size" must be a number, got boolean]],
      ["{ max_body_size = 0 }"]
        = [[option "max_body_size" must be a positive whole number, got 0]],
      ["{ max_body_size = -1 }"]
        = [[option "max_body_size" must be a positive whole number, got -1]],
      ["{ max_body_size = 1.5 }"]
        = [[option "max_body_size" must be a positive whole number, got 1.5]],
      ["{ max_body_size = 1/0 }"]
        = [[option "max_body_size" must be a positive whole number, got inf]],
      ["{ max_body_size = 2^60 }"]
        = [[option "max_body_size" must be a positive whole number, got 1.1529215046068e+18]],
      ["{ max_body_size = 0/0 }"]
        = [[option "max_body_size" must be a positive whole number, got ]]
          .. tostring(0/0),
    } do
      it(options, function()
        local r = run("local ok, err = pcall(new, " .. options .. ") "
          .. "response.exit(200, type(err) .. ' ' .. err)")
        assert.equal("string ", r.body:sub(1, 7))
        assert.equal(message, r.body:sub(-#message))
      end)
    end

    it("a template with an unknown name", function()
      local r = run [[
        local ok, err = pcall(new, { error_templates = { css = "x" } })
        response.exit(200, tostring(ok) .. " " .. tostring(err))
      ]]
      assert.matches("^false .*error_templates%.css", r.body)
    end)

    it("one invalid option among valid ones", function()
      local r = run [[
        local ok, err = pcall(new, { log = ngx.log, request_id = print, worker_event = {} })
        response.exit(200, err)
      ]]
      assert.matches([[unknown option "worker_event"]], r.body, 1, true)
    end)
  end)


  describe("log", function()
    local TRANSFER = "manually setting Transfer-Encoding. Ignored."

    it("is nginx's log by default", function()
      run [[new().exit(200, "x", { ["Transfer-Encoding"] = "x" })]]
      assert.is_string(server:wait_log("%[warn%][^\n]*(manually setting Transfer%-Encoding)"))
    end)

    it("can be ngx.log", function()
      run [[new { log = ngx.log }.exit(200, "x", { ["Transfer-Encoding"] = "x" })]]
      assert.is_string(server:wait_log("%[warn%][^\n]*(manually setting Transfer%-Encoding)"))
    end)

    it("gets nginx's level and the message, and nginx's log gets nothing", function()
      local r = run [[
        local seen = {}
        ngx.ctx.seen = seen
        local instance = new {
          log = function(...)
            seen[#seen + 1] = table.concat({ select("#", ...), ... }, " ")
          end,
        }
        instance.set_header("Transfer-Encoding", "x")
        instance.add_header("transfer_encoding", "x")
        instance.set_headers { ["TRANSFER-ENCODING"] = "x" }
        note(table.concat(seen, "\n"))
        instance.exit(200, "hello", { ["Content-Length"] = "9", ["Transfer-Encoding"] = "x" })
      ]]
      assert.equal("hello", r.body)
      local lines = {}
      for line = 8, 10 do
        table.insert(lines, "2 5 plugin.lua:" .. line .. ": " .. TRANSFER)
      end
      assert.same({ table.concat(lines, "\n") }, r.notes)
      assert.is_nil(server:log():find("%[warn%]"))
    end)

    it("gets the messages of exit and error", function()
      for _, call in ipairs {
        [[exit(200, "hello", { ["Content-Length"] = "9", ["Transfer-Encoding"] = "x" })]],
        [[error(404, nil, { ["Content-Length"] = "9", ["Transfer-Encoding"] = "x" })]],
      } do
        server:clear_log()
        local r = run([[
          local seen = {}
          ngx.ctx.seen = seen
          new { log = function(level, message) seen[#seen + 1] = level .. " " .. message end }.]]
          .. call, { log = "table.sort(ngx.ctx.seen) note(table.concat(ngx.ctx.seen, '\\n'))" })
        assert.same({
          "5 plugin.lua:3: Content-Length 9 does not match the body's " .. #r.body
            .. " bytes: corrected\n5 plugin.lua:3: " .. TRANSFER,
        }, r.notes)
      end
    end)

    it("can raise, yield or be invalid without harm to the response", function()
      for _, log in ipairs {
        "error('no log')", "error({})", "error()", "ngx.sleep(0)", "coroutine.yield()",
        "return 1, 2, 3", "local t = nil; t.x = 1",
      } do
        local r = run("new { log = function() " .. log .. [[ end }.exit(403, "hello", {
          ["Content-Length"] = "9", ["Transfer-Encoding"] = "x", ["X-A"] = "1",
        })]])
        assert.equal(403, r.status)
        assert.equal("hello", r.body)
        assert.same({ "5" }, r:values("Content-Length"))
        assert.equal("1", r:header("X-A"))
      end
    end)

    it("can raise an error without harm to the setters", function()
      local r = run [[
        local instance = new { log = function() error("no log") end }
        instance.set_header("Transfer-Encoding", "x")
        instance.set_headers { ["Transfer-Encoding"] = "x", ["X-A"] = "1" }
        instance.exit(200, "x")
      ]]
      assert.equal(200, r.status)
      assert.equal("1", r:header("X-A"))
    end)
  end)


  describe("request_id", function()
    local function plain(options, request)
      local case = request or {}
      case.headers = case.headers or { "Accept: text/plain" }
      return run("new { " .. options .. " }.error(404, 'lost')", case)
    end

    it("is nginx's $request_id by default", function()
      local r = plain ""
      assert.equal("lost\nrequest_id: " .. r:header("Request-Id") .. "\n", r.body)
    end)

    it("returns the id", function()
      assert.equal("lost\nrequest_id: abc-1\n",
        plain("request_id = function() return 'abc-1' end").body)
    end)

    it("can return no id", function()
      assert.equal("lost\nrequest_id: \n", plain("request_id = function() end").body)
      assert.equal("lost\nrequest_id: \n", plain("request_id = function() return nil end").body)
      assert.equal("lost\nrequest_id: \n", plain("request_id = function() return '' end").body)
    end)

    it("returns an id that is escaped for its document", function()
      local option = [[request_id = function() return '</p>&"\1\255' end]]
      local function tail(kind)
        local body = plain(option, { headers = { "Accept: " .. kind } }).body
        return body:match("request_id: (.-)</p>\n  </body>") or body:match("<requestid>(.-)</req")
          or body:match("request_id: (.*)\n$")
      end
      assert.equal("&lt;/p&gt;&amp;\"\239\191\189\239\191\189", tail("text/html"))
      assert.equal("&lt;/p&gt;&amp;\"\239\191\189\239\191\189", tail("application/xml"))

      option = [[request_id = function() return '","a":"b\n' end]]
      assert.matches([["request_id":"\",\"a\":\"b\n"]],
        plain(option, { headers = { "Accept: application/json" } }).body, 1, true)
    end)

    it("can raise, yield or be invalid without harm to the response", function()
      for _, code in ipairs {
        "error('no id')", "error({})", "error()", "ngx.sleep(0) return 'x'", "coroutine.yield()",
        "return {}", "return print", "return true", "return 5", "return 'x', 'y'",
        "local t = nil; return t.x",
      } do
        local r = plain("request_id = function() " .. code .. " end")
        assert.equal(404, r.status)
        assert.matches("^lost\nrequest_id: [^\n]*\n$", r.body)
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
      end
    end)

    it("is called in header_filter", function()
      local r = server:run {
        path = "/proxied",
        header_filter = [[
          require("kong.response.instance").new {
            request_id = function() return ngx.var.uri end,
          }.error(404, "lost", { ["Content-Type"] = "text/plain" })
        ]],
      }
      assert.equal("lost\nrequest_id: /proxied\n", r.body)
    end)
  end)


  describe("error_templates", function()
    local TEMPLATES = [[error_templates = {
      html = dir .. "/error.html", json = dir .. "/error.json", xml = dir .. "/error.xml",
      plain = dir .. "/error.txt",
    }, request_id = function() return "r<1>" end]]

    local function written(kind, message, options)
      return run("new { " .. (options or TEMPLATES) .. " }.error(404, " .. message .. ")", {
        headers = { "Accept: " .. kind },
      })
    end

    it("get the message and the request id, escaped", function()
      local message = [['a<b>"c"']]
      assert.equal('{"text":"a<b>\\"c\\"","id":"r<1>","share":"5%"}\n',
        written("application/json", message).body)
      assert.equal('<e><m>a&lt;b&gt;"c"</m><r>r&lt;1&gt;</r></e>',
        written("application/xml", message).body)
      assert.equal('a<b>"c" (r<1>) \255\0 %', written("text/plain", message).body)
    end)

    it("keep every other per cent sign", function()
      local r = written("text/html", "'x'")
      assert.equal("<style>p { width: 50%; } %d %5 %s %%</style>\r\n"
        .. "<p>x</p><i>r&lt;1&gt;</i>100%", r.body)
      assert.equal(404, r.status)
      assert.same({ "text/html; charset=utf-8" }, r:values("Content-Type"))
      assert.same({ tostring(#r.body) }, r:values("Content-Length"))
    end)

    it("do not replace placeholders in the message", function()
      assert.equal("%s %% %1 (r<1>) \255\0 %", written("text/plain", "'%s %% %1'").body)
    end)

    it("get the default message, and tables as JSON", function()
      assert.equal("<e><m>Not found</m><r>r&lt;1&gt;</r></e>",
        written("application/xml", "nil").body)
      assert.equal('<e><m>{"a":"&lt;"}</m><r>r&lt;1&gt;</r></e>',
        written("application/xml", "{ a = '<' }").body)
    end)

    it("replace the document of a given Content-Type", function()
      local r = run("new { " .. TEMPLATES .. [[ }.error(404, "x", {
        ["Content-Type"] = "application/problem+xml",
      })]])
      assert.equal("<e><m>x</m><r>r&lt;1&gt;</r></e>", r.body)
      assert.same({ "application/problem+xml" }, r:values("Content-Type"))
    end)

    it("do not change documents without a template", function()
      local r = written("text/plain", "'lost'",
        "error_templates = { html = dir .. '/error.html' }")
      assert.equal("lost\nrequest_id: " .. r:header("Request-Id") .. "\n", r.body)
    end)

    for name, kind in pairs {
      json = "application/json", html = "text/html", xml = "application/xml", plain = "text/plain",
    } do
      it("are replaced by the built-in " .. name .. " one if the file is missing", function()
        local r = written(kind, "'lost'",
          "error_templates = { " .. name .. " = dir .. '/no." .. name .. "' }")
        assert.equal(404, r.status)
        assert.same({ kind .. "; charset=utf-8" }, r:values("Content-Type"))
        assert.is_truthy(r.body:find("lost", 1, true))
        assert.is_truthy(r.body:find(r:header("Request-Id"), 1, true))
        assert.is_string(server:wait_log("(failed reading the custom " .. name
          .. " error template: file not found)"))
      end)
    end

    it("report a missing file to the option log", function()
      run([[
        ngx.ctx.seen = {}
        new {
          log = function(_, message) table.insert(ngx.ctx.seen, message) end,
          error_templates = { html = dir .. "/none.html" },
        }.error(404, nil, { ["Content-Type"] = "text/html" })
      ]], { log = "note(table.concat(ngx.ctx.seen, '\\n'))" })
      assert.same({ "failed reading the custom html error template: file not found" },
        server:noted())
    end)

    it("are replaced by the built-in one if the path is a folder", function()
      local r = written("text/html", "'lost'", "error_templates = { html = dir }")
      assert.equal(404, r.status)
      assert.matches("<p>lost.</p>", r.body, 1, true)
    end)
  end)


  describe("worker_events", function()
    local OPTIONS = [[{
      worker_events = {
        poll = function(...)
          ngx.ctx.polls = (ngx.ctx.polls or 0) + 1
          ngx.ctx.arguments = select("#", ...)
        end,
      },
    }]]

    local function polls(stage, call)
      server:clear_log()
      return server:run({
        [stage] = "local instance = require('kong.response.instance').new " .. OPTIONS .. call,
        log = "note(ngx.ctx.polls, ngx.ctx.arguments)",
      }).notes
    end

    it("is polled by exit and error in nginx's content phase", function()
      assert.same({ 1, 0 }, polls("content", " instance.exit(200, 'x')"))
      assert.same({ 1, 0 }, polls("content", " instance.error(404)"))
    end)

    it("is polled before any check", function()
      assert.same({ 2, 0 },
        polls("content", " pcall(instance.exit) pcall(instance.error, 200) ngx.print('x')"))
      assert.same({ 1, 0 },
        polls("content", " ngx.print('x') pcall(instance.exit, 200)"))
    end)

    it("is not polled in other phases or by other functions", function()
      for _, stage in ipairs { "rewrite", "access", "header_filter" } do
        assert.same({ "(nil)", "(nil)" }, polls(stage, " instance.exit(200, 'x')"))
        assert.same({ "(nil)", "(nil)" }, polls(stage, " instance.error(404)"))
      end
      assert.same({ "(nil)", "(nil)" }, polls("content",
        " instance.set_status(200) instance.set_header('X-A', '1') ngx.print('x')"))
    end)

    it("can yield", function()
      local r = server:run {
        content = [[
          require("kong.response.instance").new {
            worker_events = { poll = function() ngx.sleep(0.001) end },
          }.exit(403, "no")
        ]],
      }
      assert.equal(403, r.status)
      assert.equal("no", r.body)
    end)

    it("makes the call fail with a string if it raises an error", function()
      for thrown, text in pairs {
        ["{}"] = "(error object is a table value)",
        ["nil"] = "(error object is a nil value)",
        ["'boom'"] = "boom",
      } do
        for _, call in ipairs { "exit(200, 'x')", "error(404)" } do
          local r = server:run {
            content = "local instance = require('kong.response.instance').new { worker_events = "
              .. "{ poll = function() error(" .. thrown .. ", 0) end } } "
              .. "local ok, err = pcall(function() instance." .. call .. " end) "
              .. "response.exit(200, type(err) .. ' ' .. tostring(err))",
          }
          assert.equal("string ", r.body:sub(1, 7))
          assert.equal(":1: " .. text, r.body:sub(-#text - 4))
        end
      end
    end)
  end)
end)


hosts.each("the option request_id in a gateway", {
  files = { ["kong/observability/tracing/request_id.lua"] = REQUEST_ID },
}, function(server)
  it("is the gateway's module by default", function()
    local default = server:run {
      headers = { "Accept: text/html" },
      access = "response.error(404, 'lost')",
    }
    local own = server:run {
      headers = { "Accept: text/plain" },
      access = [[
        require("kong.response.instance").new {
          request_id = function() return "own" end,
        }.error(404, "lost")
      ]],
    }
    local broken = server:run {
      headers = { "Accept: text/plain", "Broken: yes" },
      access = "response.error(404, 'lost')",
    }
    assert.matches("<p>request_id: from the &lt;module&gt;</p>", default.body, 1, true)
    assert.equal("lost\nrequest_id: own\n", own.body)
    assert.matches("^lost\nrequest_id: [^\n]*\n$", broken.body)
  end)
end)
