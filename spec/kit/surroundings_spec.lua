-- The fields of a case that are not the request: other services, modules, dictionaries, the clock.

local testing = require "kong.response.testing"


local function run(code, case)
  local given = { plugin = { access = code } }
  for name, value in pairs(case or {}) do
    given[name] = value
  end
  return testing.run(given)
end


describe("another service", function()
  it("responds to resty.http", function()
    local seen
    local result = run(function()
      local client = require("resty.http").new()
      local answer = client:request_uri("https://idp.example/token?a=b", {
        method = "POST", body = "x=1", headers = { ["X-A"] = "1" },
      })
      seen = { answer.status, answer.body, answer.headers["content-type"] }
      client:connect { scheme = "http", host = "api.example", port = 8080 }
      answer = client:request { path = "/items", query = { a = 1 } }
      seen[4], seen[5] = answer:read_body(), answer.status
      seen[6], seen[7] = client:request_uri("http://down.example/")
    end, { services = {
      ["https://idp.example/token"] = function(request)
        return { status = 201, body = request.method .. request.body .. request.headers["x-a"],
                 headers = { ["Content-Type"] = "text/plain" } }
      end,
      ["http://api.example:8080/items"] = { body = "items" },
      ["http://down.example/"] = function() return nil, "timeout" end,
    } })
    assert.same({ 201, "POSTx=11", "text/plain", "items", 200, nil, "timeout" }, seen)
    assert.equal("https://idp.example/token?a=b", result.services[1].url)
    assert.equal("a=1", result.services[2].query)
  end)

  it("has the reason phrase of its status", function()
    local seen
    run(function()
      local client = require("resty.http").new()
      seen = { client:request_uri("http://a.example/").reason,
               client:request_uri("http://b.example/").reason }
    end, { services = { ["http://a.example/"] = {},
                        ["http://b.example/"] = { status = 404, reason = "No Such Thing" } } })
    assert.same({ "OK", "No Such Thing" }, seen)
  end)

  it("refuses a table as the body, as nginx does, unless it is an array of pieces", function()
    local seen = {}
    run(function()
      local client = require("resty.http").new()
      local function send(body)
        return client:request_uri("http://a.example/", { method = "POST", body = body }).body
      end
      seen[1] = send { "a", "b" }
      seen[2] = select(2, pcall(send, { a = 1 }))
      client:connect { host = "a.example" }
      seen[3] = select(2, pcall(client.request, client, { body = { a = 1 } }))
    end, { services = { ["http://a.example/"] = function(request)
      return { body = request.body }
    end } })
    assert.equal("ab", seen[1])
    local refused = "bad argument #1 to 'send' %(non%-array table found%)$"
    assert.matches("surroundings_spec.lua:%d+: " .. refused, seen[2])
    assert.matches(refused, seen[3])
  end)

  it("responds to ngx.location.capture", function()
    local seen
    run(function()
      local answer = ngx.location.capture("/auth?x=y", { method = ngx.HTTP_PUT, body = "b" })
      seen = { answer.status, answer.body, answer.header["x-a"] }
    end, { services = { ["/auth"] = function(request)
      return { status = 401, body = request.method .. request.query .. request.body,
               headers = { ["X-A"] = "1" } }
    end } })
    assert.same({ 401, "PUTx=yb", "1" }, seen)
  end)

  it("cannot be called in phases without sockets", function()
    for _, phase in ipairs { "header_filter", "body_filter", "log" } do
      for _, gateway in ipairs { true, false } do
        local seen
        testing.run {
          plugin = {
            [phase] = function()
              seen = seen or select(2, pcall(function()
                local client = require("resty.http").new()
                return client
              end))
            end,
          },
          gateway = gateway,
          strict = false,
          services = { ["https://idp.example/token"] = {} },
        }
        assert.matches("surroundings_spec.lua:%d+: API disabled in the context of " .. phase
          .. "_by_lua%*$", tostring(seen))
      end
    end
  end)

  it("can be called in a timer", function()
    local status
    run(function()
      ngx.timer.at(0, function()
        status = require("resty.http").new():request_uri("https://idp.example/token").status
      end)
    end, { services = { ["https://idp.example/token"] = { status = 204 } } })
    assert.equal(204, status)
  end)

end)


