local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


local FUNCTIONS = {
  "add_header", "clear_header", "error", "exit", "get_header", "get_headers", "get_raw_body",
  "get_source", "get_status", "set_header", "set_headers", "set_raw_body", "set_status",
}

-- A gateway makes its PDK when it starts: one module after the other gets the table that becomes
-- the global `kong`. Its configuration has a metatable, and it gets its log later.
local PDK = [[
local settings = {
  error_template_html = "%{dir}/error.html",
  error_template_plain = "%{dir}/missing.txt",
}
kong.configuration = setmetatable({}, {
  __index = function(_, name) return settings[name] end,
  __newindex = function() error("the configuration cannot be changed") end,
})
for _, name in ipairs { "response" } do
  kong[name] = require("kong.pdk." .. name).new(kong)
end
package.loaded["kong.response"] = kong.response

local function logs(level)
  return function(...)
    ngx.log(ngx.NOTICE, "kong.log.", level, " <<", table.concat({ ... }), ">>")
  end
end
kong.log = setmetatable({ warn = logs("warn"), err = logs("err") }, { __call = logs("notice") })
]]

-- The code of a gateway in access, as one line before the plugin's code.
local ACCESS = ([[
local function gateway(...)
  local ctx = ngx.ctx
  ctx.delay_response = true
  for i = 1, select("#", ...) do
    if not ctx.delayed_response then
      coroutine.wrap(select(i, ...))()
    end
  end
  ctx.delay_response = nil
  if ctx.delayed_response then
    ctx.delayed_response_callback(ctx)
    return
  end
  ctx.KONG_PROXIED = true
end
]]):gsub("%s+", " ")

local REQUEST_ID = [[
return { get = function() return "of the gateway" end }
]]


local function start(options)
  options.gateway = true
  options.servers = [[
    server {
      listen 127.0.0.1:%{chunks_port};
      location / {
        content_by_lua_block {
          for i = 1, 4 do
            ngx.print(("chunk " .. i .. ";"):rep(1000))
            ngx.flush(true)
          end
        }
      }
    }
  ]]
  options.locations = "location /chunks { proxy_pass http://127.0.0.1:%{chunks_port}; }"
  return stages.start(options)
end


