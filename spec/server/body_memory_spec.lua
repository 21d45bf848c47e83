-- In nginx only: memory of its workers.
-- The upstream is a server of its own, so that the memory looked at is that of the gateway alone.

local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local trees = require "spec.support.trees"


local MB = 1024 -- in kB, as /proc has it
local LIMIT = 32 * MB
local AT_ONCE = 10

local UPSTREAM = [[
  location = /stalled {
    lua_check_client_abort on;
    content_by_lua_block {
      local half = tonumber(ngx.var.arg_mb or 8) * 1024 * 1024
      ngx.header.content_length = 2 * half
      ngx.print(("%08x"):format(math.random(0, 2^31)):rep(half / 8))
      ngx.flush(true)
      ngx.sleep(60)
    }
  }
  location = /dies {
    content_by_lua_block {
      ngx.header.content_length = 16 * 1024 * 1024
      ngx.print(("%08x"):format(math.random(0, 2^31)):rep(1024 * 1024))
      ngx.flush(true)
      ngx.exit(444)
    }
  }
  location = /whole {
    content_by_lua_block {
      ngx.print(ngx.var.arg_text:rep(2 * 1024 * 1024))
    }
  }
]]

local PLUGIN = [[
local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local response = require "kong.response"


local data, size = ffi.new "unsigned char *[1]", ffi.new "size_t[1]"

local _M = { half = 0, ended = 0 }


function _M.body_filter()
  -- Reading ngx.arg[1] would make a Lua string of each chunk, and change the measured memory.
  ffi.C.ngx_http_lua_ffi_get_body_filter_param_body(get_request(), data, size)
  local ctx = ngx.ctx
  -- The limit is less than the sent bytes, because a proxy keeps the bytes of a buffer that is not
  -- full.
  local half = tonumber(ngx.var.arg_mb or 8) * 1024 * 1024 * 0.95
  local before = ctx.seen or 0
  ctx.seen = before + tonumber(size[0])
  local body = response.get_raw_body()
  if before < half and ctx.seen >= half then
    _M.half = _M.half + 1
    if ngx.var.arg_fail then
      error("out of order")
    end
  end
  if body then
    response.set_raw_body("<" .. body .. ">")
  end
end


function _M.log()
  _M.ended = _M.ended + 1
end


return _M
]]

local GATEWAY = [[
  location / {
    proxy_http_version 1.1;
    proxy_pass http://127.0.0.1:UPSTREAM;
    header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { require("plugin").body_filter() }
    log_by_lua_block { require("plugin").log() }
  }
  location = /unbuffered {
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_pass http://127.0.0.1:UPSTREAM/stalled;
    header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { require("plugin").body_filter() }
    log_by_lua_block { require("plugin").log() }
  }
  location = /half {
    content_by_lua_block { ngx.print(require("plugin").half) }
  }
  location = /ended {
    content_by_lua_block { ngx.print(require("plugin").ended) }
  }
  location = /collect {
    content_by_lua_block {
      collectgarbage(ngx.var.arg_option)
      if ngx.var.arg_trim then
        local ffi = require "ffi"
        ffi.cdef "int malloc_trim(size_t pad);"
        ffi.C.malloc_trim(0)
      end
      require("plugin").half = 0
      require("plugin").ended = 0
    }
  }
]]