describe("a mistake of the test that the plugin gets as an error", function()
  local URL = "https://idp.example/token"
  local HERE = "^spec/kit/surroundings_spec.lua:"
  -- How a plugin may catch an error.
  local CATCH = {
    ["the gateway"] = function(code)
      return code()
    end,
    ["pcall"] = function(code)
      return pcall(code)
    end,
    ["a coroutine"] = function(code)
      return coroutine.resume(coroutine.create(code))
    end,
    ["kong.cache"] = function(code)
      return kong.cache:get("key", nil, code)
    end,
    ["a thread"] = function(code)
      return ngx.thread.wait(ngx.thread.spawn(code))
    end,
    ["a timer"] = function(code)
      return ngx.timer.at(0, code)
    end,
  }

  -- Runs the code, whose errors the plugin catches. Returns the error of the test, without the
  -- line of the test.
  local function fails(catch, code, case)
    for _, strict in ipairs { true, false } do
      for _, gateway in ipairs { true, false } do
        case = case or {}
        case.strict, case.gateway = strict, gateway
        local err = select(2, pcall(run, function()
          catch(code)
          return kong.response.exit(503)
        end, case))
        if not gateway then
          return err
        end
      end
    end
  end

  local function fetch()
    local answer = require("resty.http").new():request_uri(URL)
    return answer and answer.status
  end

  for name, catch in pairs(CATCH) do
    it("fails the test at its end, though " .. name .. " catches the error", function()
      local line = debug.getinfo(fetch, "S").linedefined + 1
      local err = fails(catch, fetch, { services = { [URL .. "s"] = {} } })
      assert.matches(HERE .. line .. ": no service is described for GET " .. URL
        .. ': add %["' .. URL .. [["%] to the case's services: did you mean "]] .. URL .. 's"%?$',
        err)
      local function service()
        return { stats = 200 }
      end
      local place = "surroundings_spec.lua:" .. debug.getinfo(service, "S").linedefined
      err = fails(catch, fetch, { services = { [URL] = service } })
      assert.matches(HERE .. line .. ': unknown field "stats" of the answer of services%["' .. URL
        .. '"%]: did you mean "status"%? %(the function at spec/kit/' .. place .. "%)$", err)
      err = fails(catch, fetch, { services = { [URL] = function()
        error "boom"
      end } })
      assert.matches(HERE .. line .. ': the function services%["' .. URL
        .. '"%] failed: spec/kit/surroundings_spec.lua:%d+: boom$', err)
      err = fails(catch, fetch, { services = { [URL] = function(request)
        assert.equal("POST", request.method)
      end } })
      assert.matches("Expected objects to be equal", tostring(err), 1, true)
      err = fails(catch, function() return (ngx.socket.tcp()) end)
      assert.matches(HERE .. "%d+: the kit has no sockets: ngx.socket.tcp%. ", err)
    end)
  end

  for _, name in ipairs { "pcall", "the gateway", "kong.cache", "a thread" } do
    it("fails the test: another location, though " .. name .. " catches the error", function()
      local err = fails(CATCH[name], function() ngx.location.capture("/auth") end)
      assert.matches(HERE .. "%d+: no service is described for GET /auth: ", err)
      err = fails(CATCH[name], function() ngx.exec("/auth") end)
      assert.matches(HERE .. "%d+: ngx.exec cannot redirect", err)
      err = fails(CATCH[name], function() ngx.req.set_uri("/auth", true) end)
      assert.matches(HERE .. "%d+: ngx.req.set_uri cannot jump", err)
      err = fails(CATCH[name], function() ngx.req.socket() end)
      assert.matches(HERE .. "%d+: the kit has no sockets: ngx.req.socket", err)
    end)
  end

  for _, name in ipairs { "kong.cache", "a thread", "a timer" } do
    it("fails the test: something that the kit lacks, in " .. name, function()
      local err = fails(CATCH[name], function() return kong.db.keys:select("a") end)
      assert.matches(HERE .. "%d+: attempt to index field 'db' %(a nil value%)\n"
        .. "the kit has no kong.db: add it to the case's kong %(docs/testing.md%)$", err)
      err = fails(CATCH[name], function() return ngx.shared.keys:get("a") end)
      assert.matches('\nthe case declares no dictionary "keys": shared', err, 1, true)
      err = fails(CATCH[name], function() assert.equal(1, 2) end)
      assert.matches("Expected objects to be equal", tostring(err), 1, true)
    end)
  end

  it("is forgotten in the next test", function()
    assert.is_false(pcall(run, fetch))
    testing.advance(1)
    assert.equal(200, run(function() end).status)
  end)
end)


