local ffi = require "ffi"
local inline = require "spec.support.inline"
local nginx = require "spec.support.nginx"


ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"

local CONTENT = inline.phase "content"

local UPSTREAM = "proxy_http_version 1.1; proxy_pass http://127.0.0.1:%{upstream_port}/;\n"

local LOCATIONS = table.concat {
  inline.location("= /content", CONTENT),
  inline.location("= /sub", CONTENT),
  inline.location("= /return", 'return 200 "0123456789";'),
  inline.location("= /proxy", UPSTREAM),
  inline.location("= /gzip", "gzip on; gzip_types *; gzip_min_length 1;" .. UPSTREAM),
  inline.location("= /compressed",
    "proxy_http_version 1.1; proxy_pass http://127.0.0.1:%{upstream_port}/gzip;"),
  inline.location("= /surrounded", "addition_types *; add_before_body /before;"
    .. "add_after_body /before;" .. UPSTREAM),
  [[
    location = /before {
      return 200 "before ";
      body_filter_by_lua_block { require("kong.response").set_raw_body("longer than before ") }
    }
  ]],
}

local SERVERS = [[
  server {
    listen 127.0.0.1:%{upstream_port};
    default_type text/plain;
    location / {
      ]] .. inline.phase("upstream", "content") .. [[
    }
    location = /gzip {
      gzip on;
      gzip_types *;
      gzip_min_length 1;
      ]] .. inline.phase("upstream", "content") .. [[
    }
  }
]]

