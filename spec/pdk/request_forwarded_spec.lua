local pdk = require "spec.support.pdk"


pdk.each("kong.request", { both_bindings = true }, function(server)
  describe("forwarded values", function()
    it("are ignored from a client that is not trusted", function()
      local r = server:run {
        path = "/x",
        headers = {
          "Host: host", "X-Forwarded-Proto: https", "X-Forwarded-Host: other:1234",
          "X-Forwarded-Port: 99", "X-Forwarded-Path: /p", "X-Forwarded-Prefix: /q",
        },
        access = [[
          local request = kong.request
          note(request.get_forwarded_scheme(), request.get_forwarded_host(),
              request.get_forwarded_port() == request.get_port(), request.get_forwarded_path(),
              request.get_forwarded_prefix() == nil)
          ngx.ctx.host_port = 443
          note(request.get_forwarded_port())
        ]],
      }
      assert.same({ "http", "host", true, "/x", true, 443 }, r.seen.access)
    end)
  end)
end)


pdk.each("kong.request behind a trusted proxy", {
  description = [[ configuration = { trusted_ips = { "127.0.0.0/8" } }, ]],
}, function(server)
  local CODE = [[
    local request = kong.request
    local port = request.get_forwarded_port()
    note(request.get_forwarded_scheme(), request.get_forwarded_host(),
        port == request.get_port() and "own" or port,
        request.get_forwarded_path(), request.get_forwarded_prefix() or "none")
  ]]

  local function seen(...)
    return server:run { path = "/x?y", access = CODE, headers = { "Host: host", ... } }.seen.access
  end

  it("returns forwarded values", function()
    assert.same({ "https,http", "other.example", 99, "/P?q", "/Q" }, seen(
      "X-Forwarded-Proto: HTTPS,http", "X-Forwarded-Host: Other.Example:1234",
      "X-Forwarded-Port: 99", "X-Forwarded-Path: /P?q", "X-Forwarded-Prefix: /Q"))
    assert.same({ "http", "host", "own", "/x", "none" }, seen())
  end)

  it("takes the first of several headers", function()
    assert.same({ "https", "a", 99, "/P", "/Q" }, seen(
      "X-Forwarded-Proto: https", "X-Forwarded-Host: a:1", "X-Forwarded-Port: 99",
      "X-Forwarded-Path: /P", "X-Forwarded-Prefix: /Q",
      "X-Forwarded-Proto: http", "X-Forwarded-Host: b:2", "X-Forwarded-Port: 98",
      "X-Forwarded-Path: /R", "X-Forwarded-Prefix: /S"))
  end)

  it("has an empty prefix before the router has run", function()
    local code = "note(kong.request.get_forwarded_prefix())"
    local r = server:run { rewrite = code, access = code, log = code }
    assert.same({ { "" }, { nil }, { nil } }, { r.seen.rewrite, r.seen.access, r.seen.log })
  end)

  it("reads the port of X-Forwarded-Host", function()
    assert.same({ "http", "a", 81, "/x", "none" }, seen "X-Forwarded-Host: a:81")
    assert.same({ "http", "a", 81, "/x", "none" }, seen "X-Forwarded-Host: me@a:81")
    assert.same({ "http", "[::1]", 81, "/x", "none" }, seen "X-Forwarded-Host: [::1]:81")
    assert.same({ "http", "[::1]", "own", "/x", "none" }, seen "X-Forwarded-Host: [::1]")
    assert.same({ "http", "a", 81, "/x", "none" },
      seen("X-Forwarded-Host: a:81", "X-Forwarded-Port: none"))
  end)

  it("ignores invalid ports", function()
    for _, port in ipairs { "0", "65536", "-1", "1.5", "0x50", "" } do
      assert.equal("own", seen("X-Forwarded-Port: " .. port)[3])
      assert.equal("own", seen("X-Forwarded-Host: a:" .. port)[3])
    end
    assert.equal(65535, seen("X-Forwarded-Port: 65535")[3])
  end)
end)
