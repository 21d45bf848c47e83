-- In nginx only: what clients do to a connection, requests at the same time, subrequests, nginx's
-- own filters and files.

local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"
local stages = require "spec.support.stages"


local BIG = bodies.BIG
local CLEAR_LENGTH = bodies.CLEAR_LENGTH
local THREE_CHUNKS = bodies.THREE_CHUNKS
local KEEP = bodies.KEEP
local WRAP = bodies.WRAP
local each_version = bodies.each_version

local UPSTREAM = "proxy_pass http://127.0.0.1:%{upstream_port}/;\n"

local LOCATIONS = table.concat {
  stages.location("= /sub", stages.phase "content"),
  stages.location("= /surrounded", "addition_types *; add_before_body /before;"
    .. "add_after_body /after;" .. UPSTREAM),
  stages.location("= /file", "alias %{dir}/file.txt;"),
  stages.location("= /gzip", "gzip on; gzip_types *; gzip_min_length 1;" .. UPSTREAM),
  stages.location("= /compressed", "proxy_http_version 1.1;"
    .. "proxy_pass http://127.0.0.1:%{gzip_port}/gzip;"),
  stages.location("= /dead", "error_page 502 = /sub?$args;"
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
    listen 127.0.0.1:%{gzip_port};
    default_type text/plain;
    location = /gzip {
      gzip on;
      gzip_types *;
      gzip_min_length 1;
      ]] .. stages.phase("upstream", "content") .. [[
    }
  }
]]


