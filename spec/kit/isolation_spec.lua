local testing = require "kong.response.testing"


local UNBOUND = "kong.response has no request here: this process is not nginx with lua-nginx-module"

local FUNCTIONS = {
  "get_status", "get_header", "get_headers", "get_source",
  "set_status", "set_header", "add_header", "clear_header", "set_headers",
  "get_raw_body", "set_raw_body", "exit", "error",
}


local function in_access(code)
  return testing.run { plugin = { access = code }, strict = false }
end


describe("outside of a test,", function()
  it("every function of kong.response raises the same error", function()
    local response = require "kong.response"
    for _, name in ipairs(FUNCTIONS) do
      local ok, err = pcall(function()
        response[name](200)
        return nil
      end)
      assert.is_false(ok)
      assert.equal(UNBOUND, err:match("^spec/kit/isolation_spec.lua:%d+: (.*)$"))
    end
  end)

  it("every function of an instance with options raises it", function()
    local response = require("kong.response.instance").new { log = function() end }
    assert.error_matches(function() response.set_status(200) end, UNBOUND, 1, true)
  end)

  it("the functions raise it after a test", function()
    local response = require "kong.response"
    in_access(function() end)
    assert.error_matches(function() response.set_status(200) end, UNBOUND, 1, true)
  end)

  it("values of ngx and kong that a plugin has stored raise it", function()
    local header, request
    in_access(function()
      header, request = ngx.header, kong.request
    end)
    assert.error_matches(function() return header.foo end,
      "no test of kong.response.testing is running", 1, true)
    assert.error_matches(function() return request.get_method() end,
      "no test of kong.response.testing is running", 1, true)
  end)
end)