describe("a module of a test", function()
  before_each(function()
    package.preload["kit-needy"] = function()
      local utils = require "kit-utils"
      return { access = function() return kong.response.exit(200, utils.text()) end }
    end
  end)

  after_each(function()
    package.preload["kit-needy"], package.loaded["kit-needy"] = nil, nil
  end)

  it("is returned by require in that test", function()
    for _, text in ipairs { "one", "two" } do
      local result = testing.run {
        plugin = "kit-needy",
        modules = { ["kit-utils"] = { text = function() return text end } },
      }
      assert.equal(text, result.body)
      assert.is_nil(package.loaded["kit-utils"])
      assert.is_nil(package.loaded["kit-needy"])
    end
  end)

  it("is returned by require in the modules of a plugin with a name, in that test only", function()
    local NAME = "kong.plugins.kit-layout."
    package.preload[NAME .. "handler"] = function()
      local helper = require(NAME .. "helper")
      return {
        PRIORITY = 1, VERSION = "1.0",
        access = function() return kong.response.exit(200, helper.text()) end,
      }
    end
    package.preload[NAME .. "helper"] = function()
      return { text = require("kit-utils").text }
    end
    finally(function()
      for _, name in ipairs { NAME .. "handler", NAME .. "helper" } do
        package.preload[name], package.loaded[name] = nil, nil
      end
    end)
    for _, text in ipairs { "one", "two" } do
      local result = testing.run {
        plugin = "kit-layout",
        modules = { ["kit-utils"] = { text = function() return text end } },
      }
      assert.equal(text, result.body)
      assert.is_nil(package.loaded[NAME .. "handler"])
      assert.is_nil(package.loaded[NAME .. "helper"])
    end
  end)

  it("is named by an error of two lines if it is missing", function()
    local ok, err = pcall(testing.run, { plugin = "kit-needy" })
    assert.is_false(ok)
    assert.matches("module 'kit%-utils' not found\nadd it to the case's modules: "
      .. 'modules = { %["kit%-utils"%] = ... } %(docs/testing.md%)$', err)
  end)

  for title, gateway in pairs { ["with a gateway"] = true, ["under the life cycle"] = false } do
    it("is named by two lines of the log in each phase, " .. title, function()
      local function needy()
        require "kit-utils"
      end
      local function first_error(plugin)
        plugin.PRIORITY, plugin.VERSION = 1, "1.0"
        local log = testing.run { plugin = plugin, gateway = gateway, strict = false }.log
        return log.crit[1] or log.err[1]
      end
      local plugins = {
        { init_worker = needy }, { rewrite = needy }, { access = needy }, { response = needy },
        { header_filter = needy }, { body_filter = needy }, { log = needy },
        { access = function() ngx.timer.at(0, needy) end },
        { access = function() kong.log.err(select(2, pcall(require, "kit-utils"))) end },
      }
      for i = 1, #plugins do
        local text = first_error(plugins[i])
        assert.matches("module 'kit%-utils' not found\nadd it to the case's modules: "
          .. 'modules = { %["kit%-utils"%] = ... } %(docs/testing.md%)', text)
        assert.not_matches("no file", text)
      end
    end)
  end

  it("is named with the package or the name that was meant", function()
    local function missing(name)
      package.loaded["kit-lost"] = nil
      package.preload["kit-lost"] = function()
        error("module '" .. name .. "' not found:\n\tno file './lost.lua'", 0)
      end
      finally(function() package.preload["kit-lost"], package.loaded["kit-lost"] = nil, nil end)
      return (select(2, pcall(testing.run, { plugin = "kit-lost" })):match("module '.*$"))
    end
    assert.equal("module 'cjson.safe' not found\ninstall it (on Debian: apt install lua-cjson), or"
      .. ' add it to the case\'s modules: modules = { ["cjson.safe"] = ... } (docs/testing.md)',
      missing "cjson.safe")
    assert.equal("module 'resty.htttp' not found: did you mean \"resty.http\"?\nadd it to the"
      .. ' case\'s modules: modules = { ["resty.htttp"] = ... } (docs/testing.md)',
      missing "resty.htttp")
  end)
end)


describe("the clock", function()
  it("has the time of the test, and moves with ngx.sleep", function()
    local times = {}
    local timed = run(function()
      times[1], times[2] = ngx.now(), ngx.time()
      ngx.sleep(1.5)
      times[3], times[4] = ngx.now(), ngx.utctime()
      ngx.timer.at(10, function() kong.log.warn("due") end)
      ngx.timer.every(4, function() kong.log.info("again") end)
    end, { clock = 1700000000 })
    assert.same({ 1700000000, 1700000000, 1700000001.5, "2023-11-14 22:13:21" }, times)
    testing.advance(9)
    assert.same({ 0, 2 }, { #timed.log.warn, #timed.log.info })
    testing.advance(1)
    assert.same({ "due" }, timed.log.warn)
  end)

  it("is refused if it is not a time", function()
    assert.error_matches(function() testing.advance("x") return nil end,
      "advance needs a number of seconds, got x", 1, true)
  end)
end)


describe("a worker", function()
  local limited = {
    access = function()
      local count = ngx.shared.counters:incr("requests", 1, 0, 60)
      local loaded = kong.cache:get("key", { ttl = 60 }, function() return count end)
      return kong.response.exit(200, count .. " " .. loaded)
    end,
  }

  it("keeps dictionaries and the cache until they expire", function()
    local ask = testing.worker { plugin = limited, shared = { "counters" }, clock = 1700000000 }
    assert.same({ "1 1", "2 1" }, { ask().body, ask().body })
    testing.advance(59)
    assert.equal("3 1", ask().body)
    testing.advance(1)
    assert.equal("1 1", ask().body)
  end)

  it("is new in each other test", function()
    local ask = testing.with { plugin = limited, shared = { counters = "1m" } }
    assert.same({ "1 1", "1 1" }, { ask().body, ask().body })
  end)

  it("has the declared dictionaries", function()
    local seen
    run(function() seen = { ngx.shared.other == nil, ngx.shared.c:capacity() } end,
      { shared = { c = "64k" } })
    assert.same({ true, 65536 }, seen)
    assert.error_matches(function() run(function() end, { shared = { c = "x" } }) return nil end,
      'shared["c"] must be a size such as "1m", got x', 1, true)
  end)
end)
