local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


served.describe("nginx of the specs", function()
  return nginx.start {
    init = [[
      started = "yes, " .. require("texts").greeting
    ]],
    files = { ["texts.lua"] = [[return { greeting = "hello from %{dir}" }]] },
    locations = [[
      location = /started {
        content_by_lua_block { ngx.print(started) }
      }
      location = /headers {
        content_by_lua_block {
          ngx.status = 418
          ngx.header["X-One"] = { "a", "b: c" }
          ngx.header["X-Bytes"] = "\200\t\255"
          ngx.header["X-Space"] = " "
          ngx.print("")
        }
      }
      location = /bytes {
        content_by_lua_block {
          local all = {}
          for byte = 0, 255 do
            all[#all + 1] = string.char(byte)
          end
          ngx.print(table.concat(all))
          ngx.flush(true)
          ngx.print("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        }
      }
      location = /request {
        content_by_lua_block {
          ngx.req.read_body()
          ngx.print(ngx.req.raw_header():gsub("\r", ""), ngx.req.get_body_data() or "none")
        }
      }
      location = /request_h2 {
        content_by_lua_block {
          ngx.req.read_body()
          local list = {}
          for name, value in pairs(ngx.req.get_headers(0, true)) do
            list[#list + 1] = name .. "=" .. tostring(value)
          end
          table.sort(list)
          ngx.print(ngx.var.request_method, " ", ngx.var.request_uri, " ",
            table.concat(list, " "), " ", ngx.req.get_body_data() or "none")
        }
      }
      # Answers when ten of them wait.
      location = /together {
        content_by_lua_block {
          local waiting = package.loaded.waiting or { count = 0 }
          package.loaded.waiting = waiting
          waiting.count = waiting.count + 1
          for _ = 1, 400 do
            if waiting.count == 10 then
              return ngx.print("together")
            end
            ngx.sleep(0.05)
          end
          ngx.print("alone")
        }
      }
      location = /hang {
        content_by_lua_block {
          ngx.print("started")
          ngx.flush(true)
          ngx.sleep(1)
        }
      }
      location = /nothing {
        content_by_lua_block { ngx.exit(444) }
      }
      location = /log {
        content_by_lua_block { ngx.log(ngx.WARN, "a line of ", ngx.var.arg_who) }
      }
      location = /pid {
        content_by_lua_block { ngx.print(ngx.worker.pid()) }
      }
      location = /upstream {
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
    ]],
    servers = [[
      server {
        listen 127.0.0.1:%{upstream_port};
        location / { return 203 "from upstream"; }
      }
    ]],
  }
end, function(server)
  it("runs init, finds files and replaces placeholders", function()
    local r = server:get("/started")
    assert.equal(200, r.status)
    assert.equal("1.1", r.version)
    assert.equal(0, r.exit)
    assert.equal("yes, hello from " .. server.dir, r.body)
  end)

  it("reports status and headers in order, byte for byte", function()
    local r = server:get("/headers")
    assert.equal(418, r.status)
    assert.same({ "a", "b: c" }, r:values("x-one"))
    assert.equal("a", r:header("X-ONE"))
    assert.equal("\200\t\255", r:header("X-Bytes"))
    assert.equal(" ", r:header("X-Space"))
    assert.is_nil(r:header("X-None"))
    assert.same({}, r:values("X-None"))
    assert.matches("^HTTP/1.1 418 \r\n", r.head)
    assert.truthy(r.head:find("\r\nX-One: a\r\nX-One: b: c\r\nX-Bytes: \200\t\255\r\n", 1, true))
    assert.equal("", r.body)
  end)

  it("reports a body byte for byte", function()
    local r = server:get("/bytes")
    assert.equal(256 + 23, #r.body)
    for byte = 0, 255 do
      assert.equal(byte, r.body:byte(byte + 1))
    end
    assert.equal("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", r.body:sub(257))
    assert.equal(200, r.status)
  end)

  it("keeps the framing if a case wants it", function()
    local r = server:request { path = "/pid", raw = true }
    assert.matches("^%x+\r\n%d+\r\n0\r\n\r\n$", r.body)
  end)

  it("sends the request of a case and no other headers", function()
    local r = server:request {
      path = "/request?a='b'&c=$(d)[1-2]{e}",
      method = "PUT",
      headers = { "Accept: text/html", "Accept: b 'c' \"d\" \\e", "X-Empty:", "X-Bytes: \200" },
      body = "one\0two",
    }
    assert.equal("PUT /request?a='b'&c=$(d)[1-2]{e} HTTP/1.1\nHost: 127.0.0.1:"
      .. server.ports.port .. "\nAccept: text/html\nAccept: b 'c' \"d\" \\e\nX-Empty:\n"
      .. "X-Bytes: \200\nContent-Length: 7\n\none\0two", r.body)

    assert.equal("GET /request HTTP/1.1\nHost: 127.0.0.1:" .. server.ports.port .. "\n\nnone",
      server:get("/request").body)
  end)

  it("speaks HTTP/2", function()
    local r = server:request {
      path = "/request_h2?a=b",
      http2 = true,
      method = "POST",
      headers = { "X-One: 1" },
      body = "body",
    }
    assert.equal("2", r.version)
    assert.equal(200, r.status)
    assert.equal("POST /request_h2?a=b content-length=4 host=127.0.0.1:" .. server.ports.h2_port
      .. " x-one=1 body", r.body)
    r = server:request { path = "/headers", http2 = true }
    assert.same({ "a", "b: c" }, r:values("x-one"))
  end)

  it("sends HEAD", function()
    local r = server:request { path = "/pid", method = "HEAD" }
    assert.equal(200, r.status)
    assert.equal(0, r.exit)
    assert.equal("", r.body)
  end)

  it("reports curl's failures without an error", function()
    local r = server:get("/nothing")
    assert.equal(52, r.exit)
    assert.is_nil(r.status)
    assert.same({}, r.headers)

    r = server:request { path = "/hang", max_time = 1 }
    assert.equal(28, r.exit)
    assert.equal(200, r.status)
    assert.equal("started", r.body)
  end)

  it("sends several requests at once", function()
    local specs = {}
    for i = 1, 20 do
      specs[i] = { path = i % 2 == 0 and "/together" or "/started", max_time = 30 }
    end
    local responses = server:requests(specs, 20)
    assert.equal(20, #responses)
    for i, r in ipairs(responses) do
      assert.equal(i % 2 == 0 and "together" or "yes, hello from " .. server.dir, r.body)
    end
  end)

  it("shows the error log", function()
    server:clear_log()
    server:get("/log?who=me")
    assert.equal("me", server:wait_log("a line of (%a+)"))
    assert.matches("a line of me", server:log())
    assert.is_nil(server:wait_log("a line of you", 0.05))
    server:clear_log()
    assert.not_matches("a line of", server:log())
  end)

  it("reaches further servers", function()
    local r = server:get("/upstream")
    assert.equal(203, r.status)
    assert.equal("from upstream", r.body)
    assert.equal("from upstream", server:request({ port = "upstream_port" }).body)
  end)

  it("opens plain connections", function()
    local connection = server:connect()
    assert.is_true(connection:send("GET /pid HTTP/1.0\r\n\r\n"))
    local answer, closed = connection:read()
    assert.matches("^HTTP/1.1 200 OK\r\n.*\r\n\r\n%d+$", answer)
    assert.is_true(closed)
    connection:close()

    connection = server:connect()
    connection:send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
    answer, closed = connection:read { pattern = "started" }
    assert.matches("started", answer)
    assert.is_false(closed)
    connection:reset()
  end)

  it("lists its workers and reloads", function()
    local pids = server:worker_pids()
    assert.same({ tonumber(server:get("/pid").body) }, pids)
    assert.is_true(server:rss(pids[1]) > 1000)
    assert.is_true(server:rss(pids[1], "VmHWM") >= server:rss())
    assert.is_true(server:reload())
    assert.not_equal(pids[1], tonumber(server:get("/pid").body))
  end)
end)


describe("a start or stop", function()
  local function folder_exists(path)
    return os.execute("test -d " .. path) == 0 or os.execute("test -d " .. path) == true
  end

  it("reports nginx's message if the configuration is wrong", function()
    local ok, err = pcall(nginx.start, { http = "nonsense;" })
    assert.is_false(ok)
    assert.matches('unknown directive "nonsense"', err)
    ok, err = pcall(nginx.start, { init = "error 'not today'" })
    assert.is_false(ok)
    assert.matches("init.lua:1: not today", err)
  end)

  it("raises an error for an unknown placeholder", function()
    local ok, err = pcall(nginx.start, { http = "%{typo}" })
    assert.is_false(ok)
    assert.matches("nobody knows the placeholder %%{typo}", err)
  end)

  it("works without the code cache and with several workers, and leaves no files", function()
    local dir, pid
    nginx.once({
      code_cache = false,
      workers = 2,
      files = { ["counter.lua"] = "count = (count or 0) + 1 return count" },
      locations = [[
        location / { content_by_lua_block { ngx.print(require "counter") } }
      ]],
    }, function(server)
      dir, pid = server.dir, server.pid
      assert.equal(2, #server:worker_pids())
      assert.equal("1", server:get("/").body)
      assert.equal("1", server:get("/").body)
    end)
    assert.is_false(folder_exists(dir))
    assert.is_false(folder_exists("/proc/" .. pid))
  end)

  it("stops the server if the case fails", function()
    local dir
    local ok, err = pcall(nginx.once, {}, function(server)
      dir = server.dir
      error("out of order", 0)
    end)
    assert.is_false(ok)
    assert.equal("out of order", err)
    assert.is_false(folder_exists(dir))
  end)

  it("reports a worker that crashed", function()
    local options = {
      locations = [[
        location / {
          content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "int raise(int signal);"
            ffi.C.raise(11)
          }
        }
      ]],
    }
    local ok, err = pcall(nginx.once, options, function(server)
      server:get("/")
      server:wait_log("exited on signal")
    end)
    assert.is_false(ok)
    assert.matches("a worker of nginx crashed: .*exited on signal 11", err)
  end)
end)
