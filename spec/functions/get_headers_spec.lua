local hosts = require "spec.support.hosts"


--- Upstream code for a response of `count` headers: Content-Type, Content-Length and Connection,
-- which nginx makes and counts, and X-H-1, X-H-2, ….
local function upstream_with(count)
  return "for i = 1, " .. count - 3 .. [[ do
      ngx.header["X-H-" .. i] = tostring(i)
    end
    ngx.header["Content-Length"] = 4
    ngx.print("body")
  ]]
end


-- how many headers are there, and the second value
local COUNT = [[
  local function count(...)
    local headers, err = response.get_headers(...)
    local n = 0
    for name in pairs(headers) do
      n = n + 1
    end
    return n, err or false
  end
]]


local OPTIONS = {
  gateway = true,
  both_bindings = true,
  upstream_underscores = true,
  files = { ["compare.lua"] = [[
  local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
      return a == b
    end
    for key, value in pairs(a) do
      if not same(value, rawget(b, key)) then
        return false
      end
    end
    for key in pairs(b) do
      if rawget(a, key) == nil then
        return false
      end
    end
    return true
  end
  return { same = same }
]] },
}


hosts.each("reading the headers", OPTIONS, function(server)
  local function run(case)
    return server:run(case)
  end


  describe("get_headers()", function()
    it("raises an error if the limit is not a number from 1 to 1000", function()
      local r = run { raises = true, header_filter = [[
        for _, max in ipairs { "10", true, {}, print, ngx.null, 10LL } do
          note(fails(response.get_headers, max))
        end
        note(fails(response.get_headers, false))
        for _, max in ipairs { 0, -1, 0.9, -1/0, 1001, 1000.1, 1e300, 1/0 } do
          note(fails(response.get_headers, max))
        end
        for _, max in ipairs { 1, 2, 999, 1000 } do
          note(fails(response.get_headers, max))
        end
        note(fails(response.get_headers, nil))
        local headers = response.get_headers(0)
        return headers
      ]] }
      local expected = {}
      local function add(message, times)
        for _ = 1, times do
          expected[#expected + 1] = message
        end
      end
      add("max_headers must be a number", 7)
      add("max_headers must be >= 1", 4)
      add("max_headers must be <= 1000", 4)
      add(false, 5)
      assert.same(expected, r.seen.header_filter)
      assert.equal("plugin.lua:12: max_headers must be >= 1", r.errors.header_filter)
    end)

    it("returns each header under its lower-case name", function()
      local r = run {
        upstream = [[
          ngx.header["X-Custom-Header"] = "bla"
          ngx.header["X-Another"] = { "foo bar", "baz", "foo bar" }
          ngx.header["Content-Type"] = "text/html"
          ngx.header["Content-Length"] = 4
          ngx.print("body")
        ]],
        header_filter = "return response.get_headers()",
      }
      assert.same({ {
        ["x-custom-header"] = "bla",
        ["x-another"] = { "foo bar", "baz", "foo bar" },
        ["content-type"] = "text/html",
        ["content-length"] = "4",
        connection = "keep-alive",
      } }, r.seen.header_filter)
    end)

    it("returns a table that finds every spelling of a name", function()
      local r = run {
        upstream = [[
          ngx.header["X-Custom-Header"] = "bla"
          ngx.header["X-Another"] = { "foo bar", "baz" }
          ngx.print("body")
        ]],
        header_filter = [[
          local headers = response.get_headers()
          return headers.x_custom_header, headers["X-Custom-Header"], headers["x-custom-header"],
            headers.X_CUSTOM_HEADER, headers.x_another[1], headers["X-Another"][2],
            headers["X-None"] == nil, headers.x_none == nil, headers[1] == nil,
            headers[true] == nil, headers[""] == nil
        ]],
      }
      assert.same({ "bla", "bla", "bla", "bla", "foo bar", "baz", true, true, true, true, true },
        r.seen.header_filter)
    end)

    it("distinguishes an underscore in the upstream's name from a dash", function()
      local r = run {
        upstream = [[
          ngx.header["X_Both"] = "underscore"
          ngx.header["X-Both"] = "dash"
          ngx.header["X_Only"] = "underscore"
          ngx.print("body")
        ]],
        header_filter = [[
          local headers = response.get_headers()
          note(rawget(headers, "x_both"), rawget(headers, "x-both"), rawget(headers, "x_only"))
          note(headers.x_both, headers.X_Both, headers["X-Both"], headers.X_Only,
            headers["X-Only"] == nil)
        ]],
      }
      assert.same({
        "underscore", "dash", "underscore",
        "underscore", "underscore", "dash", "underscore", true,
      }, r.seen.header_filter)
    end)

    it("returns a hundred headers by default", function()
      local r = run {
        upstream = upstream_with(100),
        header_filter = COUNT .. "note(count()) note(select('#', response.get_headers(nil)))",
      }
      assert.equal(100, r.seen.header_filter[1])
      assert.is_false(r.seen.header_filter[2])

      r = run {
        upstream = upstream_with(101),
        header_filter = COUNT .. [[
          note(count())
          note(count(nil))
          local headers = response.get_headers()
          note(headers["content-length"], headers.connection, headers["x-h-1"])
        ]],
      }
      assert.same({ 100, "truncated", 100, "truncated", "4", "keep-alive", "1" },
        r.seen.header_filter)
    end)

    it("returns at most as many headers as the limit", function()
      local r = run {
        upstream = upstream_with(300),
        header_filter = COUNT .. [[
          for _, max in ipairs { 5, 99, 299, 300, 301, 1000 } do
            note(count(max))
          end
          local headers, err = response.get_headers(1)
          note(next(headers) ~= nil, err)
        ]],
      }
      assert.same({
        5, "truncated", 99, "truncated", 299, "truncated", 300, false, 300, false, 300, false,
        true, "truncated",
      }, r.seen.header_filter)
    end)

    it("takes the default from the gateway's lua_max_resp_headers", function()
      local r = run {
        upstream = upstream_with(200),
        header_filter = COUNT .. [[
          kong.configuration = { lua_max_resp_headers = 10 }
          note(count())
          note(count(20))
          kong.configuration = { lua_max_resp_headers = 150 }
          note(count())
          kong.configuration = {}
          note(count())
          kong.configuration = nil
          note(count())
        ]],
      }
      assert.same({
        10, "truncated", 20, "truncated", 150, "truncated", 100, "truncated", 100, "truncated",
      }, r.seen.header_filter)
    end)

    it("counts each value of a repeated header", function()
      local r = run { header_filter = [[
        local values = {}
        for i = 1, 147 do
          values[i] = tostring(i)
        end
        response.set_header("X-Many", values)
        local headers, err = response.get_headers()
        note(#headers["x-many"], headers["x-many"][97], err)
        headers, err = response.get_headers(150)
        note(#headers["x-many"], headers["x-many"][147], err or false)
      ]] }
      assert.same({ 97, "97", "truncated", 147, "147", false }, r.seen.header_filter)
    end)

    it("counts a cleared header, because nginx keeps its slot", function()
      local r = run {
        upstream = upstream_with(100),
        header_filter = COUNT .. [[
          response.clear_header("X-H-50")
          note(count())
          response.add_header("X-New", "1")
          note(select(2, count()))
          note(count(101))
        ]],
      }
      assert.same({ 99, false, "truncated", 100, false }, r.seen.header_filter)
    end)

    it("returns what ngx.resp.get_headers returns", function()
      local compare = [[
        local same = require("compare").same
        for _, max in ipairs { 5, 6, 7, 8, 50, 100, 1000 } do
          local ours, our_err = response.get_headers(max)
          local theirs, their_err = ngx.resp.get_headers(max)
          note(max, same(ours, theirs), our_err == their_err)
        end
      ]]
      local r = run {
        upstream = [[
          ngx.header["Last-Modified"] = "yesterday"
          ngx.header["Set-Cookie"] = { "a=b", "c=d" }
          ngx.header["Cache-Control"] = { "no-store", "private" }
          ngx.header["Vary"] = "Accept"
          ngx.header["X_Foo"] = "1"
          ngx.print("of unknown length")
        ]],
        header_filter = "response.clear_header('Vary') response.set_header('Server', 'mine')"
          .. compare,
        body_filter = "if not ngx.arg[2] then" .. compare .. "end",
        log = compare,
      }
      for _, phase in ipairs { "header_filter", "body_filter", "log" } do
        assert.equal(21, #r.seen[phase])
        for i = 1, 21, 3 do
          assert.is_true(r.seen[phase][i + 1], phase .. " max " .. r.seen[phase][i])
          assert.is_true(r.seen[phase][i + 2], phase .. " max " .. r.seen[phase][i])
        end
      end
    end)

    it("returns the headers that nginx will add", function()
      local r = run {
        upstream = "ngx.print('of unknown length')",
        headers = { "Connection: close" },
        header_filter = "local h = response.get_headers() return h.connection, h.server, h.date",
        log = [[
          local h = response.get_headers()
          return h.connection, h["transfer-encoding"], h.Transfer_Encoding
        ]],
      }
      assert.same({ "close" }, r.seen.header_filter)
      assert.same({ "close", "chunked", "chunked" }, r.seen.log)

      r = run { log = "return response.get_headers().connection" }
      assert.same({ "close" }, r.seen.log)
      assert.equal("keep-alive", r:header("Connection"))
    end)

    it("returns a new table for each call", function()
      local r = run { header_filter = [[
        response.set_header("X-One", { "1", "2" })
        local headers = response.get_headers()
        headers["x-one"][1] = "changed"
        headers["x-two"] = "2"
        headers.connection = nil
        local again = response.get_headers()
        return again ~= headers, again["x-one"][1], again["x-two"] == nil, again.connection
      ]] }
      assert.same({ true, "1", true, "keep-alive" }, r.seen.header_filter)
      assert.same({ "1", "2" }, r:values("X-One"))
      assert.is_nil(r:header("X-Two"))
    end)

    it("returns headers that a plugin set before there is a response", function()
      local r = run { access = [[
        ngx.ctx.KONG_PHASE = 0x80
        response.set_header("X-One", "1")
        response.set_header("X-Empty", "")
        local headers = response.get_headers()
        return headers["x-one"], headers["x-empty"]
      ]] }
      assert.same({ "1", " " }, r.seen.access)
    end)

    it("reads the response of HTTP/2", function()
      local r = run {
        http2 = true,
        upstream = "ngx.header['X-One'] = { '1', '2' } ngx.print('body')",
        header_filter = "return response.get_headers()['x-one']",
      }
      assert.same({ { "1", "2" } }, r.seen.header_filter)
    end)
  end)
end)
