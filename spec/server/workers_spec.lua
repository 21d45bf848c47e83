-- In nginx only: Lua VMs that come and go with requests, and reloads.

local nginx = require "spec.support.nginx"


local MB = 1024 -- in kB, as /proc has it


describe("without the code cache,", function()
  -- each request opens the library in a Lua VM of its own and closes that VM at its end
  local server, pids

  local ALL = [[
    access_by_lua_block {
      local response = require "kong.response"
      response.set_status(202)
      response.set_header("X-Access", "one")
      response.add_header("X-Access", "two")
    }
    header_filter_by_lua_block {
      local response = require "kong.response"
      ngx.ctx.KONG_PROXIED = true
      response.set_status(response.get_status() + 1)
      response.set_headers { ["X-B"] = "b", ["X-A"] = { "a", "aa" } }
      response.clear_header("X-Upstream")
      response.set_header("X-Seen", response.get_header("Content-Type") .. " "
        .. response.get_source() .. " " .. tostring(response.get_headers().x_a[2]))
      response.clear_header("Content-Length")
    }
    body_filter_by_lua_block {
      local response = require "kong.response"
      local body = response.get_raw_body()
      if body then
        response.set_raw_body("<" .. body .. ">")
      end
    }
    log_by_lua_block {
      local response = require "kong.response"
      ngx.shared.logged:incr(tostring(response.get_status()), 1, 0)
    }
    proxy_pass http://127.0.0.1:%{upstream_port};
  ]]

  setup(function()
    server = nginx.start {
      code_cache = false,
      http = "lua_shared_dict logged 1m;",
      locations = "location = /all {" .. ALL .. [[
        }
        location = /exit {
          access_by_lua_block {
            require("kong.response").exit(403, { message = "no" }, { ["X-A"] = "a" })
          }
        }
        location = /error {
          access_by_lua_block { require("kong.response").error(404, "nothing here") }
        }
        location = /raises {
          access_by_lua_block {
            local ok, err = pcall(require("kong.response").set_status, {})
            ngx.print(type(err), " ", err)
          }
        }
        location = /stalled {
          body_filter_by_lua_block { require("kong.response").get_raw_body() }
          log_by_lua_block { ngx.shared.logged:incr("stalled", 1, 0) }
          proxy_pass http://127.0.0.1:%{upstream_port};
        }
        location = /logged {
          content_by_lua_block { ngx.print(ngx.shared.logged:get(ngx.var.arg_key) or 0) }
        }
      ]],
      servers = [[
        server {
          listen 127.0.0.1:%{upstream_port};
          default_type text/plain;
          location = /all {
            add_header X-Upstream yes;
            return 200 "the body";
          }
          location = /stalled {
            lua_check_client_abort on;
            content_by_lua_block {
              ngx.print(("x"):rep(1024 * 1024))
              ngx.flush(true)
              ngx.shared.logged:incr("waiting", 1, 0)
              ngx.sleep(60)
            }
          }
        }
      ]],
    }
    pids = server:worker_pids()
    server:clear_log() -- nginx warns that this will hurt performance
  end)

  teardown(function()
    server:stop()
  end)

  after_each(function()
    assert.same({}, server:alarms())
    assert.same(pids, server:worker_pids())
  end)

  local function logged(key)
    return tonumber(server:get("/logged?key=" .. key).body)
  end

  local function check_all(r)
    assert.equal(201, r.status)
    assert.same({ "one", "two" }, r:values("X-Access"))
    assert.same({ "a", "aa" }, r:values("X-A"))
    assert.equal("b", r:header("X-B"))
    assert.is_nil(r:header("X-Upstream"))
    assert.equal("text/plain service aa", r:header("X-Seen"))
    assert.equal("<the body>", r.body)
  end

  local CHECKS = {
    ["/all"] = check_all,
    ["/exit"] = function(r)
      assert.equal(403, r.status)
      assert.equal('{"message":"no"}', r.body)
      assert.equal("a", r:header("X-A"))
    end,
    ["/error"] = function(r)
      assert.equal(404, r.status)
      assert.matches('^{\n  "message":"nothing here",\n  "request_id":"%x*"\n}$', r.body)
    end,
    ["/raises"] = function(r)
      assert.equal("string code must be a number", r.body)
    end,
  }

  it("all functions work for many requests without a growth of memory", function()
    local function round(count)
      local specs = {}
      for i = 1, count do
        for path in pairs(CHECKS) do
          specs[#specs + 1] = { path = path, http2 = i % 2 == 0 }
        end
      end
      for i, r in ipairs(server:requests(specs)) do
        CHECKS[specs[i].path](r)
      end
    end

    round(20)
    local before = server:rss(pids[1])
    round(80)
    local growth = server:rss(pids[1]) - before
    assert.is_true(growth < 16 * MB, "grew by " .. growth / MB .. " MB")
    assert.equal(100, logged(201))
  end)

  it("a buffered body ends with its VM and its request", function()
    local before
    for round = 1, 16 do
      local connections = {}
      for i = 1, 10 do
        connections[i] = server:connect()
        connections[i]:send("GET /stalled HTTP/1.1\r\nHost: a\r\n\r\n")
      end
      nginx.wait_until(10, function() return logged("waiting") == round * 10 end)
      for _, connection in ipairs(connections) do
        connection:reset()
      end
      assert.is_true(nginx.wait_until(10, function() return logged("stalled") == round * 10 end))
      check_all(server:get("/all"))
      -- By then the worker keeps what it keeps for reuse.
      before = round == 8 and server:rss(pids[1]) or before
    end
    local growth = server:rss(pids[1]) - before
    assert.is_true(growth < 16 * MB, "grew by " .. growth / MB .. " MB")
  end)
end)


