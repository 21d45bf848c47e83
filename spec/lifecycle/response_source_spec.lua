local nginx = require "spec.support.nginx"
local redirects = require "spec.support.redirects"
local served = require "spec.support.served"


served.describe("the source of a response", redirects.start, function(server)
  local function sources(case)
    local r = server:run(case)
    return r.notes[1], r.notes[2], r
  end

  local SLOW = "ngx.sleep(0.3) return"

  it("is service for an upstream with any status", function()
    for _, status in ipairs { 200, 404, 500, 504 } do
      local first, last, r = sources(redirects.case("/", nil, {
        upstream = "ngx.status = " .. status .. " ngx.print('own') return true",
      }))
      assert.equal(status, r.status)
      assert.equal("own", r.body)
      assert.equal("header_filter service", first)
      assert.equal("log service " .. status .. " one shared field", last)
    end
  end)

  it("is error for an upstream that times out, with a page in the client's format", function()
    local case = redirects.case("/named-page", nil, { upstream = SLOW })
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

  it("is error for an upstream that times out or refuses, without a page", function()
    for path, status in pairs { ["/timeout"] = 504, ["/refused"] = 502 } do
      local first, last, r = sources(redirects.case(path, nil, { upstream = SLOW }))
      assert.equal(status, r.status)
      assert.equal("header_filter error", first)
      assert.equal("log error " .. status .. " one shared field", last)
    end
  end)

  it("is service for the last upstream if it responds", function()
    for _, path in ipairs { "/retried", "/fallback" } do
      local first, last, r = sources(redirects.case(path))
      assert.equal("upstream", r.body)
      assert.equal("header_filter service", first)
      assert.equal("log service 200 one shared field", last)
    end
  end)

  it("is service for an upstream's error that nginx replaces", function()
    local first, last, r = sources(redirects.case("/intercepted", nil, {
      upstream = "ngx.status = 500 ngx.print('own') return true",
    }))
    assert.equal(500, r.status)
    assert.equal("the page", r.body)
    assert.equal("header_filter service", first)
    assert.equal("log service 500 one shared field", last)
  end)

  it("is service for a file that the upstream names", function()
    local first, last, r = sources(redirects.case("/", nil, {
      upstream = "ngx.header['X-Accel-Redirect'] = '/page.html' return true",
    }))
    assert.equal(200, r.status)
    assert.equal("the page", r.body)
    assert.equal("header_filter service", first)
    assert.equal("log service 200 one shared field", last)
  end)

  it("is error if an upstream only sends the error page", function()
    local first, last, r = sources(redirects.case("/proxied-page"))
    assert.equal(502, r.status)
    assert.equal("upstream", r.body)
    assert.equal("header_filter error", first)
    assert.equal("log error 502 one shared field", last)
  end)

  it("is service for a response of the cache", function()
    local case = redirects.case("/cached", nil, { upstream = "note('asked')" })
    assert.same({
      "asked", "header_filter service", "log service 200 one shared field",
    }, server:run(case).notes)
    assert.same({ "header_filter service", "log service 200 one shared field" },
      server:run(case).notes)
  end)

  it("is error for a location of Lua code, unless the code sets KONG_PROXIED", function()
    local case = redirects.case("/content", nil, { content = "ngx.print('x')" })
    assert.equal("header_filter error", (sources(case)))
    case.content = "ngx.ctx.KONG_PROXIED = true ngx.print('x')"
    assert.equal("header_filter service", (sources(case)))
  end)

  it("is error for a request that nginx refuses before the plugins", function()
    local r = server:run {
      path = "/small",
      body = "too large",
      one = { rewrite = "note('rewrite')", access = "note('access')", log = redirects.SOURCES.log },
      headers = { "Accept: text/plain" },
    }
    assert.equal(413, r.status)
    assert.equal("Payload too large\n", r.body:match("^[^\n]*\n"))
    assert.same({ "log error 413 nil nil nil" }, r.notes)
  end)

  it("is error for a malformed request", function()
    local header = server:prepare { one = { log = redirects.SOURCES.log } }
    server:clear_log()
    local connection = server:connect()
    connection:send("GET / HTTP/1.1\r\n" .. header .. "\r\n\r\n")
    local answer = connection:read()
    connection:close()
    assert.matches("^HTTP/1.1 400 ", answer)
    assert.equal("log error 400 nil nil nil", server:wait_log("noted <<(.-)>>"))
  end)

  it("is error if the client hangs up", function()
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
