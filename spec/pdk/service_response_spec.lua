local pdk = require "spec.support.pdk"


local PHASES = "response, header_filter, body_filter, log"
local NOT_BUFFERED = "service body is only available with buffered proxying (see: "
  .. "kong.service.request.enable_buffering function)"

local UPSTREAM = [[
  ngx.status = 203
  ngx.header["X-One"] = "1"
  ngx.header["X-Dup"] = { "a", "b, c" }
  ngx.header["X-List"] = "p, q"
  ngx.header["X-Gone"] = "gone"
  ngx.header["X-Changed"] = "before"
  ngx.header["Content-Type"] = "text/x"
  ngx.print("upstream")
]]


pdk.each("kong.service.response", { both_bindings = true }, function(server)
  it("checks the phase", function()
    local r = server:run { access = [[
      local response = kong.service.response
      for _, name in ipairs {
        "get_status", "get_header", "get_headers", "get_raw_body", "get_body",
      } do
        note(fails(response[name]))
      end
    ]] }
    local text = "function cannot be called in access phase (only in: " .. PHASES .. ")"
    assert.same({ text, text, text, text, text }, r.seen.access)
  end)

  it("raises an error for invalid arguments and unbuffered bodies", function()
    local r = server:run {
      raises = true,
      header_filter = [[
        local response = kong.service.response
        note(fails(response.get_header), fails(response.get_header, 1),
            fails(response.get_headers, "x"), fails(response.get_headers, 0),
            fails(response.get_headers, 1001), fails(response.get_raw_body),
            fails(response.get_body))
        response.get_raw_body()
      ]],
    }
    assert.same({
      "name must be a string", "name must be a string", "max_headers must be a number",
      "max_headers must be >= 1", "max_headers must be <= 1000", NOT_BUFFERED, NOT_BUFFERED,
    }, r.seen.header_filter)
    assert.equal("plugin.lua:6: " .. NOT_BUFFERED, r.errors.header_filter)
  end)

  it("returns the upstream's response without the changes of plugins", function()
    local code = [[
      local response = kong.service.response
      note(response.get_status())
      for _, name in ipairs {
        "X-One", "x_one", "X-Dup", "X-List", "X-Gone", "X-Changed", "X-Added", "Content-Type",
        "X-None",
      } do
        note(response.get_header(name) or false)
      end
    ]]
    local r = server:run {
      upstream = UPSTREAM,
      header_filter = [[
        kong.response.set_status(202)
        kong.response.set_header("X-Changed", "after")
        kong.response.set_header("X-Added", "added")
        kong.response.clear_header("X-Gone")
      ]] .. code,
      log = code,
    }
    local expected = { 203, "1", "1", "a", "p, q", "gone", "before", false, "text/x", false }
    assert.same(expected, r.seen.header_filter)
    assert.same(expected, r.seen.log)
    assert.equal(202, r.status)
  end)

  it("returns headers of the upstream only", function()
    local r = server:run {
      upstream = UPSTREAM,
      header_filter = [[
        kong.response.set_header("X-Changed", "after")
        kong.response.set_header("X-Added", "added")
        kong.response.clear_header("X-Gone")
        local headers = kong.service.response.get_headers()
        local listed = {}
        for name, value in pairs(headers) do
          if name:find("^x%-") then
            listed[name] = value
          end
        end
        note(listed, headers["X-One"], headers.x_one, headers["X-Gone"], headers.x_added == nil,
            headers["X-None"] == nil, headers[1] == nil)
      ]],
    }
    assert.same({
      {
        ["x-one"] = "1", ["x-dup"] = { "a", "b, c" }, ["x-list"] = "p, q",
        ["x-changed"] = "before",
      },
      "1", "1", "gone", true, true, true,
    }, r.seen.header_filter)
  end)

  it("returns headers up to a limit", function()
    local r = server:run {
      upstream = [[
        for i = 1, 150 do
          ngx.header["X-H-" .. i] = tostring(i)
        end
        ngx.print("x")
      ]],
      header_filter = [[
        local function count(...)
          local headers, err = kong.service.response.get_headers(...)
          local n = 0
          for _ in pairs(headers) do
            n = n + 1
          end
          return n <= ((...) or 100) and n > 0, err or "all"
        end
        note(count())
        note(count(10))
        note(count(1000))
        note(kong.service.response.get_header("X-H-150"))
      ]],
    }
    assert.same({ true, "truncated", true, "truncated", true, "all", "150" }, r.seen.header_filter)
  end)

  it("returns nil if no upstream was called", function()
    local code = [[
      local response = kong.service.response
      note(response.get_status() == nil, response.get_header("Content-Type") == nil,
          next(response.get_headers()) == nil)
    ]]
    assert.same({ true, true, true },
      server:run({ port = "content_port", header_filter = code }).seen.header_filter)
    assert.same({ true, true, true }, server:run({
      port = "content_port", header_filter = "kong.response.set_header('X-A', 'b') " .. code,
    }).seen.header_filter)
  end)

  it("returns the status of the last attempt", function()
    local r = server:run { port = "broken_port", log = "note(kong.service.response.get_status())" }
    assert.same({ 502 }, r.seen.log)
  end)

  it("reads buffered responses", function()
    local r = server:run { header_filter = [[
      local ctx = ngx.ctx
      ctx.buffered_proxying, ctx.buffered_status = true, 418
      local response = kong.service.response
      note(response.get_raw_body(), next(response.get_headers()) == nil, response.get_status())
      note(response.get_body())
      ctx.buffered_body = '{"a":1}'
      ctx.buffered_headers = {
        ["Content-Type"] = "application/json", ["X-Dup"] = { "a", "b" }, ["X-Foo"] = "bar",
      }
      note(response.get_raw_body(), response.get_header("x_foo"), response.get_header("X-Dup"),
          response.get_headers()["X-Foo"])
      note(response.get_body())
      ctx.buffered_body = "a=1&a=2&b"
      note(response.get_body("application/x-www-form-urlencoded"))
      note(response.get_body("text/plain"))
      note(response.get_body("application/json"))
      note(fails(response.get_body, "application/x-www-form-urlencoded", 0))
      note(response.get_body("application/json", 0))
    ]] }
    assert.same({
      "", true, 418, nil, "missing content type",
      '{"a":1}', "bar", "a", "bar",
      { a = 1 }, nil, "application/json",
      { a = { "1", "2" }, b = true }, nil, "application/x-www-form-urlencoded",
      nil, "unsupported content type 'text/plain'", "text/plain",
      nil, "invalid json body", "application/json", "max_args must be >= 1",
      nil, "invalid json body", "application/json",
    }, r.seen.header_filter)
  end)
end)
