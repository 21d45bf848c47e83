local hosts = require "spec.support.hosts"


local DELAYED = [[
  ngx.ctx.delay_response = true
  coroutine.wrap(function() %s end)()
  ngx.ctx.delayed_response_callback(ngx.ctx)
]]

-- The calls of `exit`: the phase of nginx, and the code around the call.
local PLACES = {
  rewrite = { "rewrite", "%s" },
  access = { "access", "%s" },
  content = { "content", "%s" },
  header_filter = { "header_filter", "%s" },
  ["header_filter of an upstream's response"] = { "header_filter", "%s", "/proxied" },
  ["the response phase"] = { "access", "ngx.ctx.KONG_PHASE = 0x80 %s" },
  ["access, delayed"] = { "access", DELAYED },
}

local BODIES = {
  ["no body"] = "204",
  ["an empty string"] = "204, ''",
  ["a string"] = "204, 'x'",
  ["an empty table"] = "204, {}",
  ["a table"] = "204, { message = 'x' }",
  ["no body and a Content-Length"] = "204, nil, { ['Content-Length'] = 5 }",
  ["an empty string and a Content-Length"] = "204, '', { content_length = '0' }",
  ["a string and a Content-Length"] = "204, 'x', { ['content-length'] = '1' }",
  ["a string and a Content-Length of another length"] = "204, 'x', { ['Content-Length'] = 5 }",
}

local CLIENTS = {
  ["HTTP/1.1"] = {},
  ["HTTP/1.1, HEAD"] = { method = "HEAD" },
  ["HTTP/1.0"] = { http_version = "1.0" },
  ["HTTP/2"] = { http2 = true },
  ["HTTP/2, HEAD"] = { http2 = true, method = "HEAD" },
}


hosts.each("exit(204)", { gateway = true }, function(server)
  local function assert_no_content(r, told)
    assert.equal(0, r.exit, told)
    assert.equal(204, r.status, told)
    assert.equal("", r.body, told)
    assert.same({}, r:values("Content-Length"), told)
    assert.same({}, r:values("Transfer-Encoding"), told)
  end

  local function each_client(case, check)
    for name, client in pairs(CLIENTS) do
      local request = {}
      for _, fields in ipairs { case, client } do
        for key, value in pairs(fields) do
          request[key] = value
        end
      end
      check(server:run(request), name)
    end
  end

  for place, where in pairs(PLACES) do
    for what, arguments in pairs(BODIES) do
      it("sends neither a body nor a Content-Length for " .. what .. " in " .. place, function()
        each_client({
          path = where[3],
          [where[1]] = where[2]:format("response.exit(" .. arguments .. ")"),
        }, assert_no_content)
      end)
    end

    it("keeps the other headers of the call in " .. place, function()
      each_client({
        path = where[3],
        [where[1]] = where[2]:format(
          "response.exit(204, 'x', { ['X-A'] = '1', ETag = '\"v\"' })"),
      }, function(r, told)
        assert_no_content(r, told)
        assert.same({ "1" }, r:values("X-A"), told)
        assert.same({ '"v"' }, r:values("ETag"), told)
      end)
    end)

    it("sends no Content-Length that a plugin has set before, in " .. place, function()
      each_client({
        path = where[3],
        [where[1]] = "ngx.header.content_length = 7 " .. where[2]:format("response.exit(204)"),
      }, assert_no_content)
    end)
  end

  it("sends a message without Content-Length to a gRPC client", function()
    local r = server:run {
      http2 = true,
      method = "POST",
      headers = { "Content-Type: application/grpc", "TE: trailers" },
      access = "response.exit(204, 'gone')",
    }
    assert_no_content(r)
    assert.same({ "0" }, r:values("grpc-status"))
    assert.same({ "gone" }, r:values("grpc-message"))
  end)
end)
