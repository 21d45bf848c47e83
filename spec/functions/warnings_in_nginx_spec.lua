local ffi = require "ffi"
local stages = require "spec.support.stages"
local nginx = require "spec.support.nginx"


ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"

local CONTENT = stages.phase "content"

local UPSTREAM = "proxy_http_version 1.1; proxy_pass http://127.0.0.1:%{upstream_port}/;\n"

local LOCATIONS = table.concat {
  stages.location("= /content", CONTENT),
  stages.location("= /sub", CONTENT),
  stages.location("= /return", 'return 200 "0123456789";'),
  stages.location("= /proxy", UPSTREAM),
  stages.location("= /gzip", "gzip on; gzip_types *; gzip_min_length 1;" .. UPSTREAM),
  stages.location("= /compressed",
    "proxy_http_version 1.1; proxy_pass http://127.0.0.1:%{gzip_port};"),
  stages.location("= /surrounded", "addition_types *; add_before_body /before;"
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
    listen 127.0.0.1:%{gzip_port};
    default_type text/plain;
    location / {
      gzip on;
      gzip_types *;
      gzip_min_length 1;
      ]] .. stages.phase("upstream", "content") .. [[
    }
  }
]]

for _, jit_mode in ipairs { "on", "off" } do
  describe("warnings with the JIT " .. jit_mode, function()
    local server

    before_each(function()
      -- what a worker has said it does not say again
      server = stages.start({
        init = "jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
      })
    end)

    after_each(function()
      local alarms, workers = server:alarms(), #server:worker_pids()
      server:stop()
      assert.same({}, alarms)
      assert.equal(1, workers)
    end)

    --- nginx closes the connection after each response. Otherwise, a client would wait for the rest
    -- of a body that is shorter than its Content-Length.
    local function run(case, client)
      local merged = stages.merge(case, client)
      return server:run(merged, {
        headers = { "Connection: close", merged.headers and merged.headers[1] },
      })
    end

    --- The warnings in the log.
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

      it("come once for each place in the code", function()
        for i = 1, 3 do
          run { path = "/return", body_filter = WRAP .. "--" .. i }
        end
        assert.same({ "plugin.lua:2: " .. WORDS .. "12 bytes" }, warnings())
        run { path = "/return", body_filter = "\n\n\n response.set_raw_body('abc')" }
        assert.same({
          "plugin.lua:2: " .. WORDS .. "12 bytes",
          "plugin.lua:4: " .. WORDS .. "3 bytes",
        }, warnings())
      end)

      it("count the newline that is sent for an empty body", function()
        run { path = "/return", body_filter = "response.set_raw_body('')" }
        assert.same({ "plugin.lua:1: " .. WORDS .. "1 bytes" }, warnings())
      end)

      it("come for the body of an upstream in chunks", function()
        run {
          path = "/proxy",
          upstream = "ngx.header.content_length = 10 ngx.print('01234') ngx.flush(true)"
            .. " ngx.print('56789')",
          body_filter = WRAP,
        }
        assert.same({ "plugin.lua:2: " .. WORDS .. "12 bytes" }, warnings())
      end)

      it("do not come if it fits, was removed or was not set by a plugin", function()
        run { path = "/return", body_filter = "response.set_raw_body('abcdefghij')" }
        run {
          path = "/return",
          header_filter = "response.clear_header('Content-Length')",
          body_filter = WRAP,
        }
        run {
          path = "/return",
          header_filter = "response.set_header('Content-Length', 12)",
          body_filter = WRAP,
        }
        run { path = "/proxy", upstream = "ngx.print('a') ngx.flush(true) ngx.print('b')",
              body_filter = WRAP }
        run {
          path = "/gzip",
          headers = { "Accept-Encoding: gzip" },
          upstream = "ngx.header.content_length = 10 ngx.print('0123456789')",
          body_filter = WRAP,
        }
        run { path = "/return", method = "HEAD", body_filter = WRAP }
        run { path = "/surrounded", upstream = "ngx.header.content_length = 2 ngx.print('ab')" }
        assert.same({}, warnings())
      end)
    end)

    describe("of a body that is encoded", function()
      local WORDS = "get_raw_body read a body with Content-Encoding: gzip"
      local GZIP = { headers = { "Accept-Encoding: gzip" } }

      it("come once for each place in the code", function()
        for _ = 1, 3 do
          local r = run({ path = "/compressed", upstream = "ngx.print(('a'):rep(1000))",
                          body_filter = "response.get_raw_body()" }, GZIP)
          assert.equal("gzip", r:header("Content-Encoding"))
        end
        assert.same({ "plugin.lua:1: " .. WORDS }, warnings())
        run({ path = "/compressed", upstream = "ngx.print(('a'):rep(1000))",
                             body_filter = "\nresponse.get_raw_body()" }, GZIP)
        assert.same({ "plugin.lua:1: " .. WORDS, "plugin.lua:2: " .. WORDS }, warnings())
      end)

      it("come for a body that Lua has made", function()
        run {
          path = "/content",
          content = "ngx.header.content_encoding = 'gzip' ngx.print('\\31\\139 and so on')",
          body_filter = "response.get_raw_body()",
        }
        assert.same({ "plugin.lua:1: " .. WORDS }, warnings())
      end)

      it("name other encodings in one line", function()
        run {
          path = "/proxy",
          upstream = "ngx.header.content_encoding = 'x\\t\\255' ngx.print('abc')",
          body_filter = "response.get_raw_body()",
        }
        assert.same({
          [[plugin.lua:1: get_raw_body read a body with Content-Encoding: x\t\xff]],
        }, warnings())
      end)

      it("do not come for a body that nginx encodes later, or for identity", function()
        local r = run({ path = "/gzip", upstream = "ngx.print(('a'):rep(1000))",
                                 body_filter = "response.get_raw_body()" }, GZIP)
        assert.equal("gzip", r:header("Content-Encoding"))
        run {
          path = "/proxy",
          upstream = "ngx.header.content_encoding = 'identity' ngx.print('abc')",
          body_filter = "response.get_raw_body()",
        }
        run({
          path = "/compressed",
          upstream = "ngx.print(('a'):rep(1000))",
          header_filter = "response.clear_header('Content-Encoding')",
          body_filter = "response.get_raw_body()",
        }, GZIP)
        assert.same({}, warnings())
      end)
    end)

    describe("of an encoded body that is replaced unread", function()
      local WORDS = "plugin.lua:1: Content-Encoding: %s was left in place, and set_raw_body "
        .. "replaced the body"
      local SET = "if ngx.arg[2] then response.set_raw_body('plain') else ngx.arg[1] = nil end"

      local function encoded(encoding)
        return ("ngx.header.content_encoding = %q ngx.print('a') ngx.flush(true) ngx.print('b')")
          :format(encoding)
      end

      for _, encoding in ipairs { "gzip", "br", "deflate", "zstd", "GZIP, br" } do
        it("come once for each place in the code: " .. encoding, function()
          for _, version in ipairs { "1.0", "1.1" } do
            server:run {
              path = "/proxy", http_version = version,
              upstream = encoded(encoding), body_filter = SET,
            }
          end
          assert.same({ WORDS:format(encoding) }, warnings())
        end)
      end

      it("come over HTTP/2 and for an empty body", function()
        server:run {
          path = "/proxy", http2 = true,
          upstream = "ngx.header.content_encoding = 'gzip' ngx.header.content_length = 0",
          header_filter = "response.clear_header('Content-Length')",
          body_filter = SET,
        }
        assert.same({ WORDS:format "gzip" }, warnings())
      end)

      it("do not come if a warning about reading it came before", function()
        for _ = 1, 2 do
          run { path = "/proxy", upstream = encoded "br", body_filter = [[
            if response.get_raw_body() then
              response.set_raw_body("plain")
              response.set_raw_body("plain again")
            end
          ]] }
        end
        assert.same({ "plugin.lua:1: get_raw_body read a body with Content-Encoding: br" },
                    warnings())
        -- That was another response: this one is not read.
        run { path = "/proxy", upstream = encoded "br", body_filter = SET }
        assert.equal(2, #warnings())
      end)

      it("do not come if the headers are right or warnings are off", function()
        run { path = "/proxy", upstream = encoded "gzip", body_filter = SET,
              header_filter = "response.clear_header('Content-Encoding')" }
        run { path = "/proxy", upstream = encoded "gzip", body_filter = SET,
              header_filter = "response.set_header('Content-Encoding', 'br')" }
        run { path = "/proxy", upstream = encoded "gzip",
              body_filter = "response.set_raw_body('\\31\\139 and so on')" }
        run { path = "/proxy", upstream = encoded "identity", body_filter = SET }
        run {
          path = "/proxy",
          upstream = "ngx.header.content_encoding = 'gzip' ngx.header.content_length = 1 "
            .. "ngx.print('a')",
          body_filter = "response.set_raw_body('a')",
        }
        run { path = "/proxy", method = "HEAD", upstream = encoded "gzip", body_filter = SET }
        run {
          path = "/gzip",
          headers = { "Accept-Encoding: gzip" },
          upstream = "ngx.print(('a'):rep(1000))",
          body_filter = SET,
        }
        run { path = "/proxy", upstream = "ngx.print('a')", body_filter = SET,
              header_filter = "response.set_header('Content-Encoding', 'gzip')" }
        assert.same({}, warnings())
      end)
    end)

    describe("of any kind can be", function()
      local ALL = {
        path = "/compressed",
        upstream = "ngx.print(('a'):rep(1000))",
        body_filter = "local b = own.get_raw_body() if b then own.set_raw_body(b .. 'x') end",
        header_filter = "own.set_header('Content-Length', '5')",
      }
      local GZIP = { headers = { "Accept-Encoding: gzip" } }

      local function with(options)
        server:stop()
        server = stages.start({
          init = "own = require('kong.response.instance').new(" .. options .. ")",
          locations = LOCATIONS,
          servers = SERVERS,
        })
        run(ALL, GZIP)
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
          "5 of own: plugin.lua:1:", "5 of own: plugin.lua:1:",
        }, lines)
      end)

      it("passed to a log that raises an error", function()
        with "{ log = function() error('full') end }"
        assert.equal(2, #warnings())
      end)
    end)
  end)
end


describe("warnings", function()
  it("come once without the code cache", function()
    stages.once({
      code_cache = false,
      locations = LOCATIONS,
      servers = SERVERS,
    }, function(server)
      for _ = 1, 5 do
        server:get(server:target {
          path = "/return",
          body_filter = "response.set_raw_body('abc')",
        }, { "Connection: close" })
      end
      local text, count = server:log(), 0
      for _ in text:gmatch("Content%-Length: 10 was left in place") do count = count + 1 end
      assert.equal(1, count)
    end)
  end)

  it("of a replaced encoded body come for a body of a cache", function()
    stages.once({
      http = "proxy_cache_path %{dir}/cache keys_zone=bodies:1m;\n",
      locations = stages.location("= /cached", "proxy_cache bodies; proxy_cache_valid 200 1m;"
        .. "add_header X-Cache $upstream_cache_status;" .. UPSTREAM),
      servers = SERVERS,
    }, function(server)
      local path = server:target {
        path = "/cached",
        upstream = "ngx.header.content_encoding = 'gzip' ngx.print('encoded')",
        header_filter = "response.clear_header('Content-Length')",
        body_filter = [[
          if ngx.var.upstream_cache_status == "HIT" then response.set_raw_body("plain") end
        ]],
      }
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
