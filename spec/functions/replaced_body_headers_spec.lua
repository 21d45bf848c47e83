local hosts = require "spec.support.hosts"


-- Headers that describe the upstream's body. They must not be sent with another body.
local DESCRIBING = {
  ["Content-Encoding"] = "gzip",
  ["ETag"] = '"upstream"',
  ["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT",
  ["Content-Range"] = "bytes 0-7/100",
  ["Accept-Ranges"] = "bytes",
  ["Content-MD5"] = "Q2hlY2sgSW50ZWdyaXR5IQ==",
  ["Digest"] = "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
  ["Content-Digest"] = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
  ["Repr-Digest"] = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
  ["Trailer"] = "X-Checksum",
}

-- Headers that do not describe the bytes of the body.
local OTHERS = {
  ["Cache-Control"] = "max-age=60",
  ["Vary"] = "Accept-Encoding",
  ["Set-Cookie"] = "a=b",
  ["X-Upstream"] = "yes",
}

local CALLS = {
  { "response.exit(502, { message = 'down' })", 502, '^{"message":"down"}$' },
  { "response.exit(200, 'whole')", 200, "^whole$" },
  { "response.exit(200, 'whole', { ['X-A'] = '1' })", 200, "^whole$" },
  { "response.exit(404, '')", 404, "^\n?$" },
  { "response.exit(404)", 404, "^\n?$" },
  { "response.error(503)", 503, '"message":"The upstream server is currently unavailable"' },
  { "response.error(429, 'slow down', { ['Content-Type'] = 'text/plain' })", 429, "^slow down\n" },
}

local SPELLINGS = {
  ["Content-Encoding"] = "content_encoding",
  ["ETag"] = "etag",
  ["Last-Modified"] = "LAST-MODIFIED",
  ["Digest"] = "digest",
  ["Repr-Digest"] = "repr_digest",
  ["Trailer"] = "trailer",
}

local SEND = [[
  if ngx.ctx.response_body then
    ngx.arg[2] = true
    ngx.arg[1] = ngx.ctx.response_body
  end
]]

local CLIENTS = {
  ["HTTP/1.1"] = {},
  ["HTTP/1.1, HEAD"] = { method = "HEAD" },
  ["HTTP/1.0"] = { http_version = "1.0" },
  ["HTTP/2"] = { http2 = true },
}


local function setting(headers)
  local lines = {}
  for name, value in pairs(headers) do
    lines[#lines + 1] = ("ngx.header[%q] = %q"):format(name, value)
  end
  return table.concat(lines, " ") .. " "
end


hosts.each("the headers of an upstream's body", {}, function(server)
  local UPSTREAM = setting(DESCRIBING) .. setting(OTHERS) .. "ngx.print('upstream')"

  local function ask(upstream, header_filter, client)
    return server:run({
      path = "/proxied", upstream = upstream, header_filter = header_filter, body_filter = SEND,
    }, client)
  end

  for _, call in ipairs(CALLS) do
    for name, client in pairs(CLIENTS) do
      it("are not sent with the body of " .. call[1] .. " over " .. name, function()
        local r = ask(UPSTREAM, call[1], client)
        assert.equal(0, r.exit, r.error)
        assert.equal(call[2], r.status)
        assert.matches(client.method == "HEAD" and "^$" or call[3], r.body)
        for header in pairs(DESCRIBING) do
          assert.same({}, r:values(header), header)
        end
        assert.is_true(#r:values("Content-Length") <= 1)
      end)

      it("are removed without the other headers, by " .. call[1] .. " over " .. name, function()
        local r = ask(UPSTREAM, call[1], client)
        for header, value in pairs(OTHERS) do
          assert.same({ value }, r:values(header), header)
        end
      end)
    end
  end

  for _, encoding in ipairs { "gzip", "br", "deflate", "zstd", "gzip, br" } do
    it("do not announce a plain body as " .. encoding, function()
      local upstream = ("ngx.header.content_encoding = %q ngx.print('encoded')"):format(encoding)
      for _, call in ipairs(CALLS) do
        local r = ask(upstream, call[1])
        assert.same({}, r:values("Content-Encoding"), call[1])
        assert.matches(call[3], r.body)
      end
    end)
  end

  it("do not announce a whole body as a part", function()
    local upstream = "ngx.status = 206 ngx.header['Content-Range'] = 'bytes 0-7/100' "
      .. "ngx.header['Content-Length'] = 8 ngx.print('upstream')"
    for _, call in ipairs(CALLS) do
      local r = ask(upstream, call[1])
      assert.equal(call[2], r.status)
      assert.same({}, r:values("Content-Range"), call[1])
      assert.matches(call[3], r.body)
    end
  end)

  for header, value in pairs(DESCRIBING) do
    for _, name in ipairs { header, SPELLINGS[header] } do
      it("are the call's own if it has " .. name, function()
        local own = header == "Last-Modified" and "Thu, 22 Oct 2015 07:28:00 GMT"
          or header == "ETag" and '"own"' or "own"
        for _, call in ipairs { "exit(200, 'new', %s)", "error(404, 'new', %s)" } do
          local r = ask(setting { [header] = value } .. "ngx.print('upstream')",
            "response." .. call:format(("{ [%q] = %q }"):format(name, own)))
          assert.same({ own }, r:values(header), call)
        end
      end)
    end
  end

  it("are the call's own if it has E-Tag, which is nginx's ETag", function()
    local r = ask(setting { ETag = '"upstream"' } .. "ngx.print('upstream')",
      "response.exit(200, 'new', { ['E-Tag'] = '\"own\"' })")
    assert.same({ '"own"' }, r:values("E-Tag"))
    assert.same({}, r:values("ETag"))
  end)

  it("stay if nothing replaces the body", function()
    for _, code in ipairs {
      "response.set_status(503)",
      "response.set_header('X-A', '1')",
      "pcall(response.exit, 'x')",
      "pcall(response.exit, 200, { print })",
    } do
      local r = ask(setting { ETag = '"upstream"', ["Content-Encoding"] = "gzip" }
        .. "ngx.print('upstream')", code)
      assert.equal("upstream", r.body)
      assert.same({ "gzip" }, r:values("Content-Encoding"), code)
      assert.same({ '"upstream"' }, r:values("ETag"), code)
    end
  end)

  it("stay with a 304, which has no body", function()
    local r = ask(setting { ETag = '"upstream"' } .. "ngx.print('upstream')", "response.exit(304)")
    assert.equal(304, r.status)
    assert.equal("", r.body)
    assert.same({ '"upstream"' }, r:values("ETag"))
  end)

  it("cause a warning if a whole body gets the status of a part", function()
    local upstream = "ngx.status = 206 ngx.header['Content-Range'] = 'bytes 0-7/100' "
      .. "ngx.print('upstream')"
    local r = ask(upstream, "response.exit(206, 'whole')")
    assert.equal(206, r.status)
    assert.equal("whole", r.body)
    assert.same({}, r:values("Content-Range"))
    assert.is_truthy(server:wait_log("%[warn%][^\n]*206"))
  end)

  it("cause no warning if the call says which part its body is", function()
    local r = ask("ngx.status = 206 ngx.print('upstream')",
      "response.exit(206, 'part', { ['Content-Range'] = 'bytes 0-3/9' })")
    assert.same({ "bytes 0-3/9" }, r:values("Content-Range"))
    assert.equal("part", r.body)
    assert.is_nil(server:log():find("[warn]", 1, true))
  end)
end)