served.describe("kong.pdk.response in a gateway", function()
  return start {
    init = PDK,
    files = {
      ["kong/observability/tracing/request_id.lua"] = REQUEST_ID,
      ["cjson.lua"] = "return { array_mt = { of = 'the gateway' } }",
      ["error.html"] = "<b>%s</b> 100%% %s",
    },
  }
end, function(server)
  local function run(case)
    return server:run(case)
  end

  local TELL_SOURCE = "note('source', response.get_source())"


  it("returns a new table for each PDK", function()
    run { content = [[
      local new = require("kong.pdk.response").new
      local one, other = new(kong), new(kong)
      assert(one ~= other and one ~= kong.response)
      for _, instance in ipairs { one, kong.response } do
        local names = {}
        for name, value in pairs(instance) do
          assert(type(value) == "function")
          names[#names + 1] = name
        end
        table.sort(names)
        note(table.concat(names, " "))
      end
      one.exit = nil
      assert(other.exit and kong.response.exit)
      note("apart")
    ]] }
    local names = table.concat(FUNCTIONS, " ")
    assert.same({ names, names, "apart" }, server:noted())
  end)

  it("exits in access at the end of the phase", function()
    local r = run {
      path = "/proxied",
      upstream = "ngx.header['X-Upstream'] = 'yes' ngx.print('upstream')",
      access = ACCESS .. [[
        gateway(function()
          note("first", kong.response == response)
        end, function()
          response.exit(403, { message = "no", list = setmetatable({}, require("cjson").array_mt) },
                        { ["X-Plugin"] = "two" })
          note("ran on")
        end, function()
          note("third")
        end)
      ]],
      header_filter = "note(response.get_status()) response.set_header('X-Later', 'yes')",
      log = TELL_SOURCE,
    }
    assert.equal(403, r.status)
    local fields = { ['{"message":"no","list":[]}'] = true, ['{"list":[],"message":"no"}'] = true }
    assert.is_true(fields[r.body], r.body)
    assert.equal("two", r:header("X-Plugin"))
    assert.equal("yes", r:header("X-Later"))
    assert.is_nil(r:header("X-Upstream"))
    assert.same({ "first", true, 403, "source", "exit" }, r.notes)
  end)

  it("exits in header_filter with a body", function()
    local r = run {
      path = "/chunks",
      access = ACCESS .. "gateway()",
      header_filter = "response.exit(503, { message = 'closed' }) note('ran on')",
      log = TELL_SOURCE,
    }
    assert.equal(503, r.status)
    assert.equal('{"message":"closed"}', r.body)
    assert.equal("20", r:header("Content-Length"))
    assert.same({ "ran on", "source", "exit" }, r.notes)
  end)

  it("sends an error in the client's format", function()
    local case = {
      access = ACCESS .. "gateway(function() response.error(404, 'a < b') end)",
      log = TELL_SOURCE,
    }
    for accept, expected in pairs {
      ["application/json"] = '{\n  "message":"a < b",\n  "request_id":"of the gateway"\n}',
      ["application/xml"] = '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n'
        .. "  <message>a &lt; b</message>\n  <requestid>of the gateway</requestid>\n</error>\n",
      -- the gateway's own template
      ["text/html"] = "<b>a &lt; b</b> 100% of the gateway",
      -- and one that is not there
      ["text/plain"] = "a < b\nrequest_id: of the gateway\n",
    } do
      server:clear_log()
      case.headers = { "Accept: " .. accept }
      local r = run(case)
      assert.equal(404, r.status)
      assert.equal(accept .. "; charset=utf-8", r:header("Content-Type"))
      assert.equal(expected, r.body)
      assert.same({ "source", "exit" }, r.notes)
      if accept == "text/plain" then
        assert.matches("kong.log.err <<failed reading the custom plain error template: "
                       .. "file not found>>", server:log(), 1, true)
      end
    end
  end)

  it("buffers and changes a body of several chunks", function()
    local r = run {
      path = "/chunks",
      access = ACCESS .. "gateway()",
      header_filter = "response.clear_header('Content-Length') " .. TELL_SOURCE,
      body_filter = [[
        ngx.ctx.calls = (ngx.ctx.calls or 0) + 1
        local body = response.get_raw_body()
        if body then
          note(ngx.ctx.calls > 1, ngx.ctx.KONG_BODY_BUFFER)
          response.set_raw_body((body:gsub("chunk", "part")))
        end
      ]],
      log = TELL_SOURCE,
    }
    local parts = {}
    for i = 1, 4 do
      parts[i] = ("part " .. i .. ";"):rep(1000)
    end
    assert.equal(table.concat(parts), r.body)
    assert.same({ "source", "service", true, "(nil)", "source", "service" }, r.notes)
  end)

  it("returns error as the source after an unexpected error", function()
    run {
      access = "ngx.ctx.KONG_UNEXPECTED = true response.error(500)",
      log = TELL_SOURCE,
    }
    assert.same({ "source", "error" }, server:noted())
  end)

  it("names the plugin's line and the phases in errors", function()
    local r = run {
      access = "\nnote(select(2, pcall(function() response.exit('x') end)))",
      body_filter = "note(select(2, pcall(response.set_status, 200)))",
    }
    assert.same({
      "plugin.lua:2: code must be a number",
      "function cannot be called in body_filter phase (only in: rewrite, access, balancer, "
        .. "response, header_filter, error, admin_api)",
    }, { r.notes[1], r.notes[2] })
  end)

  it("uses the gateway's limit of headers", function()
    local r = run { access = [[
      ngx.ctx.KONG_PHASE = 0x200
      for i = 1, 10 do
        ngx.header["X-" .. i] = "1"
      end
      local own = { lua_max_resp_headers = 7 }
      local before = kong.configuration
      kong.configuration = own
      local _, truncated = response.get_headers()
      kong.configuration = before
      local _, all = response.get_headers()
      ngx.ctx.KONG_PHASE = 0x20
      response.exit(200, tostring(truncated) .. " " .. tostring(all))
    ]] }
    assert.equal("truncated nil", r.body)
  end)


  describe("its log", function()
    local WARN = "response.set_header('Transfer-Encoding', 'x')"
    local WARNING = "manually setting Transfer-Encoding. Ignored."

    local function logged(code)
      server:clear_log()
      run { access = code }
      return server:log()
    end

    it("is kong.log if it exists", function()
      assert.matches("kong.log.warn <<plugin.lua:1: " .. WARNING .. ">>", logged(WARN), 1, true)
    end)

    it("is the current kong.log", function()
      local log = logged([[
        local before = kong.log
        kong.log = { warn = function(text) ngx.log(ngx.NOTICE, "mine <<", text, ">>") end }
      ]] .. WARN .. " kong.log = before")
      assert.matches("mine <<plugin.lua:3: " .. WARNING .. ">>", log, 1, true)
      assert.not_matches("kong.log.warn", log, 1, true)
    end)

    it("is nginx's log if kong.log lacks the function", function()
      for _, value in ipairs { "nil", "{}", "'text'", "{ warn = function() error('x') end }" } do
        local log = logged("local before = kong.log kong.log = " .. value .. " " .. WARN
                           .. " kong.log = before")
        assert.matches("%[warn%] [^\n]*" .. WARNING:gsub("%p", "%%%0"), log)
        assert.not_matches("kong.log.warn", log, 1, true)
      end
    end)
  end)


  describe("its worker_events", function()
    local function polls(phase, events, call)
      server:clear_log()
      local case = {}
      case[phase] = "kong.worker_events = " .. events .. " " .. call
      local r = run(case)
      run { access = "kong.worker_events = nil" }
      return r, r.notes
    end

    local EVENTS = "{ poll = function(...) note('polled', select('#', ...)) end }"

    it("are polled in content before exit and error", function()
      for _, call in ipairs { "exit(200, 'x')", "error(404)" } do
        local r, notes = polls("content", EVENTS, "response." .. call)
        assert.is_true(r.status == 200 or r.status == 404)
        assert.same({ "polled", 0 }, notes)
      end
    end)

    it("are not polled in other phases", function()
      local r, notes = polls("access", EVENTS, "response.exit(200, 'x')")
      assert.equal("x", r.body)
      assert.same({}, notes)
    end)

    it("are not polled without a function poll", function()
      for _, events in ipairs { "nil", "{}", "'text'" } do
        local r, notes = polls("content", events, "response.exit(200, 'x')")
        assert.equal("x", r.body)
        assert.same({}, notes)
      end
    end)
  end)
end)


describe("kong.pdk.response without the gateway's modules", function()
  --- The answer to `code`, which has `new`.
  local function answer(options, code, request)
    local r
    local server = start(options)
    local ok, err = pcall(function()
      local case = request or {}
      case.access = "local new = require('kong.pdk.response').new " .. code
      r = server:run(case)
      r.log = server:log()
      r.text = r.body:gsub(("%x"):rep(32), "ID")
    end)
    server:stop()
    assert(ok, err)
    return r
  end

  local JSON = '{\n  "message":"Not found",\n  "request_id":"%s"\n}'

  it("works with an empty PDK or none", function()
    for _, pdk in ipairs { "", "{}", "nil" } do
      local r = answer({}, [[
        local instance = new(]] .. pdk .. [[)
        instance.set_header("Transfer-Encoding", "x")
        instance.error(404)
      ]])
      assert.equal(404, r.status)
      assert.equal(JSON:format("ID"), r.text)
      assert.matches("%[warn%] [^\n]*manually setting Transfer%-Encoding. Ignored.", r.log)
    end
  end)

  it("uses nginx's request id", function()
    local r = answer({ http = "add_header Request-Id $request_id always;" }, "new({}).error(404)")
    assert.matches("^%x+$", r:header("Request-Id"))
    assert.equal(JSON:format(r:header("Request-Id")), r.body)
  end)

  it("works with a module of request ids that fails or has no id", function()
    for module, id in pairs {
      ["error('broken')"] = "ID",
      ["return {}"] = "ID",
      ["return { get = error }"] = "",
      ["return { get = function() end }"] = "",
    } do
      local r = answer({ files = { ["kong/observability/tracing/request_id.lua"] = module } },
                       "new({}).error(404)")
      assert.equal(404, r.status)
      assert.equal(JSON:format(id), r.text, module)
    end
  end)

  it("uses the templates of the PDK or of the global kong", function()
    for code, expected in pairs {
      ["new({ configuration = { error_template_json = paths.own } })"] = "[Not found]",
      ["new({ configuration = {} })"] = JSON:format("ID"),
      ["new({})"] = "(Not found)",
      ["new()"] = "(Not found)",
    } do
      local r = answer({
        files = { ["own.json"] = "[%s]", ["other.json"] = "(%s)" },
        init = [[
          paths = { own = "%{dir}/own.json" }
          kong.configuration = { error_template_json = "%{dir}/other.json" }
        ]],
      }, code .. ".error(404)")
      assert.equal(expected, r.text, code)
    end
  end)

  it("works if the configuration is invalid or raises an error", function()
    for _, configuration in ipairs {
      "'text'", "5", "{ error_template_json = 5 }", "{ error_template_json = {} }",
      "setmetatable({}, { __index = function() error('x') end })",
    } do
      local r = answer({ init = "kong.configuration = 'text'" },
                       "new({ configuration = " .. configuration .. " }).error(404)")
      assert.equal(JSON:format("ID"), r.text, configuration)
    end
  end)

  it("works without the global kong", function()
    nginx.once({
      locations = [[
        location / {
          access_by_lua_block { require("kong.pdk.response").new({}).exit(403, { a = 1 }) }
        }
      ]],
    }, function(server)
      local r = server:get("/")
      assert.equal(403, r.status)
      assert.equal('{"a":1}', r.body)
    end)
  end)
end)