describe("a reload", function()
  local BODY = "one two three four five six seven eight nine ten "

  local server

  setup(function()
    server = nginx.start {
      workers = 2,
      locations = [[
        location / {
          header_filter_by_lua_block {
            local response = require "kong.response"
            response.clear_header("Content-Length")
            response.set_header("X-Number", ngx.var.arg_number)
          }
          body_filter_by_lua_block {
            local response = require "kong.response"
            local body = response.get_raw_body()
            if body then
              response.set_raw_body("<" .. body .. ngx.var.arg_number .. ">")
            end
          }
          proxy_http_version 1.1;
          proxy_pass http://127.0.0.1:%{upstream_port};
        }
      ]],
      servers = [[
        server {
          listen 127.0.0.1:%{upstream_port};
          location / {
            content_by_lua_block {
              for word in ("]] .. BODY .. [["):gmatch("%S+ ") do
                ngx.print(word)
                ngx.flush(true)
                ngx.sleep(0.05)
              end
            }
          }
        }
      ]],
    }
  end)

  teardown(function()
    server:stop()
  end)

  it("lets current requests finish", function()
    local connections, number = {}, 0
    local function send(count)
      for _ = 1, count do
        number = number + 1
        local connection = server:connect()
        connections[number] = connection
        connection:send("GET /?number=" .. number
          .. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      end
    end

    local pids = server:worker_pids()
    for _ = 1, 5 do
      send(15)
      nginx.sleep(0.1)
      server:reload(0) -- does not wait: the next requests find old and new workers
      send(15)
      nginx.sleep(0.05)
    end

    for i, connection in ipairs(connections) do
      local answer, closed = connection:read { seconds = 10 }
      connection:close()
      assert.is_true(closed)
      assert.matches("^HTTP/1.1 200 OK\r\n", answer)
      assert.matches("\r\nX%-Number: " .. i .. "\r\n", answer)
      assert.matches("\r\n<" .. BODY .. i .. ">\r\n0\r\n\r\n$", answer)
    end
    assert.equal(150, #connections)

    assert.is_true(server:reload())
    for _, pid in ipairs(server:worker_pids()) do
      assert.not_equal(pids[1], pid)
      assert.not_equal(pids[2], pid)
    end
    assert.equal("<" .. BODY .. "last>", server:get("/?number=last").body)
    assert.same({}, server:alarms())
  end)
end)
