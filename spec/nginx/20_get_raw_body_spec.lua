local inline = require "spec.support.inline"
local nginx = require "spec.support.nginx"


local CONTENT = inline.phase "content"

local UPSTREAM = "proxy_pass http://127.0.0.1:%{upstream_port}/;\n"

local LOCATIONS = table.concat {
  inline.location("= /content", CONTENT),
  inline.location("= /sub", CONTENT),
  inline.location("= /surrounded", "addition_types *; add_before_body /before;"
    .. "add_after_body /after;" .. UPSTREAM),
  inline.location("= /return", 'return 200 "all at once";'),
  inline.location("= /return_nothing", 'return 200 "";'),
  inline.location("= /return_204", "return 204;"),
  inline.location("= /file", "alias %{dir}/file.txt;"),
  inline.location("= /proxy", UPSTREAM),
  inline.location("= /proxy11", "proxy_http_version 1.1;" .. UPSTREAM),
  inline.location("= /unbuffered", "proxy_buffering off; proxy_http_version 1.1;" .. UPSTREAM),
  inline.location("= /small_buffers", "proxy_buffer_size 4k; proxy_buffers 64 4k;"
    .. "proxy_busy_buffers_size 8k;" .. UPSTREAM),
  inline.location("= /gzip", "gzip on; gzip_types *; gzip_min_length 1;" .. UPSTREAM),
  inline.location("= /compressed", "proxy_http_version 1.1;"
    .. "proxy_pass http://127.0.0.1:%{upstream_port}/gzip;"),
  inline.location("= /dead", "error_page 502 = /sub?$args;"
    .. "proxy_pass http://127.0.0.1:%{dead_port};"),
  [[
    location = /before {
      return 200 "before ";
      body_filter_by_lua_block {
        local body = require("kong.response").get_raw_body()
        if body then ngx.arg[1] = body:upper() end
      }
    }
    location = /after {
      return 200 " after";
      body_filter_by_lua_block {
        local body = require("kong.response").get_raw_body()
        if body then ngx.arg[1] = body:upper() end
      }
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

-- every block of 64 KiB differs: a lost, doubled or swapped one is seen
local BIG = [[
  local blocks = {}
  for i = 1, 256 do
    blocks[i] = ("%08x"):format(i):rep(8192)
  end
  local big = table.concat(blocks)
]]

local CLEAR_LENGTH = "ngx.header.content_length = nil"
local KEEP = "note(response.get_raw_body())"
local WRAP = [[
  local body = response.get_raw_body()
  if body then
    response.set_raw_body("<" .. body:reverse() .. ">")
  end
]]


local function all_bytes()
  local bytes = {}
  for byte = 0, 255 do
    bytes[#bytes + 1] = string.char(byte)
  end
  return table.concat(bytes)
end


for _, jit_mode in ipairs { "on", "off" } do
  describe("get_raw_body with the JIT " .. jit_mode, function()
    local server, pids

    setup(function()
      server = nginx.start(inline.options {
        init = "jit." .. jit_mode .. "()",
        locations = LOCATIONS,
        servers = SERVERS,
        files = { ["file.txt"] = ("a file, read from disk\n"):rep(20000) },
      })
      pids = server:worker_pids()
    end)

    teardown(function()
      server:stop()
    end)

    before_each(function()
      server:clear_log()
    end)

    after_each(function()
      assert.same({}, inline.alarms(server))
      assert.same(pids, server:worker_pids())
    end)

    local function ask(...)
      return inline.ask(server, ...)
    end

    local function uncompressed(body)
      local path = server.dir .. "/body.gz"
      local file = assert(io.open(path, "wb"))
      file:write(body)
      file:close()
      local pipe = assert(io.popen("gzip -dc " .. path))
      local text = pipe:read("*a")
      pipe:close()
      return text
    end

    --- Runs the test over both versions of HTTP.
    local function each_version(test)
      for _, http2 in ipairs { false, true } do
        test({ http2 = http2 })
      end
    end


    describe("chunk by chunk", function()
      it("returns nil until the last chunk, then the whole", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
          body_filter = KEEP,
        })
        assert.equal("one two three", r.body)
        assert.same({ "(nil)", "(nil)", "(nil)", "one two three" }, notes)
      end)

      it("takes away the chunk while it buffers", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            response.get_raw_body()
            note(ngx.arg[1], ngx.arg[2])
          ]],
        })
        assert.equal("one two", r.body)
        -- nginx shows a chunk that was set to nil as ""
        assert.same({ "", "(false)", "", "(false)", "one two", "(true)" }, notes)
      end)

      it("sends nothing before the last chunk", function()
        local connection = server:connect()
        connection:send("GET " .. inline.path("/content", {
          content = [[ngx.print("early") ngx.flush(true) ngx.sleep(0.4) ngx.print(" late")]],
          body_filter = "response.get_raw_body()",
        }) .. " HTTP/1.0\r\n\r\n")
        local first = connection:read { seconds = 0.2 }
        local rest, closed = connection:read()
        connection:close()
        assert.is_nil(first:find("early", 1, true))
        assert.is_true(closed)
        assert.matches("\r\n\r\nearly late$", first .. rest)
      end)

      it("returns a body of one chunk at once", function()
        each_version(function(options)
          local r, notes = ask("/return", {
            body_filter = "note(ngx.arg[2], response.get_raw_body(), ngx.arg[1], ngx.arg[2])",
          }, options)
          assert.equal("all at once", r.body)
          assert.same({ "(true)", "all at once", "all at once", "(true)" }, notes)
        end)
      end)

      it("returns the empty string for an empty body", function()
        each_version(function(options)
          for path, content in pairs {
            ["/return_nothing"] = "",
            ["/content"] = "ngx.exit(200)",
            ["/proxy"] = "",
            ["/proxy11"] = "",
            ["/unbuffered"] = "",
          } do
            local r, notes = ask(path, {
              content = content,
              upstream = "ngx.header.content_length = 0",
              body_filter = KEEP,
            }, options)
            assert.equal(200, r.status)
            assert.equal(0, r.exit)
            assert.equal("", r.body)
            assert.equal("", notes[#notes])
            for i = 1, #notes - 1 do
              assert.equal("(nil)", notes[i])
            end
          end
        end)
      end)

      it("keeps a chunked body that is empty apart from no body", function()
        local r, notes = ask("/proxy11", {
          upstream = [[ngx.print("") ngx.flush(true)]],
          body_filter = KEEP,
        })
        assert.equal(0, r.exit)
        assert.equal("", r.body)
        assert.equal("", notes[#notes])
      end)

      it("skips empty chunks", function()
        local r = ask("/content", {
          content = [[
            ngx.flush(true) ngx.print("") ngx.print("a") ngx.print("")
            ngx.flush(true) ngx.print("b") ngx.flush(true)
          ]],
          body_filter = WRAP,
        })
        assert.equal("<ba>", r.body)
      end)

      it("takes what is there from the first call on", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
          body_filter = [[
            ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
            if ngx.ctx.chunks > 1 then
              local body = response.get_raw_body()
              note(body)
              if body then response.set_raw_body("[" .. body .. "]") end
            end
          ]],
        })
        assert.equal("one [two three]", r.body)
        assert.same({ "(nil)", "(nil)", "two three" }, notes)
      end)

      it("leaves the chunks between two calls to the client", function()
        local r = ask("/content", {
          content = [[ngx.print("1") ngx.print("2") ngx.print("3") ngx.print("4")]],
          body_filter = [[
            ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
            if ngx.ctx.chunks ~= 2 then
              response.get_raw_body()
            end
          ]],
        })
        assert.equal("2134", r.body)
      end)

      it("keeps every byte", function()
        each_version(function(options)
          local r, notes = ask("/content", {
            content = [[
              for byte = 0, 255 do
                ngx.print(string.char(byte))
              end
            ]],
            body_filter = "local body = response.get_raw_body() if body then note(body) end",
          }, options)
          assert.equal(all_bytes(), r.body)
          assert.same({ all_bytes() }, notes)
        end)
      end)

      it("does so in code that the compiler has got hold of", function()
        local r = ask("/content", {
          content = "for i = 1, 3000 do ngx.print(i, ',') end",
          body_filter = WRAP,
        })
        local expected = {}
        for i = 1, 3000 do
          expected[i] = i .. ","
        end
        assert.equal("<" .. table.concat(expected):reverse() .. ">", r.body)
      end)

      it("ignores arguments", function()
        local r = ask("/return", { body_filter = "note(response.get_raw_body(1, {}, nil))" })
        assert.equal("all at once", r.body)
      end)
    end)


    describe("called again", function()
      it("adds nothing when the chunk was taken already", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            note(response.get_raw_body())
            note(response.get_raw_body())
            note(response.get_raw_body())
          ]],
        })
        assert.equal("one two", r.body)
        assert.same({
          "(nil)", "(nil)", "(nil)",
          "(nil)", "(nil)", "(nil)",
          "one two", "one two", "one two",
        }, notes)
      end)

      it("adds what somebody put into the chunk since", function()
        for value, text in pairs {
          ['"text"'] = "text",
          ["17"] = "17",
          ['{ "a", { "b", 1 } }'] = "ab1",
          ["nil"] = "",
          ['""'] = "",
        } do
          local r, notes = ask("/content", {
            content = [[ngx.print("one ") ngx.print("two")]],
            body_filter = "note(response.get_raw_body())"
              .. "if not ngx.arg[2] then ngx.arg[1] = " .. value .. " end "
              .. "note(response.get_raw_body())",
          })
          local body = "one " .. text .. "two" .. text
          assert.equal(body, r.body)
          assert.same({ "(nil)", "(nil)", "(nil)", "(nil)", body, body }, notes)
        end
      end)

      it("adds what somebody put in front of the call", function()
        local r = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            ngx.arg[1] = ngx.arg[1]:upper() .. (ngx.arg[2] and "." or "")
            response.get_raw_body()
          ]],
        })
        assert.equal("ONE TWO.", r.body)
      end)

      it("returns the whole when somebody ends the body early", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
          body_filter = [[
            ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
            note(response.get_raw_body())
            if ngx.ctx.chunks == 2 then
              ngx.arg[1] = "end"
              ngx.arg[2] = true
              note(response.get_raw_body())
            end
          ]],
        })
        assert.equal("one two end", r.body)
        assert.same({ "(nil)", "(nil)", "one two end" }, notes)
      end)

      it("has let go of the body after the last chunk", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            local body = response.get_raw_body()
            if body then
              ngx.arg[1] = "other"
              note(body, response.get_raw_body(), ngx.arg[1])
            end
          ]],
        })
        assert.equal("other", r.body)
        assert.same({ "one two", "other", "other" }, notes)
      end)

      it("keeps the whole when the last chunk is taken away after it", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            local body = response.get_raw_body()
            if body then
              ngx.arg[1] = nil
              note(body, response.get_raw_body())
            end
          ]],
        })
        assert.equal("", r.body)
        assert.same({ "one two", "" }, notes)
      end)
    end)


    describe("with several plugins", function()
      it("gives each what the one before has left", function()
        each_version(function(options)
          local r = ask("/content", {
            content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
            body_filter = [[
              for _, mark in ipairs { "A", "B", "C" } do
                local body = response.get_raw_body()
                if body then
                  response.set_raw_body(mark .. "(" .. body .. ")")
                end
              end
            ]],
          }, options)
          assert.equal("C(B(A(one two three)))", r.body)
        end)
      end)

      it("composes with one that changes chunk by chunk before it", function()
        local r = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            ngx.arg[1] = ngx.arg[1]:upper()
            local body = response.get_raw_body()
            if body then
              response.set_raw_body("(" .. body .. ")")
            end
          ]],
        })
        assert.equal("(ONE TWO)", r.body)
      end)

      it("composes with one that changes chunk by chunk after it", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            response.get_raw_body()
            note(ngx.arg[1])
            ngx.arg[1] = ngx.arg[1]:upper()
          ]],
        })
        assert.equal("ONE TWO", r.body)
        assert.same({ "", "", "one two" }, notes)
      end)

      it("keeps the body when the next plugin only reads", function()
        local r, notes = ask("/content", {
          content = [[ngx.print("one ") ngx.print("two")]],
          body_filter = [[
            local body = response.get_raw_body()
            if body then response.set_raw_body(body:upper()) end
            note(response.get_raw_body())
          ]],
        })
        assert.equal("ONE TWO", r.body)
        assert.same({ "(nil)", "(nil)", "ONE TWO" }, notes)
      end)

      it("keeps requests apart that run at the same time", function()
        local specs = {}
        for i = 1, 24 do
          specs[i] = {
            path = inline.path("/content", {
              content = "for i = 1, 20 do ngx.print(" .. i .. ", '.', i, ' ') ngx.sleep(0.002) end",
              body_filter = WRAP,
            }),
            http2 = i % 2 == 0,
          }
        end
        for i, r in ipairs(server:requests(specs, 24)) do
          local expected = {}
          for n = 1, 20 do
            expected[n] = i .. "." .. n .. " "
          end
          assert.equal("<" .. table.concat(expected):reverse() .. ">", r.body)
        end
      end)

      it("keeps requests apart that share a connection", function()
        local connection = server:connect()
        local path = inline.path("/content", {
          content = [[ngx.print("piece ") ngx.print(ngx.var.http_x_number)]],
          body_filter = WRAP,
        })
        local requests = {}
        for i = 1, 20 do
          requests[i] = ("GET %s HTTP/1.1\r\nHost: a\r\nX-Number: %02d\r\n%s\r\n"):format(
            path, i, i == 20 and "Connection: close\r\n" or "")
        end
        connection:send(table.concat(requests))
        local answers, closed = connection:read()
        connection:close()
        assert.is_true(closed)
        local numbers = {}
        for number in answers:gmatch("<(%d%d) eceip>") do
          numbers[#numbers + 1] = tonumber(number:reverse())
        end
        local expected = {}
        for i = 1, 20 do
          expected[i] = i
        end
        assert.same(expected, numbers)
      end)
    end)


    describe("with subrequests", function()
      it("keeps their bodies and the main request's apart", function()
        local r, notes = ask("/content", {
          content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body, ' end')"):format(
            inline.path("/sub", {
              content = [[ngx.print("sub ") ngx.print("body")]],
              body_filter = [[
                local body = response.get_raw_body()
                note(body)
                if body then ngx.arg[1] = "<" .. body .. ">" end
              ]],
            })),
          body_filter = KEEP,
        })
        assert.equal("main <sub body> end", r.body)
        assert.same({
          "(nil)", -- "main "
          "(nil)", "(nil)", "sub body",
          "(nil)", -- "<sub body> end"
          "main <sub body> end",
        }, notes)
      end)

      it("keeps two of them apart that run at the same time", function()
        local function sub(name)
          return ("{ %q }"):format(inline.path("/sub", {
            content = "for i = 1, 10 do ngx.print('" .. name
              .. "', i, ' ') ngx.sleep(0.002) end",
            body_filter = WRAP,
          }))
        end
        local r = ask("/content", {
          content = "ngx.print('main ') local a, b = ngx.location.capture_multi { "
            .. sub("a") .. ", " .. sub("b") .. " } ngx.print(a.body, b.body)",
          body_filter = WRAP,
        })
        local a = "<" .. ("a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 "):reverse() .. ">"
        local b = "<" .. ("b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 "):reverse() .. ">"
        assert.equal("<" .. ("main " .. a .. b):reverse() .. ">", r.body)
      end)

      it("forgets what was buffered for one that broke off", function()
        local r = ask("/content", {
          content = ([[
            ngx.print("main ")
            local broken = ngx.location.capture(%q)
            local whole = ngx.location.capture(%q)
            ngx.print(tostring(broken.truncated), broken.body, whole.body)
          ]]):format(
            inline.path("/proxy", {
              upstream = [[
                ngx.header.content_length = 100
                ngx.print("part") ngx.flush(true) ngx.exit(444)
              ]],
              body_filter = "response.get_raw_body()",
            }),
            inline.path("/sub", { content = "ngx.print('whole')", body_filter = WRAP })),
          body_filter = WRAP,
        })
        assert.equal("<" .. ("main true<elohw>"):reverse() .. ">", r.body)
      end)

      it("serves those that nginx puts around a body", function()
        each_version(function(options)
          local r = ask("/surrounded", {
            upstream = [[ngx.print("the ") ngx.flush(true) ngx.print("main body")]],
          }, options)
          assert.equal("BEFORE the main body AFTER", r.body)
        end)
      end)
    end)


    describe("of an upstream", function()
      local ANSWERS = {
        ["with Content-Length"] = [[
          ngx.header.content_length = 11
          ngx.print("hello ") ngx.flush(true) ngx.sleep(0.01) ngx.print("world")
        ]],
        ["without Content-Length"] = [[
          ngx.print("hello ") ngx.flush(true) ngx.sleep(0.01) ngx.print("world")
        ]],
      }

      for name, upstream in pairs(ANSWERS) do
        for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered", "/small_buffers" } do
          it(name .. " gives the whole through " .. path, function()
            each_version(function(options)
              local r = ask(path, {
                upstream = upstream,
                header_filter = CLEAR_LENGTH,
                body_filter = WRAP,
              }, options)
              assert.equal(200, r.status)
              assert.equal(0, r.exit)
              assert.equal("<dlrow olleh>", r.body)

              r = ask(path, { upstream = upstream, body_filter = KEEP }, options)
              assert.equal(0, r.exit)
              assert.equal("hello world", r.body)
            end)
          end)
        end
      end

      for _, framing in ipairs { "Content-Length", "chunks" } do
        for _, path in ipairs { "/proxy11", "/unbuffered", "/small_buffers" } do
          it("of 16 MB in " .. framing .. " gives the whole through " .. path, function()
            local big = loadstring(BIG .. "return big")()
            each_version(function(options)
              local r = ask(path, {
                upstream = BIG
                  .. (framing == "chunks" and "" or "ngx.header.content_length = #big ")
                  .. "ngx.print(big)",
                header_filter = CLEAR_LENGTH,
                body_filter = WRAP,
              }, options)
              assert.equal(0, r.exit)
              assert.equal(#big + 2, #r.body)
              -- not assert.equal: a failure would print 32 MB
              assert.is_true(r.body == "<" .. big:reverse() .. ">")
            end)
          end)
        end
      end

      it("of 16 MB is sent as it came when nobody changes it", function()
        local big = loadstring(BIG .. "return big")()
        each_version(function(options)
          local r = ask("/proxy11", {
            upstream = BIG .. "ngx.header.content_length = #big ngx.print(big)",
            body_filter = "response.get_raw_body()",
          }, options)
          assert.equal(0, r.exit)
          assert.equal(tostring(#big), r:header("Content-Length"))
          assert.is_true(r.body == big)
        end)
      end)

      it("joins the buffers of one chain", function()
        local r, notes = ask("/small_buffers", {
          upstream = BIG .. "ngx.header.content_length = 300000 ngx.print(big:sub(1, 300000))",
          body_filter = [[
            local ffi = require "ffi"
            local several = ffi.C.ngx_http_lua_ffi_get_body_filter_param_body(
              require("resty.core.base").get_request(),
              ffi.new("unsigned char *[1]"), ffi.new("size_t[1]")) == -2
            if several and not ngx.ctx.several then
              ngx.ctx.several = true
              note("several")
            end
            local body = response.get_raw_body()
            if body then
              note(ngx.md5(body))
            end
          ]],
        })
        assert.equal("several", notes[1])
        local big = loadstring(BIG .. "return big")()
        assert.is_true(r.body == big:sub(1, 300000))
      end)

      it("joins the buffers of nginx's own page, which come as one last chunk", function()
        each_version(function(options)
          local r, notes = ask("/content", {
            access = "ngx.exit(403)",
            body_filter = [[
              note(ngx.arg[2])
              local body = response.get_raw_body()
              note(body)
              response.set_raw_body(body:upper())
            ]],
            header_filter = CLEAR_LENGTH,
          }, options)
          assert.equal(403, r.status)
          assert.equal("(true)", notes[1])
          assert.equal(2, #notes)
          assert.matches("^<html>.*<h1>403 Forbidden</h1>.*</html>\r\n$", notes[2])
          assert.equal(notes[2]:upper(), r.body)
        end)
      end)

      it("reads a file from disk", function()
        local text = ("a file, read from disk\n"):rep(20000)
        each_version(function(options)
          local r = ask("/file", { header_filter = CLEAR_LENGTH, body_filter = WRAP }, options)
          assert.equal(0, r.exit)
          assert.is_true(r.body == "<" .. text:reverse() .. ">")
        end)
        local r = ask("/file", { body_filter = KEEP }, { headers = { "Range: bytes=2-5" } })
        assert.equal(206, r.status)
        assert.equal("file", r.body)
      end)

      it("is never whole when the upstream dies in the middle", function()
        for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
          each_version(function(options)
            for _ = 1, 5 do
              local r, notes = ask(path, {
                upstream = [[
                  ngx.header.content_length = 1000
                  ngx.print(("x"):rep(400)) ngx.flush(true) ngx.sleep(0.01) ngx.exit(444)
                ]],
                body_filter = KEEP,
              }, options)
              assert.not_equal(0, r.exit)
              assert.equal("", r.body)
              assert.is_true(#notes > 0)
              for _, value in ipairs(notes) do
                assert.equal("(nil)", value)
              end
              -- nginx gives the next request the memory of this one
              r = ask(path, {
                upstream = "ngx.print('fresh')",
                header_filter = CLEAR_LENGTH,
                body_filter = WRAP,
              }, options)
              assert.equal("<hserf>", r.body)
            end
          end)
        end
        assert.truthy(server:wait_log("upstream prematurely closed connection"))
      end)

      it("is never whole when a plugin fails in the middle", function()
        each_version(function(options)
          for _ = 1, 5 do
            local r = ask("/content", {
              content = [[ngx.print("one ") ngx.print("two ") ngx.print("three")]],
              body_filter = [[
                ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
                response.get_raw_body()
                if ngx.ctx.chunks == 2 then error("out of order") end
              ]],
            }, options)
            assert.not_equal(0, r.exit)
            assert.is_nil((r.body or ""):find("one", 1, true))
            r = ask("/content", { content = "ngx.print('fresh')", body_filter = WRAP }, options)
            assert.equal("<hserf>", r.body)
          end
        end)
      end)

      it("is forgotten when the client hangs up in the middle", function()
        for _ = 1, 20 do
          local connection = server:connect()
          connection:send("GET " .. inline.path("/proxy11", {
            upstream = [[ngx.print("stale ") ngx.flush(true) note("sent") ngx.sleep(0.2)]],
            body_filter = "response.get_raw_body()",
          }) .. " HTTP/1.1\r\nHost: a\r\n\r\n")
          inline.wait_notes(server, 1)
          connection:reset()
          local r = ask("/proxy11", { upstream = "ngx.print('fresh')", body_filter = WRAP })
          assert.equal("<hserf>", r.body)
        end
      end)

      it("is passed as compressed bytes", function()
        local text = ("some text, "):rep(1000)
        local r, notes = ask("/compressed", {
          upstream = "ngx.print(('some text, '):rep(1000))",
          body_filter = "local body = response.get_raw_body() if body then note(body) end",
        }, { headers = { "Accept-Encoding: gzip" } })
        assert.equal("gzip", r:header("Content-Encoding"))
        assert.equal("\31\139", r.body:sub(1, 2))
        assert.is_true(#r.body < #text)
        assert.same({ r.body }, notes)

        assert.is_true(uncompressed(r.body) == text)
      end)

      it("is compressed for the client after the plugins", function()
        local r = ask("/gzip", {
          upstream = "ngx.print(('some text, '):rep(1000))",
          body_filter = WRAP,
        }, { headers = { "Accept-Encoding: gzip" } })
        assert.equal("gzip", r:header("Content-Encoding"))
        local expected = "<" .. ("some text, "):rep(1000):reverse() .. ">"
        assert.is_true(uncompressed(r.body) == expected)
      end)

      it("may be none: HEAD, 204 and 304", function()
        each_version(function(options)
          local function none(path, phases, method)
            phases.body_filter = KEEP
            local r, notes = ask(path, phases, { http2 = options.http2, method = method })
            assert.equal(0, r.exit)
            assert.equal("", r.body)
            for _, value in ipairs(notes) do
              assert.is_true(value == "(nil)" or value == "")
            end
            return r
          end

          local r = none("/proxy11", {
            upstream = "ngx.header.content_length = 5 ngx.print('hello')",
          }, "HEAD")
          assert.equal(200, r.status)
          assert.equal("5", r:header("Content-Length"))
          assert.equal(200, none("/content", { content = "ngx.print('hello')" }, "HEAD").status)
          assert.equal(200, none("/return", {}, "HEAD").status)
          assert.equal(200, none("/file", {}, "HEAD").status)
          assert.equal(204, none("/return_204", {}).status)
          for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
            assert.equal(204, none(path, { upstream = "ngx.exit(204)" }).status)
            assert.equal(304, none(path, { upstream = "ngx.exit(304)" }).status)
          end
        end)
      end)

      it("is the fallback's when the upstream cannot be reached", function()
        local r = ask("/dead", {
          content = [[ngx.print("fall") ngx.print("back")]],
          body_filter = WRAP,
        })
        assert.equal("<kcabllaf>", r.body)
      end)

      it("reaches a client of HTTP/1.0", function()
        local connection = server:connect()
        connection:send("GET " .. inline.path("/proxy11", {
          upstream = ANSWERS["without Content-Length"],
          body_filter = WRAP,
        }) .. " HTTP/1.0\r\n\r\n")
        local answer, closed = connection:read()
        connection:close()
        assert.is_true(closed)
        assert.matches("\r\n\r\n<dlrow olleh>$", answer)
      end)
    end)


    describe("of an upstream that lies about its length", function()
      --- An answer written byte by byte: nginx would not send such a Content-Length.
      local function hostile(length)
        return ([[
          local sock = assert(ngx.req.socket(true))
          sock:send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %s\r\n\r\nshort")
          ngx.exit(444)
        ]]):format(length)
      end

      for _, length in ipairs {
        "9223372036854775807", "4611686018427387904", "99999999999", "4294967296", "2147483648",
      } do
        it("gives nothing for " .. length .. " bytes that never come", function()
          local before = server:rss(pids[1], "VmHWM")
          for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
            each_version(function(options)
              local r, notes = ask(path, {
                upstream = hostile(length),
                body_filter = KEEP,
              }, options)
              assert.not_equal(0, r.exit)
              assert.equal("", r.body)
              assert.is_true(#notes > 0)
              for _, value in ipairs(notes) do
                assert.equal("(nil)", value)
              end
            end)
          end
          assert.is_true(server:rss(pids[1], "VmHWM") - before < 64 * 1024)
        end)
      end

      for _, length in ipairs {
        "99999999999999999999", "-1", "-9223372036854775808", "abc", "", "0x10", "1e9", "5.0",
        "18446744073709551615",
      } do
        it("does not fall for " .. ("%q"):format(length), function()
          local before = server:rss(pids[1], "VmHWM")
          each_version(function(options)
            -- nginx takes such a length for none, newer ones answer 502
            local r, notes = ask("/proxy", {
              upstream = hostile(length),
              body_filter = WRAP .. " note(body)",
              header_filter = CLEAR_LENGTH,
            }, options)
            if r.status == 502 then
              assert.matches("^>.*<$", r.body:reverse())
              assert.matches("502 Bad Gateway", notes[#notes])
            else
              assert.equal(200, r.status)
              assert.equal("<trohs>", r.body)
            end
          end)
          assert.is_true(server:rss(pids[1], "VmHWM") - before < 64 * 1024)
        end)
      end

      it("takes what came when more came than was said", function()
        local r = ask("/proxy", {
          upstream = hostile("3"),
          header_filter = CLEAR_LENGTH,
          body_filter = WRAP,
        })
        assert.equal("<ohs>", r.body)
      end)
    end)
  end)
end
