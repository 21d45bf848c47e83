-- In nginx only: where there is no request, requests that a call ends, a full stack, and what
-- memory a worker keeps.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local MB = 1024 -- in kB, as /proc has it

local WALK_LOCATIONS = [[
  location = /walk {
    rewrite_by_lua_block { require("walk").run("rewrite") }
    access_by_lua_block { require("walk").run("access") }
    content_by_lua_block {
      require("walk").run("content")
      ngx.print("content")
    }
    header_filter_by_lua_block { require("walk").run("header_filter") }
  }
  location = /drive {
    content_by_lua_block { require("walk").drive(ngx.var.arg_phase, ngx.var.server_port) }
  }
  location = /timer {
    content_by_lua_block {
      local done
      ngx.timer.at(0, function()
        require("walk").walk("timer", true)
        done = true
      end)
      repeat ngx.sleep(0.01) until done
    }
  }
  location = /overflow {
    content_by_lua_block { require("walk").overflow() }
  }
  location = /raise {
    content_by_lua_block { require("walk").raise() }
  }
  location = /report {
    content_by_lua_block { ngx.print(require("walk").report()) }
  }
  location = /sane {
    header_filter_by_lua_block {
      local response = require "kong.response"
      response.clear_header("Content-Length")
      response.set_header("X-Status", response.get_status())
    }
    body_filter_by_lua_block {
      local response = require "kong.response"
      local body = response.get_raw_body()
      if body then
        response.set_raw_body(body .. "!")
      end
    }
    content_by_lua_block { require("kong.response").exit(201, { "sane" }) }
  }
]]

local WALK_HTTP = [[
  init_worker_by_lua_block { require("walk").walk("init_worker", true) }
]]


for _, jit_mode in ipairs { "on", "off" } do
  served.describe("odd arguments with the JIT " .. jit_mode, function()
    return nginx.start {
      init = "jit." .. jit_mode .. "() require('walk').walk('init', true)",
      http = WALK_HTTP,
      locations = WALK_LOCATIONS,
      files = { ["walk.lua"] = nginx.read "walk.lua" },
      log_level = "warn",
    }
  end, function(server)
    local pids

    setup(function()
      pids = server:worker_pids()
    end)

    --- Asks what came of the calls, and whether the worker is as it was.
    local function check(least, failures)
      local report = server:get("/report").body
      local calls, errors, failed = report:match("^(%d+) calls, (%d+) errors\n?(.*)")
      assert.is_true(tonumber(calls) >= least, report)
      assert.is_true(tonumber(errors) > 0, report)
      failures[#failures + 1] = failed ~= "" and failed or nil

      local r = server:get("/sane")
      assert.equal(201, r.status)
      assert.equal("201", r:header("X-Status"))
      assert.equal('["sane"]!', r.body)
      assert.same({}, server:alarms())
      assert.same(pids, server:worker_pids())
    end

    --- Asks each path in turn; a failure in one phase does not hide those in the next.
    local function walk(least, paths)
      local failures = {}
      for _, path in ipairs(paths) do
        server:request { path = path, max_time = 300 }
        check(least, failures)
      end
      assert.equal("", table.concat(failures, "\n"))
    end

    it("raise only strings in init and outside of requests", function()
      walk(6000, { "/nothing", "/timer" })
    end)

    it("raise only strings from exit and error", function()
      walk(1500, {
        "/drive?phase=rewrite",
        "/drive?phase=access",
        "/drive?phase=content",
        "/drive?phase=header_filter",
      })
    end)

    -- Finalizers raise there, and LuaJIT crashes where one does while compiled code runs.
    if jit_mode == "off" then
      it("raise only strings at the end of the stack", function()
        walk(10000, { "/overflow" })
      end)
    end

    it("leak no memory", function()
      local r = server:request { path = "/raise", max_time = 300 }
      assert.equal(0, r.exit)
      local before = server:rss(pids[1])
      server:request { path = "/raise", max_time = 300 }
      local growth = server:rss(pids[1]) - before
      assert.is_true(growth < 16 * MB, "grew by " .. growth / MB .. " MB")
      assert.same({}, server:alarms())
      assert.same(pids, server:worker_pids())
    end)
  end)
end
