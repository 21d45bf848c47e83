-- A gateway that buffers an upstream's answer: in nginx's access phase it gets the answer, sets
-- status and headers again in its response phase, runs plugins, and prints the body. Not over
-- HTTP/2: lua-nginx-module makes no subrequests there, and gateways do not buffer.

local live = require "spec.support.live"
local wire = require "spec.support.wire"


-- SET is the code with which the gateway sets the headers, PLUGIN the code of plugins after it.
local BUFFERED = [[
  local upstream = ngx.location.capture("/coded", { args = ngx.var.args, share_all_vars = false })
  local ctx = ngx.ctx
  ctx.KONG_PHASE, ctx.KONG_PROXIED = 0x80, true
  local body = upstream.body
  response.set_status(upstream.status)
  SET
  PLUGIN
  ngx.print(body)
  ngx.exit(upstream.status)
]]

local SETTERS = {
  ["set_headers"] = "response.set_headers(upstream.header)",
  ["set_header"] = "for name, value in pairs(upstream.header) do "
    .. "response.set_header(name, value) end",
  ["add_header"] = "for name, value in pairs(upstream.header) do "
    .. "response.add_header(name, value) end",
}

local UPSTREAMS = {
  ["a Content-Length"] = { "ngx.header.content_length = 8 ngx.print('upstream')", "upstream" },
  ["chunks"] = { "ngx.print('up') ngx.flush(true) ngx.print('stream')", "upstream", true },
  ["an empty body"] = { "ngx.header.content_length = 0", "" },
  ["an error"] = {
    "ngx.status = 404 ngx.header.content_length = 5 ngx.print('error')", "error", nil, 404,
  },
  ["a large body"] = {
    "ngx.header.content_length = 16000 ngx.print(('upstream'):rep(2000))",
    ("upstream"):rep(2000),
  },
}


local function buffered(setter, plugin)
  return (BUFFERED:gsub("SET", setter):gsub("PLUGIN", plugin or ""):gsub("%s+", " "))
end


describe("a gateway's buffered proxying", function()
  local server

  setup(function()
    server = live.start("gateway")
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    server:clear_log()
  end)

  local function assert_no_warning()
    assert.is_nil(server:log():match("[^\n]*%[warn%][^\n]*"))
    assert.is_nil(server:log():match("[^\n]*%[error%][^\n]*"))
  end

  for what, setter in pairs(SETTERS) do
    for answer, upstream in pairs(UPSTREAMS) do
      local case = { path = "/", upstream = upstream[1], access = buffered(setter) }
      local length = tostring(#upstream[2])

      for protocol, client in pairs(live.CLIENTS) do
        it(("sends an upstream's response with %s by %s, %s"):format(answer, what, protocol),
          function()
            local r = server:exchange(case, client)
            assert.equal(upstream[4] or 200, r.status)
            assert.equal(client.method == "HEAD" and "" or upstream[2], r.body)
            if not upstream[3] then
              assert.same({ length }, wire.values(r, "content-length"))
              assert.same({}, wire.values(r, "transfer-encoding"))
            end
            assert_no_warning()
          end)
      end
    end

    it("sends the body that a plugin gives, with its length, by " .. what, function()
      for _, client in pairs(live.CLIENTS) do
        local r = server:exchange({
          path = "/",
          upstream = UPSTREAMS["a Content-Length"][1],
          access = buffered(setter,
            "body = body .. ' and more' response.set_header('Content-Length', #body)"),
        }, client)
        assert.equal(client.method == "HEAD" and "" or "upstream and more", r.body)
        assert.same({ "17" }, wire.values(r, "content-length"))
      end
      assert_no_warning()
    end)

    it("sends the response of a plugin that exits, by " .. what, function()
      for _, client in pairs(live.CLIENTS) do
        local r = server:exchange({
          path = "/",
          upstream = UPSTREAMS["a Content-Length"][1],
          access = buffered(setter, "response.exit(403, { message = 'no' })"),
        }, client)
        assert.equal(403, r.status)
        assert.equal(client.method == "HEAD" and "" or '{"message":"no"}', r.body)
        assert.same({ "16" }, wire.values(r, "content-length"))
      end
      assert_no_warning()
    end)

    it("sends the document of a plugin that calls error, by " .. what, function()
      for _, client in pairs(live.CLIENTS) do
        local r = server:exchange({
          path = "/",
          upstream = UPSTREAMS["a Content-Length"][1],
          access = buffered(setter, "response.error(502, 'bad')"),
        }, client)
        assert.equal(502, r.status)
        assert.matches(client.method == "HEAD" and "^$" or '"message":"bad"', r.body)
        assert.equal(1, #wire.values(r, "content-length"))
      end
      assert_no_warning()
    end)
  end
end)