describe("the memory of a buffered body", function()
  local upstream, server, pids

  setup(function()
    upstream = nginx.start { locations = UPSTREAM }
    server = nginx.start {
      locations = GATEWAY:gsub("UPSTREAM", upstream.ports.port),
      files = { ["plugin.lua"] = PLUGIN },
    }
    pids = server:worker_pids()
  end)

  teardown(function()
    server:stop()
    upstream:stop()
  end)

  before_each(function()
    server:get("/collect?option=collect")
    server:clear_log()
  end)

  after_each(function()
    server:get("/collect?option=restart")
    assert.same(pids, server:worker_pids())
    assert.is_nil(server:log():find("%[alert%]"))
  end)

  --- Waits until so many requests have come half way ("half") or to their end ("ended").
  local function count_of(what)
    return tonumber(server:get("/" .. what).body)
  end

  local function wait_for(what, expected)
    local count
    nginx.wait_until(30, function()
      count = count_of(what)
      return count >= expected
    end)
    assert.equal(expected, count)
  end

  --- Runs `round(n)` so many times; the memory after the last may not be far above the first's.
  local function stays_flat(rounds, round)
    round(1)
    local first = server:rss(pids[1])
    for n = 2, rounds do
      round(n)
    end
    local growth = server:rss(pids[1]) - first
    assert.is_true(growth <= LIMIT, "grew by " .. growth / MB .. " MB")
  end

  --- Hangs up on ten requests, each with half of its body buffered: 8 MB, or `?mb=`.
  local function hang_up(n, path)
    local connections = {}
    for i = 1, AT_ONCE do
      connections[i] = server:connect()
      connections[i]:send("GET " .. (path or "/stalled") .. " HTTP/1.1\r\nHost: a\r\n\r\n")
    end
    wait_for("half", n * AT_ONCE)
    for i, connection in ipairs(connections) do
      if i % 2 == 0 then
        connection:close()
      else
        connection:reset()
      end
    end
    wait_for("ended", n * AT_ONCE)
  end

  it("is freed if clients hang up during the body", function()
    stays_flat(10, hang_up)
  end)

  -- The smaller ones have no mapping of their own.
  it("does not grow if hundreds of clients hang up", function()
    for _, megabytes in ipairs { 1.5, 3 } do
      server:get("/collect?option=collect")
      stays_flat(100 / AT_ONCE, function(n)
        hang_up(n, "/stalled?mb=" .. megabytes)
      end)
    end
  end)

  it("is freed without a walk over the heap", function()
    local file = nginx.lualib .. "/" .. trees.native(nginx.lualib)
    local symbols = process.capture("nm -D " .. process.quote(file))
    assert.truthy(symbols:find(" U munmap"))
    assert.is_nil(symbols:find("malloc_trim"))
  end)

  it("is freed if clients hang up and the proxy does not buffer", function()
    stays_flat(5, function(n)
      hang_up(n, "/unbuffered")
    end)
  end)

  it("is freed without Lua's collector", function()
    server:get("/collect?option=stop")
    stays_flat(5, hang_up)
  end)

  it("is freed if clients of HTTP/2 hang up during the body", function()
    local specs = {}
    for i = 1, AT_ONCE do
      specs[i] = { path = "/stalled", http2 = true, max_time = 60 }
    end
    stays_flat(5, function(n)
      local responses = server:abandon(specs, function()
        return count_of("half") == n * AT_ONCE
      end)
      for _, r in ipairs(responses) do
        assert.is_nil(r.exit)
        assert.equal("", r.body)
      end
      wait_for("ended", n * AT_ONCE)
    end)
  end)

  it("is freed if the upstream breaks off", function()
    server:get("/collect?option=stop")
    local specs = {}
    for i = 1, AT_ONCE do
      specs[i] = { path = "/dies", http2 = i % 2 == 0 }
    end
    stays_flat(6, function(n)
      for _, r in ipairs(server:requests(specs)) do
        assert.not_equal(0, r.exit)
      end
      wait_for("ended", n * AT_ONCE)
    end)
  end)

  it("is freed if a plugin fails during the body", function()
    server:get("/collect?option=stop")
    local specs = {}
    for i = 1, AT_ONCE do
      specs[i] = { path = "/stalled?fail=yes", http2 = i % 2 == 0 }
    end
    stays_flat(6, function(n)
      for _, r in ipairs(server:requests(specs)) do
        assert.not_equal(0, r.exit)
        assert.not_equal(28, r.exit)
      end
      wait_for("half", n * AT_ONCE)
      wait_for("ended", n * AT_ONCE)
    end)
  end)

  it("is freed at the end of the body", function()
    stays_flat(5, function(n)
      local specs = {}
      for i = 1, AT_ONCE do
        specs[i] = { path = ("/whole?text=%04d%04d"):format(n, i), http2 = i % 2 == 0 }
      end
      for i, r in ipairs(server:requests(specs, 4)) do
        assert.equal(0, r.exit)
        local text = ("%04d%04d"):format(n, i)
        -- not assert.equal: a failure would print 16 MB
        assert.is_true(r.body == "<" .. text:rep(2 * 1024 * 1024) .. ">")
      end
      -- glibc keeps up to 64 MB of freed memory. Trimming leaves that out of the measurement.
      server:get("/collect?option=collect&trim=yes")
    end)
  end)
end)
