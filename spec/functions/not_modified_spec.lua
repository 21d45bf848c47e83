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
  ["no body"] = "nil",
  ["an empty string"] = "''",
  ["a string"] = "'x'",
  ["an empty table"] = "{}",
}

-- The headers that a 304 must have (RFC 9110 section 15.4.5), and others that a plugin may add.
local HEADERS = {
  ["ETag"] = '"v"',
  ["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT",
  ["Cache-Control"] = "max-age=60",
  ["Expires"] = "Thu, 01 Dec 2050 16:00:00 GMT",
  ["Vary"] = "Accept",
  ["Content-Location"] = "/x",
  ["X-A"] = "1",
}

local CLIENTS = {
  ["HTTP/1.1"] = {},
  ["HTTP/1.1, HEAD"] = { method = "HEAD" },
  ["HTTP/1.0"] = { http_version = "1.0" },
  ["HTTP/2"] = { http2 = true },
  ["HTTP/2, HEAD"] = { http2 = true, method = "HEAD" },
}


local function source(headers)
  local items = {}
  for name, value in pairs(headers) do
    items[#items + 1] = ("[%q] = %q"):format(name, value)
  end
  return "{ " .. table.concat(items, ", ") .. " }"
end


hosts.each("exit(304)", { gateway = true }, function(server)
  local function each_client(case, check)
    for name, client in pairs(CLIENTS) do
      local request = {}
      for _, fields in ipairs { case, client } do
        for key, value in pairs(fields) do
          request[key] = value
        end
      end
      local r = server:run(request)
      assert.equal(0, r.exit, name)
      assert.equal(304, r.status, name)
      assert.equal("", r.body, name)
      assert.same({}, r:values("Content-Length"), name)
      assert.same({}, r:values("Transfer-Encoding"), name)
      check(r, name)
    end
  end

  for place, where in pairs(PLACES) do
    local function exit(arguments)
      return {
        path = where[3],
        [where[1]] = where[2]:format("response.exit(" .. arguments .. ")"),
      }
    end

    for what, body in pairs(BODIES) do
      it("keeps the call's headers, with " .. what .. " in " .. place, function()
        each_client(exit("304, " .. body .. ", " .. source(HEADERS)), function(r, told)
          for name, value in pairs(HEADERS) do
            assert.same({ value }, r:values(name), told .. ": " .. name)
          end
        end)
      end)

      it("sends no Content-Length of the call, with " .. what .. " in " .. place, function()
        local case = exit("304, " .. body .. ", { ['Content-Length'] = 5, ETag = '\"v\"' }")
        each_client(case, function(r, told)
          assert.same({ '"v"' }, r:values("ETag"), told)
        end)
      end)
    end

    it("keeps validators that a plugin has set before, in " .. place, function()
      local case = exit "304"
      case[where[1]] = "ngx.header.ETag = 'W/\"old\"' ngx.header['Cache-Control'] = 'no-cache' "
        .. case[where[1]]
      each_client(case, function(r, told)
        assert.same({ 'W/"old"' }, r:values("ETag"), told)
        assert.same({ "no-cache" }, r:values("Cache-Control"), told)
      end)
    end)
  end
end)
