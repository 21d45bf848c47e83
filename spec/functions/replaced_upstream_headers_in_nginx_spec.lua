-- A plugin's body that replaces an encoded body of an upstream, or a cached body if the client has
-- asked for a part of it. spec/functions/replaced_body_headers_spec.lua has the headers one by one.

local live = require "spec.support.live"
local wire = require "spec.support.wire"


-- "upstream " twenty times.
local GZIP = [[\031\139\008\000\000\000\000\000\002\003\043\045\040\046\041\074\077\204]]
  .. [[\085\040\029\058\012\000\000\033\088\175\180\000\000\000]]
local DEFLATE = [[\120\218\043\045\040\046\041\074\077\204\085\040\029\058\012\000]]
  .. [[\088\157\071\085]]

local ENCODED = {
  gzip = GZIP, deflate = DEFLATE, br = [[\139\002\128no\003]], zstd = [[\040\181\047\253]],
}

local CALLS = {
  { "response.exit(502, { message = 'down' })", 502, '^{"message":"down"}$' },
  { "response.exit(200, 'whole')", 200, "^whole$" },
  { "response.exit(404)", 404, "^\n?$" },
  { "response.error(503)", 503, '"message":"The upstream server is currently unavailable"' },
}

local BROKEN = { "error('the plugin is broken')", 500, '"message":"An unexpected error occurred' }

local CLIENTS = {
  ["HTTP/1.1"] = {}, ["HTTP/1.0"] = { http_version = "1.0" }, ["HTTP/2"] = { http2 = true },
}

local RANGES = {
  "bytes=0-2", "bytes=1-", "bytes=-3", "bytes=0-99", "bytes=7-9", "bytes=0-1,3-4", "bytes=x",
}


live.each("exit that replaces an upstream's response", {}, function(server, place)
  local calls = { unpack(CALLS) }
  if place == "lifecycle" then
    calls[#calls + 1] = BROKEN
  end

  local function each_client(case, check)
    for name, client in pairs(CLIENTS) do
      local request = {}
      for _, fields in ipairs { case, client } do
        for key, value in pairs(fields) do
          request[key] = value
        end
      end
      check(server:ask(request), name)
    end
  end

  for encoding, bytes in pairs(ENCODED) do
    local upstream = ("ngx.header['Content-Encoding'] = '%s' ngx.header.ETag = '\"upstream\"' ")
      :format(encoding) .. "ngx.print('" .. bytes .. "')"

    for _, call in ipairs(calls) do
      it("is decoded by curl --compressed: " .. call[1] .. " over " .. encoding, function()
        each_client({
          path = "/coded", compressed = true, upstream = upstream, header_filter = call[1],
        }, function(r, told)
          assert.equal(0, r.exit, told .. ": " .. r.error)
          assert.equal(call[2], r.status, told)
          assert.matches(call[3], r.body, told)
          assert.same({}, r:values("Content-Encoding"), told)
          assert.same({}, r:values("ETag"), told)
        end)
      end)
    end
  end

  for _, encoding in ipairs { "gzip", "deflate" } do
    it("is not needed for a valid response in " .. encoding, function()
      each_client({
        path = "/coded",
        compressed = true,
        upstream = ("ngx.header['Content-Encoding'] = '%s' ngx.print('%s')"):format(encoding,
          ENCODED[encoding]),
      }, function(r, told)
        assert.equal(0, r.exit, told .. ": " .. r.error)
        assert.equal(("upstream "):rep(20), r.body, told)
        assert.same({ encoding }, r:values("Content-Encoding"), told)
      end)
    end)
  end


  describe("for a client that asks for a range", function()
    local WHOLE = "whole"

    -- Whether head and body belong together, and to what the plugin sends.
    local function check_part(status, value_of, body, told)
      local first, last, size = (value_of("Content-Range") or ""):match("^bytes (%d+)-(%d+)/(%d+)$")
      if status == 206 then
        assert.is_truthy(first, told)
        assert.equal(#WHOLE, tonumber(size), told)
        assert.equal(WHOLE:sub(first + 1, last + 1), body, told)
      elseif status == 416 then
        assert.equal("bytes */" .. #WHOLE, value_of("Content-Range"), told)
      else
        assert.equal(200, status, told)
        assert.is_nil(value_of("Content-Range"), told)
        assert.equal(WHOLE, body, told)
      end
      assert.is_nil((value_of("Content-Type") or ""):match("^multipart"), told)
    end

    for _, path in ipairs { "/coded", "/cached", "/ranged" } do
      for what, upstream in pairs {
        ["a Content-Length"] = "ngx.header.content_length = 10 ngx.header.etag = '\"v\"' "
          .. "ngx.print('0123456789')",
        ["chunks"] = "ngx.print('01234') ngx.flush(true) ngx.print('56789')",
        ["Accept-Ranges"] = "ngx.header.accept_ranges = 'bytes' ngx.header.content_length = 10 "
          .. "ngx.print('0123456789')",
      } do
        for _, range in ipairs(RANGES) do
          it(("sends the new body or a correct part of it:  %s of %s with %s"):format(range, path,
            what), function()
            local case = {
              path = path,
              upstream = upstream,
              header_filter = "response.exit(200, 'whole')",
              headers = { "Range: " .. range },
            }
            local request = server:prepared(case)
            -- the second answer comes out of the cache
            for _ = 1, 2 do
              for _, http2 in ipairs { false, true } do
                request.http2 = http2
                local r = server:request(request)
                local told = http2 and "HTTP/2" or "HTTP/1.1"
                assert.equal(0, r.exit, told .. ": " .. r.error)
                check_part(r.status, function(name)
                  return r:header(name)
                end, r.body, told)
              end
            end
            for name, client in pairs(live.CLIENTS) do
              if client.method == "GET" then
                local r = server:exchange(case, client)
                check_part(r.status, function(header)
                  return wire.values(r, header:lower())[1]
                end, r.body, name)
              end
            end
          end)
        end
      end
    end

    it("is not needed for the range to be correct", function()
      local request = server:prepared {
        path = "/ranged",
        upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
        headers = { "Range: bytes=2-4" },
      }
      for _ = 1, 2 do
        local r = server:request(request)
        assert.equal(206, r.status)
        assert.equal("234", r.body)
        assert.same({ "bytes 2-4/10" }, r:values("Content-Range"))
      end
    end)
  end)
end)