for _, jit_mode in ipairs { "on", "off" } do
  describe("warnings with the JIT " .. jit_mode, function()
    local server

    before_each(function()
      -- what a worker has said it does not say again
      server = nginx.start(inline.options {
        init = "jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
      })
    end)

    after_each(function()
      local alarms, workers = inline.alarms(server), #server:worker_pids()
      server:stop()
      assert.same({}, alarms)
      assert.equal(1, workers)
    end)

    --- The connection is closed behind each: a client would wait for what was promised, else.
    local function ask(path, phases, options)
      return inline.ask(server, path, phases, {
        method = options and options.method,
        headers = { "Connection: close", options and options.headers and options.headers[1] },
      })
    end

    --- What the log has of warnings.
    local function warnings()
      local lines = {}
      for line in server:log():gmatch("[^\n]+") do
        local text = line:match("%[warn%] %d+#%d+: %*?%d* ?(.*)")
        if text then
          lines[#lines + 1] = text:gsub(" while .*", ""):gsub(", client: .*", "")
        end
      end
      return lines
    end

    local WRAP = [[
      local body = response.get_raw_body()
      if body then response.set_raw_body("<" .. body .. ">") end
    ]]

    describe("of a Content-Length that does not fit", function()
      local WORDS = "Content-Length: 10 was left in place, and set_raw_body made the body "

      it("come once for a place in the code", function()
        for i = 1, 3 do
          ask("/return", { body_filter = WRAP .. "--" .. i })
        end
        assert.same({ "body_filter.lua:2: " .. WORDS .. "12 bytes" }, warnings())
        ask("/return", { body_filter = "\n\n\n response.set_raw_body('abc')" })
        assert.same({
          "body_filter.lua:2: " .. WORDS .. "12 bytes",
          "body_filter.lua:4: " .. WORDS .. "3 bytes",
        }, warnings())
      end)

      it("count the newline that is sent for nothing", function()
        ask("/return", { body_filter = "response.set_raw_body('')" })
        assert.same({ "body_filter.lua:1: " .. WORDS .. "1 bytes" }, warnings())
      end)

      it("come for the body of an upstream in chunks", function()
        ask("/proxy", {
          upstream = "ngx.header.content_length = 10 ngx.print('01234') ngx.flush(true)"
            .. " ngx.print('56789')",
          body_filter = WRAP,
        })
        assert.same({ "body_filter.lua:2: " .. WORDS .. "12 bytes" }, warnings())
      end)

      it("do not come where it fits, was removed or is nobody's", function()
        ask("/return", { body_filter = "response.set_raw_body('abcdefghij')" })
        ask("/return", {
          header_filter = "response.clear_header('Content-Length')",
          body_filter = WRAP,
        })
        ask("/return", {
          header_filter = "response.set_header('Content-Length', 12)",
          body_filter = WRAP,
        })
        ask("/proxy", { upstream = "ngx.print('a') ngx.flush(true) ngx.print('b')",
                        body_filter = WRAP })
        ask("/gzip", { upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
                       body_filter = WRAP }, { headers = { "Accept-Encoding: gzip" } })
        ask("/return", { body_filter = WRAP }, { method = "HEAD" })
        ask("/surrounded", { upstream = "ngx.header.content_length = 2 ngx.print('ab')" })
        assert.same({}, warnings())
      end)
    end)

    describe("of a body that is encoded", function()
      local WORDS = "get_raw_body read a body with Content-Encoding: gzip"
      local GZIP = { headers = { "Accept-Encoding: gzip" } }

      it("come once for a place in the code", function()
        for _ = 1, 3 do
          local r = ask("/compressed", { upstream = "ngx.print(('a'):rep(1000))",
                                         body_filter = "response.get_raw_body()" }, GZIP)
          assert.equal("gzip", r:header("Content-Encoding"))
        end
        assert.same({ "body_filter.lua:1: " .. WORDS }, warnings())
        ask("/compressed", { upstream = "ngx.print(('a'):rep(1000))",
                             body_filter = "\nresponse.get_raw_body()" }, GZIP)
        assert.same({ "body_filter.lua:1: " .. WORDS, "body_filter.lua:2: " .. WORDS }, warnings())
      end)

      it("come for one that Lua has made", function()
        ask("/content", {
          content = "ngx.header.content_encoding = 'gzip' ngx.print('\\31\\139 and so on')",
          body_filter = "response.get_raw_body()",
        })
        assert.same({ "body_filter.lua:1: " .. WORDS }, warnings())
      end)

      it("name other encodings, and break no line", function()
        ask("/proxy", {
          upstream = "ngx.header.content_encoding = 'x\\t\\255' ngx.print('abc')",
          body_filter = "response.get_raw_body()",
        })
        assert.same({
          [[body_filter.lua:1: get_raw_body read a body with Content-Encoding: x\t\xff]],
        }, warnings())
      end)

      it("do not come for what nginx encodes behind the filter, nor for identity", function()
        local r = ask("/gzip", { upstream = "ngx.print(('a'):rep(1000))",
                                 body_filter = "response.get_raw_body()" }, GZIP)
        assert.equal("gzip", r:header("Content-Encoding"))
        ask("/proxy", {
          upstream = "ngx.header.content_encoding = 'identity' ngx.print('abc')",
          body_filter = "response.get_raw_body()",
        })
        ask("/compressed", {
          upstream = "ngx.print(('a'):rep(1000))",
          header_filter = "response.clear_header('Content-Encoding')",
          body_filter = "response.get_raw_body()",
        }, GZIP)
        assert.same({}, warnings())
      end)
    end)

    describe("of an encoded body that is replaced unread", function()
      local WORDS = "body_filter.lua:1: Content-Encoding: %s was left in place, and set_raw_body "
        .. "replaced the body"
      local SET = "if ngx.arg[2] then response.set_raw_body('plain') else ngx.arg[1] = nil end"

      local function encoded(encoding)
        return ("ngx.header.content_encoding = %q ngx.print('a') ngx.flush(true) ngx.print('b')")
          :format(encoding)
      end

      for _, encoding in ipairs { "gzip", "br", "deflate", "zstd", "GZIP, br" } do
        it("come once for a place in the code: " .. encoding, function()
          for _, version in ipairs { "1.0", "1.1" } do
            inline.ask(server, "/proxy", { upstream = encoded(encoding), body_filter = SET },
                       { http_version = version })
          end
          assert.same({ WORDS:format(encoding) }, warnings())
        end)
      end

      it("come over HTTP/2 and for an empty body", function()
        inline.ask(server, "/proxy", {
          upstream = "ngx.header.content_encoding = 'gzip' ngx.header.content_length = 0",
          header_filter = "response.clear_header('Content-Length')",
          body_filter = SET,
        }, { http2 = true })
        assert.same({ WORDS:format "gzip" }, warnings())
      end)

      it("do not come where it was read, of which the log was told", function()
        for _ = 1, 2 do
          ask("/proxy", { upstream = encoded "br", body_filter = [[
            if response.get_raw_body() then
              response.set_raw_body("plain")
              response.set_raw_body("plain again")
            end
          ]] })
        end
        assert.same({ "body_filter.lua:1: get_raw_body read a body with Content-Encoding: br" },
                    warnings())
        -- That was another response: this one is not read.
        ask("/proxy", { upstream = encoded "br", body_filter = SET })
        assert.equal(2, #warnings())
      end)

      it("do not come where the head is right, or nobody is told", function()
        ask("/proxy", { upstream = encoded "gzip", body_filter = SET,
                        header_filter = "response.clear_header('Content-Encoding')" })
        ask("/proxy", { upstream = encoded "gzip", body_filter = SET,
                        header_filter = "response.set_header('Content-Encoding', 'br')" })
        ask("/proxy", { upstream = encoded "gzip",
                        body_filter = "response.set_raw_body('\\31\\139 and so on')" })
        ask("/proxy", { upstream = encoded "identity", body_filter = SET })
        ask("/proxy", {
          upstream = "ngx.header.content_encoding = 'gzip' ngx.header.content_length = 1 "
            .. "ngx.print('a')",
          body_filter = "response.set_raw_body('a')",
        })
        ask("/proxy", { upstream = encoded "gzip", body_filter = SET }, { method = "HEAD" })
        ask("/gzip", { upstream = "ngx.print(('a'):rep(1000))", body_filter = SET },
            { headers = { "Accept-Encoding: gzip" } })
        ask("/proxy", { upstream = "ngx.print('a')", body_filter = SET,
                        header_filter = "response.set_header('Content-Encoding', 'gzip')" })
        assert.same({}, warnings())
      end)
    end)

    describe("can be", function()
      local ALL = {
        upstream = "ngx.print(('a'):rep(1000))",
        body_filter = "local b = own.get_raw_body() if b then own.set_raw_body(b .. 'x') end",
        header_filter = "own.set_header('Content-Length', '5')",
      }
      local GZIP = { headers = { "Accept-Encoding: gzip" } }

      local function with(options)
        server:stop()
        server = nginx.start(inline.options {
          init = "own = require('kong.response.instance').new(" .. options .. ")",
          locations = LOCATIONS,
          servers = SERVERS,
        })
        ask("/compressed", ALL, GZIP)
      end

      it("turned off", function()
        with "{ warnings = false }"
        assert.same({}, warnings())
      end)

      it("logged elsewhere", function()
        with [[{ log = function(level, text)
          ngx.log(ngx.NOTICE, level, " of own: ", text)
        end }]]
        assert.same({}, warnings())
        local lines = {}
        for text in server:log():gmatch("(%d of own: %S+)") do
          lines[#lines + 1] = text
        end
        assert.same({
          "5 of own: body_filter.lua:1:", "5 of own: body_filter.lua:1:",
        }, lines)
      end)

      it("refused by a log that raises, without harm", function()
        with "{ log = function() error('full') end }"
        assert.equal(2, #warnings())
      end)
    end)
  end)
end


describe("warnings", function()
  it("come once without the code cache, too", function()
    nginx.once(inline.options {
      code_cache = false,
      locations = LOCATIONS,
      servers = SERVERS,
    }, function(server)
      for _ = 1, 5 do
        server:get(inline.path("/return", {
          body_filter = "response.set_raw_body('abc')",
        }), { "Connection: close" })
      end
      local text, count = server:log(), 0
      for _ in text:gmatch("Content%-Length: 10 was left in place") do count = count + 1 end
      assert.equal(1, count)
    end)
  end)

  it("of an encoded body that is replaced come for one of a cache, too", function()
    nginx.once(inline.options {
      http = "proxy_cache_path %{dir}/cache keys_zone=bodies:1m;\n",
      locations = inline.location("= /cached", "proxy_cache bodies; proxy_cache_valid 200 1m;"
        .. "add_header X-Cache $upstream_cache_status;" .. UPSTREAM),
      servers = SERVERS,
    }, function(server)
      local path = inline.path("/cached", {
        upstream = "ngx.header.content_encoding = 'gzip' ngx.print('encoded')",
        header_filter = "response.clear_header('Content-Length')",
        body_filter = [[
          if ngx.var.upstream_cache_status == "HIT" then response.set_raw_body("plain") end
        ]],
      })
      assert.equal("MISS", server:get(path):header("X-Cache"))
      assert.equal("HIT", server:get(path):header("X-Cache"))
      assert.truthy(server:log():find("Content-Encoding: gzip was left in place", 1, true))
    end)
  end)

  it("are turned off in a gateway by KONG_RESPONSE_WARNINGS", function()
    for value, expected in pairs { on = true, off = false, [""] = true } do
      ffi.C.setenv("KONG_RESPONSE_WARNINGS", value, 1)
      local ok, err = pcall(nginx.once, {
        init = "kong = {} kong.response = require('kong.pdk.response').new(kong)",
        locations = [[
          location / {
            return 200 "0123456789";
            body_filter_by_lua_block { kong.response.set_raw_body("short") }
          }
        ]],
      }, function(server)
        server:get("/", { "Connection: close" })
        assert.equal(expected, server:log():find("was left in place", 1, true) ~= nil)
      end)
      ffi.C.unsetenv("KONG_RESPONSE_WARNINGS")
      assert(ok, err)
    end
    ffi.C.setenv("KONG_RESPONSE_WARNINGS", "no", 1)
    local ok, err = pcall(nginx.once, {
      init = "require('kong.pdk.response').new({})",
    }, function() end)
    ffi.C.unsetenv("KONG_RESPONSE_WARNINGS")
    assert.is_false(ok)
    assert.matches('KONG_RESPONSE_WARNINGS must be on or off, got "no"', err, 1, true)
  end)
end)