hosts.nginx("get_raw_body", {
  both_bindings = true,
  locations = bodies.LOCATIONS,
  nginx_locations = LOCATIONS,
  servers = SERVERS,
  files = { ["file.txt"] = ("a file, read from disk\n"):rep(20000) },
}, function(server)
  local function run(...)
    return server:run(...)
  end


  describe("with clients", function()
    it("sends nothing before the last chunk", function()
      local connection = server:connect()
      connection:send("GET " .. server:target {
        path = "/content",
        content = [[ngx.print("early") ngx.flush(true) ngx.sleep(0.4) ngx.print(" late")]],
        body_filter = "response.get_raw_body()",
      } .. " HTTP/1.0\r\n\r\n")
      local first = connection:read { seconds = 0.2 }
      local rest, closed = connection:read()
      connection:close()
      assert.is_nil(first:find("early", 1, true))
      assert.is_true(closed)
      assert.matches("\r\n\r\nearly late$", first .. rest)
    end)

    it("does not mix requests that run at the same time", function()
      local specs = {}
      for i = 1, 24 do
        specs[i] = {
          path = server:target {
            path = "/content",
            content = "for i = 1, 20 do ngx.print(" .. i .. ", '.', i, ' ') ngx.sleep(0.002) end",
            body_filter = WRAP,
          },
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

    it("does not mix requests that share a connection", function()
      local connection = server:connect()
      local path = server:target {
        path = "/content",
        content = [[ngx.print("piece ") ngx.print(ngx.var.http_x_number)]],
        body_filter = WRAP,
      }
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

    it("forgets a body if the client hangs up in the middle", function()
      for _ = 1, 20 do
        local connection = server:connect()
        connection:send("GET " .. server:target {
          path = "/proxy11",
          upstream = [[ngx.print("stale ") ngx.flush(true) note("sent") ngx.sleep(0.2)]],
          body_filter = "response.get_raw_body()",
        } .. " HTTP/1.1\r\nHost: a\r\n\r\n")
        server:noted(1)
        connection:reset()
        local r = run { path = "/proxy11", upstream = "ngx.print('fresh')", body_filter = WRAP }
        assert.equal("<hserf>", r.body)
      end
    end)

    it("serves a client of HTTP/1.0", function()
      local connection = server:connect()
      connection:send("GET " .. server:target {
        path = "/proxy11",
        upstream = [[
          ngx.print("hello ") ngx.flush(true) ngx.sleep(0.01) ngx.print("world")
        ]],
        body_filter = WRAP,
      } .. " HTTP/1.0\r\n\r\n")
      local answer, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      assert.matches("\r\n\r\n<dlrow olleh>$", answer)
    end)
  end)


  describe("with subrequests", function()
    it("does not mix their bodies with the main request's", function()
      local r = run {
        path = "/content",
        content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body, ' end')"):format(
          server:target {
            path = "/sub",
            content = [[ngx.print("sub ") ngx.print("body")]],
            body_filter = [[
              local body = response.get_raw_body()
              note(body)
              if body then ngx.arg[1] = "<" .. body .. ">" end
            ]],
          }),
        body_filter = KEEP,
      }
      assert.equal("main <sub body> end", r.body)
      assert.same({
        "(nil)", -- "main "
        "(nil)", "(nil)", "sub body",
        "(nil)", -- "<sub body> end"
        "main <sub body> end",
      }, r.notes)
    end)

    it("does not mix two of them that run at the same time", function()
      local function sub(name)
        return ("{ %q }"):format(server:target {
          path = "/sub",
          content = "for i = 1, 10 do ngx.print('" .. name
            .. "', i, ' ') ngx.sleep(0.002) end",
          body_filter = WRAP,
        })
      end
      local r = run {
        path = "/content",
        content = "ngx.print('main ') local a, b = ngx.location.capture_multi { "
          .. sub("a") .. ", " .. sub("b") .. " } ngx.print(a.body, b.body)",
        body_filter = WRAP,
      }
      local a = "<" .. ("a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 "):reverse() .. ">"
      local b = "<" .. ("b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 "):reverse() .. ">"
      assert.equal("<" .. ("main " .. a .. b):reverse() .. ">", r.body)
    end)

    it("forgets the body of one that broke off", function()
      local r = run {
        path = "/content",
        content = ([[
          ngx.print("main ")
          local broken = ngx.location.capture(%q)
          local whole = ngx.location.capture(%q)
          ngx.print(tostring(broken.truncated), broken.body, whole.body)
        ]]):format(
          server:target {
            path = "/proxy",
            upstream = [[
              ngx.header.content_length = 100
              ngx.print("part") ngx.flush(true) ngx.exit(444)
            ]],
            body_filter = "response.get_raw_body()",
          },
          server:target { path = "/sub", content = "ngx.print('whole')", body_filter = WRAP }),
        body_filter = WRAP,
      }
      assert.equal("<" .. ("main true<elohw>"):reverse() .. ">", r.body)
    end)

  it("lets set_raw_body change only the subrequest's body", function()
    local r = run {
      raises = true,
      path = "/content",
      content = ("ngx.print('main ') ngx.print(ngx.location.capture(%q).body, ' end')"):format(
        server:target {
          path = "/sub",
          content = THREE_CHUNKS,
          body_filter = "response.set_raw_body('new')",
        }),
      body_filter = "response.get_raw_body()",
    }
    assert.equal("main new end", r.body)
  end)

    it("works for subrequests that nginx adds around a body", function()
      each_version(function(options)
        local r = run({
          path = "/surrounded",
          upstream = [[ngx.print("the ") ngx.flush(true) ngx.print("main body")]],
        }, options)
        assert.equal("BEFORE the main body AFTER", r.body)
      end)
    end)
  end)


  describe("with bodies that nginx makes", function()
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

    it("joins the buffers of one chain", function()
      local r = run {
        path = "/small_buffers",
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
      }
      assert.equal("several", r.notes[1])
      local big = loadstring(BIG .. "return big")()
      assert.is_true(r.body == big:sub(1, 300000))
    end)

    it("reads a file from disk", function()
      local text = ("a file, read from disk\n"):rep(20000)
      each_version(function(options)
        local r = run({ path = "/file", header_filter = CLEAR_LENGTH, body_filter = WRAP }, options)
        assert.equal(0, r.exit)
        assert.is_true(r.body == "<" .. text:reverse() .. ">")
      end)
      local r = run { path = "/file", headers = { "Range: bytes=2-5" }, body_filter = KEEP }
      assert.equal(206, r.status)
      assert.equal("file", r.body)
    end)

    it("returns the compressed bytes of a compressed body", function()
      local text = ("some text, "):rep(1000)
      local r = run {
        path = "/compressed", headers = { "Accept-Encoding: gzip" },
        upstream = "ngx.print(('some text, '):rep(1000))",
        body_filter = "local body = response.get_raw_body() if body then note(body) end",
      }
      assert.equal("gzip", r:header("Content-Encoding"))
      assert.equal("\31\139", r.body:sub(1, 2))
      assert.is_true(#r.body < #text)
      assert.same({ r.body }, r.notes)

      assert.is_true(uncompressed(r.body) == text)
    end)

    it("runs before nginx compresses the body for the client", function()
      local r = run {
        path = "/gzip", headers = { "Accept-Encoding: gzip" },
        upstream = "ngx.print(('some text, '):rep(1000))",
        body_filter = WRAP,
      }
      assert.equal("gzip", r:header("Content-Encoding"))
      local expected = "<" .. ("some text, "):rep(1000):reverse() .. ">"
      assert.is_true(uncompressed(r.body) == expected)
    end)

    it("returns the fallback's body if the upstream cannot be reached", function()
      local r = run {
        path = "/dead",
        content = [[ngx.print("fall") ngx.print("back")]],
        body_filter = WRAP,
      }
      assert.equal("<kcabllaf>", r.body)
    end)

    it("returns an empty body for HEAD of a file", function()
      each_version(function(options)
        local r = run { path = "/file", http2 = options.http2, method = "HEAD", body_filter = KEEP }
        assert.equal(200, r.status)
        assert.equal(0, r.exit)
        assert.equal("", r.body)
      end)
    end)
  end)
end)