describe("inside of a test,", function()
  it("kong.response works if it was loaded before", function()
    local response = require "kong.response"
    local result = in_access(function()
      response.set_header("X-Foo", "bar")
    end)
    assert.equal("bar", result.headers["X-Foo"])
  end)

  it("kong.response works if it is loaded there", function()
    local result = in_access(function()
      require("kong.response").set_header("X-Foo", "bar")
    end)
    assert.equal("bar", result.headers["X-Foo"])
  end)

  it("an instance with options works, made before or inside", function()
    local lines = {}
    local options = { log = function(_, message)
      lines[#lines + 1] = message:gsub("^spec/kit/isolation_spec%.lua:%d+: ", "", 1)
    end }
    local before = require("kong.response.instance").new(options)
    in_access(function()
      before.set_header("Transfer-Encoding", "x")
      require("kong.response.instance").new(options).set_header("Transfer-Encoding", "x")
    end)
    local warning = "manually setting Transfer-Encoding. Ignored."
    assert.same({ warning, warning }, lines)
  end)

  it("errors name the plugin's line", function()
    local errors = {}
    in_access(function()
      local _, err = pcall(function()
        kong.response.set_status("200")
        return nil
      end)
      errors[1] = err
      _, err = pcall(function()
        kong.response.exit("200")
        return nil
      end)
      errors[2] = err
    end)
    for i = 1, 2 do
      assert.matches("^spec/kit/isolation_spec.lua:%d+: code must be a number$",
        errors[i])
    end
  end)

  it("another test cannot start", function()
    local _, err
    in_access(function()
      _, err = pcall(in_access, function() end)
    end)
    assert.matches("a test is running already", err, 1, true)
  end)

  it("a module can take the globals at its top for all tests", function()
    for _ = 1, 2 do
      local result = testing.run {
        plugin = "spec.kit.fixtures.captures",
        config = { exit = true },
        request = { path = "/a", scheme = "https" },
      }
      assert.response(result).has.jsonbody { path = "/a", scheme = "https" }

      result = testing.run { plugin = "spec.kit.fixtures.captures" }
      assert.equal("true", result.headers["X-Same-Ctx"])
    end
    assert.is_nil(rawget(_G, "kong"))
  end)

  it("a module that testing.load loads can take them, too", function()
    local plugin = testing.load "spec.kit.fixtures.captures"
    assert.is_nil(rawget(_G, "kong"))
    assert.equal("true", testing.run({ plugin = plugin }).headers["X-Same-Ctx"])
  end)

  describe("a module that takes fields of a test at its top", function()
    local NAME = "spec.kit.fixtures.captures_additions"
    local set, case

    before_each(function()
      package.loaded[NAME] = nil
      set = {}
      case = {
        kong = {
          service = { request = { set_header = function(name, value) set[name] = value end } },
        },
        ngx = {
          md5 = function(text) return "md5 of " .. text end,
          re = { match = function(text, pattern) return { [0] = text:match(pattern) } end },
          header = { ["X-Added"] = "1" },
          var = { uri = "/baab" },
          status = 299,
        },
      }
    end)

    after_each(function()
      package.loaded[NAME] = nil
      assert.is_nil(rawget(_G, "kong"))
      assert.is_nil(rawget(_G, "ngx"))
    end)

    it("is loaded with these fields", function()
      case.plugin = NAME
      for _ = 1, 2 do
        set["X-Digest"] = nil
        assert.response(testing.run(case)).has.header("X-Added", "1")
        assert.same({ ["X-Digest"] = "md5 of aa" }, set)
      end
    end)

    it("is loaded with these fields by testing.load", function()
      case.plugin = testing.load(NAME, { kong = case.kong, ngx = case.ngx })
      testing.run(case)
      assert.same({ ["X-Digest"] = "md5 of aa" }, set)
    end)

    it("leaves no field to the next test", function()
      testing.load(NAME, { kong = case.kong, ngx = case.ngx })
      local seen
      in_access(function()
        local nginx = rawget(_G, "ngx")
        seen = { nginx.md5("a"), nginx.re.match("a", "a")[0], nginx.var.uri,
                 rawget(nginx.header, "X-Added") or false, rawget(nginx, "status") or false }
        kong.service.request.set_header("X-Digest", "kept")
      end)
      assert.same({ "0cc175b9c0f1b6a831c399e269772661", "a", "/", false, false }, seen)
      assert.same({}, set)
    end)

    it("is refused by testing.load with other fields", function()
      local ok, err = pcall(function()
        testing.load(NAME, { kongg = {} })
        return nil
      end)
      assert.is_false(ok)
      assert.matches('^spec/kit/isolation_spec.lua:%d+: unknown field "kongg" of the'
                     .. ' additions: did you mean "kong"%?$', err)
    end)
  end)

  it("a module that cannot be loaded raises the same error in each test", function()
    package.preload["kit-failing"] = function() error("no beans", 0) end
    package.preload["kit-needy"] = function() return require "kit-failing" end
    finally(function()
      package.preload["kit-failing"], package.preload["kit-needy"] = nil, nil
    end)
    for _ = 1, 2 do
      for _, run in ipairs {
        function() testing.run { plugin = "kit-needy" } end,
        function() testing.load("kit-needy") end,
      } do
        local ok, err = pcall(run)
        assert.is_false(ok)
        assert.matches("no beans$", err)
      end
      local result = testing.run { plugin = { access = function() require "kit-needy" end } }
      assert.equal("no beans", result.log.err[1])
    end
  end)

  it("testing.load returns the kit's module after another require has failed", function()
    local before = package.loaded["ngx.base64"]
    finally(function()
      package.preload["ngx.base64"], package.loaded["ngx.base64"] = nil, before
    end)
    package.loaded["ngx.base64"] = nil
    package.preload["ngx.base64"] = function() error("needs nginx") end
    assert.is_false(pcall(require, "ngx.base64"))
    assert.equal("YQ", testing.load("ngx.base64").encode_base64url("a"))
  end)

  it("testing.load raises the errors of require, and restores the globals", function()
    assert.error_matches(function() testing.load "no.such.module" end, "module 'no.such.module'")
    assert.is_nil(rawget(_G, "kong"))
  end)
end)


describe("the globals", function()
  after_each(function()
    rawset(_G, "kong", nil)
    rawset(_G, "ngx", nil)
  end)

  local function check_restored(code)
    local kong, ngx = { name = "kong" }, { name = "ngx" }
    local module, resume = package.loaded["kong.response"], coroutine.resume
    rawset(_G, "kong", kong)
    rawset(_G, "ngx", ngx)
    code()
    assert.equal(kong, rawget(_G, "kong"))
    assert.equal(ngx, rawget(_G, "ngx"))
    assert.equal(module, package.loaded["kong.response"])
    assert.equal(resume, coroutine.resume)
    assert.same({ name = "kong" }, kong)
    assert.same({ name = "ngx" }, ngx)
  end

  it("are restored after a test", function()
    check_restored(function()
      in_access(function()
        assert.is_nil(kong.name)
        assert.equal("http", ngx.config.subsystem)
      end)
    end)
  end)

  it("are restored if a handler fails", function()
    check_restored(function()
      in_access(function() error "boom" end)
    end)
  end)

  it("are restored if an assertion in a handler fails", function()
    check_restored(function()
      local ok, err = pcall(in_access, function()
        assert.equal(1, 2)
      end)
      assert.is_false(ok)
      assert.matches("Expected objects to be equal", tostring(err), 1, true)
    end)
  end)

  it("are restored if strict mode fails the test", function()
    check_restored(function()
      local ok = pcall(testing.run, {
        plugin = { log = function() ngx.status = 1 end },
        strict = true,
      })
      assert.is_false(ok)
    end)
  end)

  it("are restored if the description of the test is wrong", function()
    check_restored(function()
      assert.is_false(pcall(testing.run, { plugin = "no.such.module" }))
      assert.is_false(pcall(testing.run, { plugin = {}, ngx = { status = {} } }))
      assert.is_false(pcall(testing.run, { plugin = {}, request = { path = "x" } }))
    end)
  end)

  it("are absent again if they were absent before", function()
    in_access(function() end)
    assert.is_nil(rawget(_G, "kong"))
    assert.is_nil(rawget(_G, "ngx"))
  end)
end)


describe("two tests", function()
  it("share no values that a plugin has stored", function()
    local seen
    in_access(function()
      kong.ctx.shared.x = 1
      kong.ctx.plugin.x = 1
      kong.ctx.x = 1
      kong.x = 1
      kong.response.x = 1
      kong.response.exit = nil
      kong.log.err = nil
      local nginx = rawget(_G, "ngx")
      nginx.ctx.x = 1
      nginx.x = 1
      nginx.print = nil
      nginx.var.x = "1"
      nginx.req.x = 1
      kong.response.set_header("X", "1")
      kong.response.set_status(404)
    end)
    local result = in_access(function()
      local nginx = rawget(_G, "ngx")
      seen = {
        kong.ctx.shared.x or false, kong.ctx.plugin.x or false, kong.ctx.x or false,
        kong.x or false, kong.response.x or false, nginx.ctx.x or false, nginx.x or false,
        nginx.var.x or false, nginx.req.x or false, nginx.header.X or false,
      }
      kong.log.err("there")
      ngx.log(ngx.ERR, type(ngx.print))
      return kong.response.exit(200, "there")
    end)
    assert.same({ false, false, false, false, false, false, false, false, false, false }, seen)
    assert.same({ "there", "function" }, result.log.err)
    assert.response(result).has.status(200)
    assert.response(result).has.body("there")
  end)

  it("share no fields that a description adds to kong and ngx", function()
    local logged = 0
    local run = testing.with {
      plugin = {
        access = function()
          local seen = kong.ctx.shared.seen or 0
          kong.ctx.shared.seen = seen + 1
          kong.response.set_header("X-Seen", seen)
          kong.response.set_header("X-User", kong.ctx.shared.user)
        end,
        header_filter = function()
          kong.response.set_header("X-Service", kong.service.response.get_status())
          kong.response.set_header("X-Type", kong.service.response.get_header("Content-Type"))
          kong.log("hidden")
        end,
      },
      upstream = { headers = { ["Content-Type"] = "text/plain" } },
    }
    local given = {
      ctx = { shared = { user = "alice" } },
      service = { response = { get_status = function() return 299 end } },
      log = setmetatable({}, { __call = function() logged = logged + 1 end }),
    }
    for _ = 1, 2 do
      local result = run { kong = given }
      assert.response(result).has.header("X-Seen", "0")
      assert.response(result).has.header("X-User", "alice")
      assert.response(result).has.header("X-Service", "299")
      assert.response(result).has.header("X-Type", "text/plain")
      assert.equal(0, #result.log)
    end
    assert.equal(2, logged)
    assert.same({ user = "alice" }, given.ctx.shared)

    local result = run { kong = { ctx = { shared = { user = "bob" } } } }
    assert.response(result).has.header("X-Service", "200")
    assert.same({ "hidden" }, result.log.notice)
  end)

  it("share no buffered body", function()
    local function run(body)
      return testing.run {
        plugin = {
          body_filter = function()
            kong.response.get_raw_body()
          end,
        },
        upstream = { body = body, failure = #body == 2 and "cut_off" or nil },
      }
    end
    assert.equal("", run({ "secret of the first test", "" }).body)
    assert.equal("abc", run({ "a", "b", "c" }).body)
  end)

  it("share no results", function()
    local one, other = in_access(function() end), in_access(function() end)
    one.headers[1][2] = "changed"
    assert.not_equal("changed", other.headers[1][2])
    assert.not_equal(one.ctx, other.ctx)
  end)
end)
