-- In nginx only: its scheduler (requests at the same time, light threads), subrequests, internal
-- redirects, and what its workers do.

local hosts = require "spec.support.hosts"
local stages = require "spec.support.stages"
local tour = require "spec.support.tour"


local LOCATIONS = [[
    location = /error_page {
      error_page 502 /error_answer;
      proxy_intercept_errors on;
      proxy_pass http://127.0.0.1:%{refused_port};
    }
    location = /error_answer {
      internal;
      content_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x1000000
        local response = require "kong.response"
        response.set_header("X-Error", tostring(response.get_status()))
        response.set_status(503)
        response.clear_header("Server")
        ngx.print("sorry: ", response.get_source())
      }
    }
    location = /exec {
      rewrite_by_lua_block {
        ngx.ctx.KONG_PHASE = 0x10
        require("kong.response").set_header("X-Before", "1")
        ngx.exec("/balanced", ngx.var.args)
      }
    }
    location = /capture {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Parent", "1")
        local result = ngx.location.capture("/captured")
        ngx.print(result.status, " ", result.header["X-Child"])
        ngx.flush(true)
        response.set_header("X-Late", "1")
      }
    }
    location = /capture_first {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Parent", "1")
        local result = ngx.location.capture("/captured")
        response.set_header("X-Late", result.header["X-Child"])
        response.set_status(202)
        ngx.print(result.status, " ", result.header["X-Child"], " ",
          tostring(result.header["X-Parent"]), " ", response.get_status())
      }
    }
    location = /captured {
      content_by_lua_block {
        local response = require "kong.response"
        response.set_header("X-Child", "child")
        response.set_status(404)
        ngx.print("captured")
      }
    }
    location = /busy {
      access_by_lua_block {
        local response = require "kong.response"
        local id = ngx.var.arg_id
        ngx.ctx.KONG_PHASE = 0x80
        response.set_header("X-Id", id)
        for i = 1, 5 do
          ngx.sleep(0.002)
          ngx.ctx.KONG_PHASE = 0x80
          if response.get_header("X-Id") ~= id then
            response.add_header("X-Foreign", response.get_header("X-Id"))
          end
          response.set_status(210 + id)
          ngx.sleep(0)
          response.add_header("X-Round", id .. "." .. i .. "." .. response.get_status())
        end
      }
      content_by_lua_block { ngx.print(ngx.var.arg_id) }
    }
]]


hosts.nginx("in nginx,", {
  gateway = true, both_bindings = true, nginx_locations = LOCATIONS,
}, function(server)
  local function run(case)
    return server:run(case)
  end

  describe("a request", function()
    it("can be one of many at the same time, all with sleeps", function()
      local specs = {}
      for i = 1, 40 do
        specs[i] = { path = "/busy?id=" .. i, http2 = i % 2 == 0 }
      end
      for i, r in ipairs(server:requests(specs, 20)) do
        assert.equal(tostring(i), r.body)
        assert.equal(210 + i, r.status)
        assert.same({ tostring(i) }, r:values("X-Id"))
        assert.same({}, r:values("X-Foreign"))
        local rounds = {}
        for n = 1, 5 do
          rounds[n] = i .. "." .. n .. "." .. (210 + i)
        end
        assert.same(rounds, r:values("X-Round"))
      end
    end)

    it("can call the functions in a light thread", function()
      local r = run { access = [[
        local function add(value)
          ngx.sleep(0.002)
          response.add_header("X-Thread", value)
          return fails(response.add_header, "X-Thread", nil)
        end
        local threads = {}
        for i = 1, 3 do
          threads[i] = ngx.thread.spawn(add, i)
        end
        for i = 1, 3 do
          local ok, err = ngx.thread.wait(threads[i])
          note(ok, err)
        end
      ]] }
      local values = r:values("X-Thread")
      table.sort(values)
      assert.same({ "1", "2", "3" }, values)
      local message = 'invalid header value for "X-Thread": got nil, '
        .. "expected array of string, string, number or boolean"
      assert.same({ true, message, true, message, true, message }, r.seen.access)
    end)
  end)


  describe("a call from", function()
    it("a subrequest changes the subrequest's response", function()
      local r = server:get("/capture_first")
      assert.equal(202, r.status)
      assert.equal("404 child nil 202", r.body)
      assert.equal("1", r:header("X-Parent"))
      assert.equal("child", r:header("X-Late"))
      assert.is_nil(r:header("X-Child"))

      server:clear_log()
      r = server:get("/capture")
      assert.equal(200, r.status)
      assert.equal("404 child", r.body)
      assert.is_nil(r:header("X-Late"))
      assert.truthy(server:wait_log("headers have already been sent", 1))
    end)

    it("the error phase works", function()
      local r = server:get("/error_page")
      assert.equal(503, r.status)
      assert.equal("sorry: error", r.body)
      assert.equal("502", r:header("X-Error"))
      assert.is_nil(r:header("Server"))
    end)

    it("a location that is left by an internal redirect keeps its headers", function()
      local r = run { path = "/exec", access = "response.add_header('X-Before', '2')" }
      assert.equal(200, r.status)
      assert.same({ "1", "2" }, r:values("X-Before"))
    end)
  end)
end)


describe("a worker", function()
  it("serves each request if it loads the library for each request", function()
    local server = stages.start { gateway = true, code_cache = false }
    finally(function()
      server:stop()
    end)
    for _ = 1, 5 do
      tour.check(server:run(tour.CASE))
      tour.check(server:run(tour.with { http2 = true }))
    end
    local r = server:run { raises = true, access = "\nresponse.set_status('x')\nreturn" }
    assert.equal("plugin.lua:2: code must be a number", r.errors.access)
  end)

  it("serves requests as one of several, also after a reload", function()
    local server = stages.start { gateway = true, workers = 2 }
    finally(function()
      server:stop()
    end)
    for _ = 1, 4 do
      tour.check(server:run(tour.CASE))
    end
    assert.is_true(server:reload())
    for _ = 1, 4 do
      tour.check(server:run(tour.CASE))
    end
  end)

  it("can load the library in init, in init_worker or with the first request", function()
    for _, at in ipairs { "init", "init_worker", "request" } do
      local server = stages.start {
        gateway = true,
        init = at == "init" and "require 'kong.response'" or "",
        http = at == "init_worker" and "init_worker_by_lua_block { require 'kong.response' }" or "",
      }
      finally(function()
        server:stop()
      end)
      tour.check(server:run(tour.CASE))
      server:stop()
    end
  end)

  it("logs nothing for a request without mistakes", function()
    local server = stages.start { gateway = true }
    finally(function()
      server:stop()
    end)
    server:run(tour.CASE)
    assert.is_nil(server:log():match("%[warn%]"), server:log())
    assert.is_nil(server:log():match("%[error%]"), server:log())
  end)
end)
