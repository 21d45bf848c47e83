local ffi = require "ffi"
local stages = require "spec.support.stages"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


ffi.cdef "int setenv(const char *name, const char *value, int overwrite);"

local MB = 1024 -- in kB, as /proc has it
local LIMIT = 1000

local INIT = [[
local new = require("kong.response.instance").new
other = { unlimited = new(), small = new { max_body_size = 10 } }
package.loaded["kong.response"] = new { max_body_size = ]] .. LIMIT .. [[ }
package.loaded.gate = { opened = false, hostile = 0 }
]]

local LOCATIONS = table.concat {
  stages.location("= /content", stages.phase "content"),
  stages.location("= /return", 'return 200 "' .. ("r"):rep(LIMIT + 1) .. '";'),
  stages.location("= /proxy", "proxy_http_version 1.1;"
    .. "proxy_pass http://127.0.0.1:%{upstream_port}/;"),
  stages.location("= /hostile", "proxy_http_version 1.1; proxy_buffering off;"
    .. "proxy_pass http://127.0.0.1:%{hostile_port};"),
  [[
    location = /open { content_by_lua_block { require("gate").opened = true } }
    location = /arrived { content_by_lua_block { ngx.print(require("gate").hostile) } }
  ]],
}

local SERVERS = [[
  server {
    listen 127.0.0.1:%{hostile_port};
    location / {
      lua_check_client_abort on;
      content_by_lua_block {
        ngx.header.content_length = "1000000000000"
        ngx.print(("x"):rep(100000))
        ngx.flush(true)
        ngx.sleep(60)
      }
    }
  }
]]

local TOO_LARGE = "body is larger than max_body_size (" .. LIMIT .. " bytes)"
local PASSES = "get_raw_body lets the body pass: " .. TOO_LARGE
local STAYS = "set_raw_body leaves the body as it is: " .. TOO_LARGE

local KEEP = "note(response.get_raw_body())"

-- Prints `count` chunks of `size` bytes, each with its number.
local CHUNKS = [[for i = 1, %d do ngx.print(("%%08d"):format(i):rep(%d / 8)) end]]

local function chunks(count, size)
  local texts = {}
  for i = 1, count do
    texts[i] = ("%08d"):format(i):rep(size / 8)
  end
  return table.concat(texts)
end


