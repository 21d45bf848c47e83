-- Lua code prints before the content phase. nginx and the server in memory send the same.

local hosts = require "spec.support.hosts"


hosts.each("printed output", {}, function(server)
  for _, phase in ipairs { "rewrite", "access" } do
    it("of " .. phase .. " is sent to HTTP/1.1 with or without an exit", function()
      for _, path in ipairs { "/", "/proxied" } do
        for _, exit in ipairs { "", " ngx.exit(0)", " ngx.exit(200)" } do
          local r = server:run { path = path, [phase] = "ngx.print('early')" .. exit }
          assert.equal(200, r.status)
          assert.equal(0, r.exit)
          assert.equal("early", r.body)
          assert.equal("chunked", r:header("Transfer-Encoding"))
        end
      end
    end)

    it("of " .. phase .. " is buffered for HTTP/1.0 until the response ends", function()
      local function ask(path, code)
        local r = server:run { path = path, http_version = "1.0", [phase] = code }
        assert.equal(200, r.status)
        assert.equal(0, r.exit)
        assert.same({ tostring(#r.body) }, r:values("Content-Length"))
        return r.body
      end
      for _, path in ipairs { "/", "/proxied" } do
        for _, exit in ipairs { " ngx.exit(0)", " ngx.exit(200)" } do
          assert.equal("early", ask(path, "ngx.print('early')" .. exit))
        end
      end
      -- Newer versions of the Lua module end the response with the phase that has printed.
      local joins = server:has "joins_output"
      assert.equal(joins and "earlycontent" or "early", ask("/", "ngx.print('early')"))
      -- The upstream's response replaces the output.
      assert.equal(joins and "upstream" or "early", ask("/proxied", "ngx.print('early')"))
    end)
  end

  it("is replaced by an error page if it was buffered and later code fails", function()
    local r = server:run {
      raises = true, http_version = "1.0", access = "ngx.print('early') error('x')",
    }
    assert.equal(500, r.status)
    assert.matches("500 Internal Server Error", r.body, 1, true)
    assert.matches("runtime error: plugin.lua:1: x", server:log(), 1, true)
  end)
end)
