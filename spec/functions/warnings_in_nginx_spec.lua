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

-- Two plugins in files of their own, and what runs them one after the other, as gateways do.
local FILES = {
  ["one.lua"] = [[
    local response = require "kong.response"
    local _M = {}
    local function refuse(how)
      if how == "return" then
        return response.exit(403, "no")
      end
      response.exit(403, "no")
    end
    function _M.run(how)
      if how == "helper" or how == "return" then
        refuse(how)
      else
        local exit = response.exit
        exit(403, "no")
      end
      if how then
        response.set_header("X-One", "1")
      end
    end
    function _M.refuse()
      return response.error(403)
    end
    return _M
  ]],
  ["other.lua"] = [[
    local response = require "kong.response"
    return { run = function() response.set_header("X-Other", "1") end }
  ]],
}


for _, jit_mode in ipairs { "on", "off" } do
  describe("warnings with the JIT " .. jit_mode, function()
    local server

    before_each(function()
      -- what a worker has said it does not say again
      server = nginx.start(inline.options {
        init = "jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
        files = FILES,
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

    describe("of a setter behind an exit in header_filter", function()
      local BODY = [[
        if ngx.ctx.response_body then
          ngx.arg[2] = true
          ngx.arg[1] = ngx.ctx.response_body
        end
      ]]

      local function after_exit(code)
        return ask("/return", { header_filter = code, body_filter = BODY })
      end

      it("come once for a place in the code, and name what is set", function()
        for _ = 1, 2 do
          local r = after_exit("response.exit(403, 'no')\n response.set_header('X-A', 1)\n"
            .. "response.add_header('X-B', 1)\n response.clear_header('X-C')\n"
            .. "response.set_headers({ b = 1, a = 2 })\n response.set_status(404)")
          assert.equal(404, r.status)
          assert.equal("1", r:header("X-A"))
          assert.equal("no", r.body)
        end
        local behind = " was called after an exit in header_filter"
        assert.same({
          'header_filter.lua:2: set_header("X-A")' .. behind,
          'header_filter.lua:3: add_header("X-B")' .. behind,
          'header_filter.lua:4: clear_header("X-C")' .. behind,
          'header_filter.lua:5: set_headers("a", "b")' .. behind,
          "header_filter.lua:6: set_status(404)" .. behind,
        }, warnings())
      end)

      it("come behind error, too", function()
        after_exit("response.error(403) response.set_header('X-A', 1)")
        assert.same({
          'header_filter.lua:1: set_header("X-A") was called after an exit in header_filter',
        }, warnings())
      end)

      it("come behind an exit by whatever name", function()
        local lines_above = 0
        for _, code in ipairs {
          "local deny = response.exit deny(403, 'no')",
          "local deny = response.exit local function f() deny(403, 'no') end f()",
          "pcall(response.exit, 403, 'no')",
          "local reply = response.error pcall(reply, 403)",
        } do
          server:clear_log()
          -- Each at a place of its own.
          lines_above = lines_above + 1
          after_exit(code .. ("\n"):rep(lines_above) .. "response.set_header('X-A', 1)")
          assert.same({
            "header_filter.lua:" .. lines_above + 1
              .. ': set_header("X-A") was called after an exit in header_filter',
          }, warnings())
        end
      end)

      it("do not come where a function of that name has returned the exit", function()
        after_exit("local deny = function() return response.exit(403, 'no') end deny()"
          .. " response.set_header('X-A', 1)")
        after_exit("local exit = response.exit local deny = function() return exit(403, 'no') end"
          .. " local function run() deny() response.set_header('X-A', 1) end run()")
        assert.same({}, warnings())
      end)

      it("come in code that the compiler has got hold of", function()
        local r = after_exit("for i = 1, 1000 do\n response.exit(403, 'no')\n"
          .. "response.set_header('X-A', i)\n end")
        assert.equal("1000", r:header("X-A"))
        after_exit("for i = 1, 1000 do\n response.set_header('X-A', i)\n end"
          .. " response.exit(403, 'no')")
        assert.same({
          'header_filter.lua:3: set_header("X-A") was called after an exit in header_filter',
        }, warnings())
      end)

      it("come for the function that has called the one with the exit", function()
        after_exit("require('one').run('helper')")
        after_exit("require('one').run('alias')")
        local lines = warnings()
        assert.equal(1, #lines)
        assert.matches('/one.lua:17: set_header("X-One") was called after an exit in header_filter',
                       lines[1], 1, true)
      end)

      it("do not come for other plugins, nor for what runs them", function()
        local r = after_exit("require('one').run() require('other').run()")
        assert.equal("1", r:header("X-Other"))
        after_exit("require('one').refuse() response.set_header('X-Mine', '1')")
        after_exit("return response.exit(403, 'no')")
        assert.same({}, warnings())
      end)

      it("do not come in front of an exit, whatever the request before has done", function()
        for _ = 1, 20 do
          after_exit("response.set_header('X-A', 1) response.exit(403, 'no')")
        end
        assert.same({}, warnings())
      end)

      it("do not come behind an exit in another phase", function()
        local r = ask("/return", {
          access = "response.exit(403, 'no')",
          header_filter = "response.set_header('X-A', 1)",
        })
        assert.equal("1", r:header("X-A"))
        assert.same({}, warnings())
      end)
    end)

    describe("can be", function()
      local ALL = {
        upstream = "ngx.print(('a'):rep(1000))",
        body_filter = "local b = own.get_raw_body() if b then own.set_raw_body(b .. 'x') end",
        header_filter = "own.set_header('Content-Length', '5')",
      }
      local EXIT = {
        header_filter = "own.exit(403, 'no') own.set_header('X-A', 1) own.set_status(200)",
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
        ask("/return", EXIT)
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
          "5 of own: header_filter.lua:1:", "5 of own: header_filter.lua:1:",
        }, lines)
      end)

      it("refused by a log that raises, without harm", function()
        with "{ log = function() error('full') end }"
        assert.equal(4, #warnings())
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
          header_filter = "response.exit(403, 'no') response.set_header('X-A', 1)",
          body_filter = "response.set_raw_body('abc')",
        }), { "Connection: close" })
      end
      local text, count = server:log(), 0
      for _ in text:gmatch("Content%-Length: 2 was left in place") do count = count + 1 end
      for _ in text:gmatch("was called after an exit") do count = count + 1 end
      assert.equal(2, count)
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