for _, jit_mode in ipairs { "on", "off" } do
  served.checked("max_body_size with the JIT " .. jit_mode, function()
    return stages.start({
      init = "jit." .. jit_mode .. "()\n" .. INIT,
      locations = LOCATIONS,
      servers = SERVERS,
    })
  end, function(server)
    local function run(...)
      return server:run(...)
    end

    --- The lines that the library has logged, in order.
    local function warnings()
      local lines = {}
      for line in server:log():gmatch("[^\n]+") do
        lines[#lines + 1] = line:match("%[warn%] .-(%l+_raw_body .- bytes%))")
      end
      return lines
    end

    it("allows a body of exactly this size", function()
      local r = run {
        path = "/content",
        content = CHUNKS:format(2, LIMIT / 2),
        body_filter = [[
          local body, err = response.get_raw_body()
          if body then response.set_raw_body("<" .. body .. ">" .. tostring(err)) end
        ]],
      }
      assert.equal("<" .. chunks(2, LIMIT / 2) .. ">nil", r.body)
      assert.same({}, warnings())
    end)

    it("lets a larger body pass with the buffered part, and logs it once", function()
      for _, http2 in ipairs { false, true } do
        server:clear_log()
        local r = run {
          path = "/content", http2 = http2,
          content = CHUNKS:format(5, 400),
          body_filter = KEEP,
        }
        assert.equal(chunks(5, 400), r.body)
        assert.same({ "(nil)", "(nil)", "(nil)", "(nil)", "(nil)", "(nil)", TOO_LARGE }, r.notes)
        assert.same({ PASSES }, warnings())
      end
    end)

    it("sends the buffered part before the end has arrived", function()
      local connection = server:connect()
      connection:send("GET " .. server:target {
        path = "/content",
        content = [[
          require("gate").opened = false
          ngx.print(("a"):rep(600)) ngx.print(("b"):rep(600)) ngx.flush(true)
          repeat ngx.sleep(0.01) until require("gate").opened
          ngx.print("c")
        ]],
        body_filter = KEEP,
      } .. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      local first, closed = connection:read { pattern = "ab+\r\n$", seconds = 10 }
      assert.is_false(closed)
      assert.matches("\r\n\r\n4b0\r\n" .. ("a"):rep(600) .. ("b"):rep(600) .. "\r\n$", first)
      server:get("/open")
      local rest
      rest, closed = connection:read()
      connection:close()
      assert.is_true(closed)
      assert.equal("1\r\nc\r\n0\r\n\r\n", rest)
    end)

    it("does not change a large body of an upstream, or its Content-Length", function()
      for _, http2 in ipairs { false, true } do
        local r = run {
          path = "/proxy", http2 = http2,
          upstream = "ngx.header.content_length = 8000000\n" .. CHUNKS:format(1000, 8000),
          body_filter = "response.get_raw_body()",
        }
        assert.equal(0, r.exit)
        assert.equal("8000000", r:header("Content-Length"))
        assert.is_true(r.body == chunks(1000, 8000))
      end
    end)

    it("gives no body to a plugin that waits for a large one", function()
      local r = run {
        path = "/proxy",
        upstream = CHUNKS:format(5, 400),
        header_filter = "ngx.header.content_length = nil",
        body_filter = [[
          local body, err = response.get_raw_body()
          if body then
            response.set_raw_body("changed")
          elseif err then
            note(err)
          end
        ]],
      }
      assert.equal(chunks(5, 400), r.body)
    end)

    it("lets set_raw_body not change a body that was partly sent", function()
      local r = run {
        path = "/content",
        content = CHUNKS:format(5, 400),
        body_filter = [[
          local body = response.get_raw_body()
          ngx.ctx.chunks = (ngx.ctx.chunks or 0) + 1
          if ngx.ctx.chunks > 2 then
            note(response.set_raw_body("short"))
          end
        ]],
      }
      assert.equal(chunks(5, 400), r.body)
      local expected = {}
      for i = 1, 8, 2 do
        expected[i], expected[i + 1] = "(nil)", TOO_LARGE
      end
      assert.same(expected, r.notes)
      assert.same({ PASSES, STAYS }, warnings())
    end)

    it("does not change the checks of set_raw_body", function()
      local r = run {
        path = "/content",
        content = CHUNKS:format(5, 400),
        body_filter = "response.get_raw_body() note(select(2, pcall(response.set_raw_body, 1)))",
      }
      for i = 1, #r.notes do
        assert.equal("body must be a string", r.notes[i])
      end
    end)

    it("applies to a body of one chunk, which can still be replaced", function()
      local r = run { path = "/return", body_filter = KEEP .. KEEP }
      assert.equal(("r"):rep(LIMIT + 1), r.body)
      assert.same({ "(nil)", TOO_LARGE, "(nil)", TOO_LARGE }, r.notes)
      assert.same({ PASSES }, warnings())

      r = run {
        path = "/return",
        header_filter = "ngx.header.content_length = nil",
        body_filter = KEEP .. "note(response.set_raw_body('short'))" .. KEEP,
      }
      assert.equal("short", r.body)
      assert.same({ "(nil)", TOO_LARGE, "(nil)", "short" }, r.notes)
    end)

    it("lets the last chunk be replaced if it exceeds the limit", function()
      local r = run {
        path = "/content",
        content = [[ngx.print(("a"):rep(900)) ngx.print("end")]],
        body_filter = [[
          if ngx.arg[1] == "end" then
            ngx.arg[1] = ("b"):rep(200)
            ngx.arg[2] = true
          end
          local body, err = response.get_raw_body()
          if err then response.set_raw_body("too large") end
        ]],
      }
      assert.equal("too large", r.body)
    end)

    it("is the limit of the called instance, and a passed body has passed for all", function()
      local r = run {
        path = "/content",
        content = CHUNKS:format(3, 8),
        body_filter = "note(other.unlimited.get_raw_body()) note(other.small.get_raw_body())",
      }
      local small = "body is larger than max_body_size (10 bytes)"
      assert.equal(chunks(3, 8), r.body)
      assert.same({ "(nil)", "(nil)", "(nil)", "(nil)", "(nil)", "(nil)",
                    "(nil)", small, "(nil)", small }, r.notes)
      assert.equal(1, #warnings())

      r = run {
        path = "/content",
        content = CHUNKS:format(5, 400),
        body_filter = "note(other.unlimited.get_raw_body())",
      }
      assert.equal(chunks(5, 400), r.body)
      assert.equal(chunks(5, 400), r.notes[#r.notes])
    end)

    it("applies to each request of a connection separately", function()
      local connection = server:connect()
      local function get(count, last)
        connection:send("GET " .. server:target {
          path = "/content",
          content = CHUNKS:format(count, 400),
          body_filter = [[
            local body = response.get_raw_body()
            if body then response.set_raw_body("read") end
          ]],
        } .. " HTTP/1.1\r\nHost: a\r\n" .. (last and "Connection: close\r\n" or "") .. "\r\n")
        local answer = connection:read { pattern = "\r\n0\r\n\r\n$" }
        return answer
      end
      assert.matches("\r\n\r\n4\r\nread\r\n0\r\n\r\n$", get(1))
      assert.not_matches("read", get(5))
      assert.matches("\r\n\r\n4\r\nread\r\n0\r\n\r\n$", get(2, true))
      connection:close()
    end)

    it("does not affect a body that no plugin reads", function()
      local r = run {
        path = "/content",
        content = CHUNKS:format(5, 400),
        body_filter = "if ngx.arg[2] then response.set_raw_body('end') end",
      }
      assert.equal(chunks(5, 400) .. "end", r.body)
      assert.same({}, warnings())
    end)
  end)
end


describe("a hostile Content-Length", function()
  it("reserves no more than 1 MiB beyond what has arrived", function()
    stages.once({
      init = "package.loaded.gate = { opened = false, hostile = 0 }",
      locations = LOCATIONS,
      servers = SERVERS,
    }, function(server)
      local pid = server:worker_pids()[1]
      local function hold(count)
        local connections = {}
        for i = 1, count do
          connections[i] = server:connect()
          connections[i]:send("GET " .. server:target {
            path = "/hostile",
            body_filter = [[
              local before = ngx.ctx.arrived or 0
              ngx.ctx.arrived = before + #ngx.arg[1]
              response.get_raw_body()
              if before < 100000 and ngx.ctx.arrived >= 100000 then
                require("gate").hostile = require("gate").hostile + 1
              end
            ]],
          } .. " HTTP/1.1\r\nHost: a\r\n\r\n")
        end
        return connections
      end
      local arrived = 0
      local function wait(count)
        arrived = arrived + count
        assert.is_true(nginx.wait_until(20, function()
          return tonumber(server:get("/arrived").body) == arrived
        end))
      end

      -- The first requests allocate more than their bodies, so they come before the measurement.
      local warm = hold(5)
      wait(5)
      local before = server:rss(pid, "VmSize")
      local connections = hold(20)
      wait(20)
      local each = (server:rss(pid, "VmSize") - before) / 20
      assert.is_true(each < 1.5 * MB, "each reserved " .. each .. " kB")
      assert.is_true(each > 0)
      for _, connection in ipairs(connections) do
        connection:close()
      end
      for _, connection in ipairs(warm) do
        connection:close()
      end
    end)
  end)
end)


describe("KONG_RESPONSE_MAX_BODY_SIZE", function()
  -- A gateway makes its PDK while nginx starts.
  local LOCATION = [[
    location / {
      return 200 "0123456789";
      body_filter_by_lua_block {
        local body, err = kong.response.get_raw_body()
        if err then
          kong.response.set_raw_body(err)
        end
      }
      header_filter_by_lua_block { ngx.header.content_length = nil }
    }
  ]]

  local function with(value, use)
    ffi.C.setenv("KONG_RESPONSE_MAX_BODY_SIZE", value, 1)
    local ok, err = pcall(nginx.once, {
      init = "kong = {} kong.response = require('kong.pdk.response').new(kong)",
      locations = LOCATION,
    }, use)
    ffi.C.unsetenv("KONG_RESPONSE_MAX_BODY_SIZE")
    return ok, err
  end

  it("sets the limit in a gateway, also after a reload", function()
    assert(with("9", function(server)
      for _ = 1, 2 do
        assert.equal("body is larger than max_body_size (9 bytes)", server:get("/").body)
        assert.is_true(server:reload())
      end
    end))
    assert(with("10", function(server)
      assert.equal("0123456789", server:get("/").body)
    end))
  end)

  it("sets no limit if it is empty", function()
    assert(with("", function(server)
      assert.equal("0123456789", server:get("/").body)
    end))
  end)

  it("prevents the start of the gateway if it is not a number of bytes", function()
    for _, value in ipairs { "1m", "0", "-1", "1.5", " 1", "9007199254740994" } do
      local ok, err = with(value, function() end)
      assert.is_false(ok)
      assert.matches('KONG_RESPONSE_MAX_BODY_SIZE must be a positive whole number, got "' .. value
        .. '"', err, 1, true)
    end
  end)
end)
