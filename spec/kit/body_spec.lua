local testing = require "kong.response.testing"


-- Runs a request; returns the result and what the body filter saw: { chunk, last }, ….
local function run(upstream, handlers, request)
  local chunks = {}
  local plugin = {
    body_filter = function(...)
      chunks[#chunks + 1] = { ngx.arg[1], ngx.arg[2] }
      if handlers and handlers.body_filter then
        return handlers.body_filter(...)
      end
    end,
  }
  -- No plugin has both a response handler and filters.
  local buffering = { PRIORITY = 1, response = handlers and handlers.response }
  for phase, handler in pairs(handlers or {}) do
    if phase ~= "response" then
      plugin[phase] = plugin[phase] or handler
    end
  end
  local result = testing.run {
    strict = false,
    plugins = { { plugin = plugin }, { plugin = buffering } },
    upstream = upstream, request = request,
  }
  return result, chunks
end


describe("the upstream's response", function()
  it("has defaults", function()
    local result = run()
    assert.equal(200, result.status)
    assert.equal("", result.body)
    assert.equal("0", result.headers["Content-Length"])
  end)

  it("has the Content-Length of a string", function()
    local result = run { body = "espresso" }
    assert.equal("8", result.headers["Content-Length"])
    assert.is_nil(result.headers["Transfer-Encoding"])
  end)

  it("is chunked if the test gives chunks", function()
    local result = run { body = { "esp", "resso" } }
    assert.is_nil(result.headers["Content-Length"])
    assert.equal("chunked", result.headers["Transfer-Encoding"])
    assert.same({ "esp", "resso" }, result.chunks)
  end)

  it("has the headers that were given, in their order and case", function()
    local result = run { headers = { { "X-B", "1" }, { "x-a", "2" }, { "X-B", "3" } } }
    local own = {}
    for _, header in ipairs(result.headers) do
      if header[1]:lower():find("^x%-") then
        own[#own + 1] = header[1] .. "=" .. header[2]
      end
    end
    assert.same({ "X-B=1", "x-a=2", "X-B=3" }, own)
  end)

  it("lacks the headers that nginx does not pass on", function()
    local result = run { headers = { Connection = "close", ["X-Accel-Expires"] = "0" } }
    assert.equal("keep-alive", result.headers.Connection)
    assert.is_nil(result.headers["X-Accel-Expires"])
  end)

  it("has no body for 304, and none for HEAD", function()
    local result = run { status = 304 }
    assert.equal(304, result.status)
    assert.equal("", result.body)
    assert.is_nil(result.headers["Transfer-Encoding"])

    local chunks
    result, chunks = run({ body = "espresso" }, nil, { method = "HEAD" })
    assert.equal("", result.body)
    assert.equal("8", result.headers["Content-Length"])
    assert.is_false(result.truncated)
    assert.same({}, chunks)
    assert.same({ "rewrite", "access", "header_filter", "log" }, result.phases)
  end)
end)


describe("the body filter", function()
  it("gets each chunk, and an empty last one", function()
    local result, chunks = run { body = { "a", "b" } }
    assert.same({ { "a", false }, { "b", false }, { "", true } }, chunks)
    assert.equal("ab", result.body)
  end)

  it("gets printed output as one chunk, and an empty last one", function()
    local _, chunks = run(nil, { access = function() return kong.response.exit(200, "abc") end })
    assert.same({ { "abc", false }, { "", true } }, chunks)
  end)

  it("gets the body that was set in header_filter, and nothing after it", function()
    local result, chunks = run({ body = { "a", "b" } }, {
      header_filter = function() return kong.response.exit(403, "no") end,
    })
    assert.same({ { "no", true } }, chunks)
    assert.equal("no", result.body)
  end)

  it("changes chunks by ngx.arg", function()
    local result = run({ body = { "a", "b" } }, {
      body_filter = function() ngx.arg[1] = (ngx.arg[1] or ""):upper() end,
    })
    assert.equal("AB", result.body)
  end)

  it("drops a chunk", function()
    local result = run({ body = { "a", "b" } }, {
      body_filter = function()
        if ngx.arg[1] == "a" then
          ngx.arg[1] = nil
        end
      end,
    })
    assert.equal("b", result.body)
    assert.is_false(result.truncated)
  end)

  it("ends the body early, so later chunks are dropped", function()
    local result, chunks = run({ body = { "a", "b", "c" } }, {
      body_filter = function() ngx.arg[2] = true end,
    })
    assert.equal("a", result.body)
    assert.equal(1, #chunks)
  end)

  it("reads the whole body and sets another", function()
    local result = run({ body = { "a", "b" } }, {
      header_filter = function() kong.response.clear_header("Content-Length") end,
      body_filter = function()
        local body = kong.response.get_raw_body()
        if body then
          kong.response.set_raw_body("<" .. body .. ">")
        end
      end,
    })
    assert.equal("<ab>", result.body)
  end)

  it("shares the body between plugins", function()
    local function wrapping(left, right)
      return {
        header_filter = function() kong.response.clear_header("Content-Length") end,
        body_filter = function()
          local body = kong.response.get_raw_body()
          if body then
            kong.response.set_raw_body(left .. body .. right)
          end
        end,
      }
    end
    local result = testing.run {
      plugins = { { plugin = wrapping("<", ">") }, { plugin = wrapping("[", "]") } },
      upstream = { body = { "a", "b" } },
    }
    assert.equal("[<ab>]", result.body)
  end)

  it("passes a body that is larger than max_body_size", function()
    local response = require("kong.response.instance").new { max_body_size = 5 }
    local seen = {}
    local result, chunks = run({ body = { "abc", "def", "ghi" } }, {
      body_filter = function()
        seen[#seen + 1] = { response.get_raw_body() }
        if ngx.arg[2] then
          seen[#seen + 1] = { response.set_raw_body("short") }
        end
      end,
    })
    local err = "body is larger than max_body_size (5 bytes)"
    assert.same({ {}, {}, {}, { nil, err }, { nil, err } }, seen)
    assert.equal(4, #chunks)
    assert.same({ "abcdef", "ghi" }, result.chunks)
    assert.equal("abcdefghi", result.body)
    local warnings = {}
    for i, warning in ipairs(result.log.warn) do
      warnings[i] = warning:gsub("^spec/kit/body_spec%.lua:%d+: ", "", 1)
    end
    assert.same({
      "get_raw_body lets the body pass: " .. err,
      "set_raw_body leaves the body as it is: " .. err,
    }, warnings)
  end)

  it("is the only phase with ngx.arg", function()
    local ok, err
    run(nil, { access = function() ok, err = pcall(function() return ngx.arg[1] end) end })
    assert.is_false(ok)
    assert.matches("API disabled in the current context", err, 1, true)
  end)
end)


describe("the Content-Length", function()
  it("cuts the body that the client reads if it is too small", function()
    local result = run({ body = "abc" }, {
      body_filter = function()
        local body = kong.response.get_raw_body()
        if body then
          kong.response.set_raw_body("longer than before")
        end
      end,
    })
    assert.equal("3", result.headers["Content-Length"])
    assert.equal("lon", result.body)
    assert.same({ "longer than before" }, result.chunks)
  end)

  it("leaves the client waiting if it is too large", function()
    local result = run({ body = "abc" }, {
      body_filter = function()
        if kong.response.get_raw_body() then
          kong.response.set_raw_body("a")
        end
      end,
    })
    assert.equal("a", result.body)
    assert.is_true(result.truncated)
  end)
end)


describe("an upstream that fails", function()
  local cases = {
    timeout = { 504, "The upstream server is timing out", "upstream timed out" },
    refused = { 502, "An invalid response was received from the upstream server",
                "connect() failed (111: Connection refused)" },
  }

  for failure, expected in pairs(cases) do
    for kind, handlers in pairs { plain = {}, buffered = { response = function() end } } do
      it("with " .. failure .. " causes the gateway's document (" .. kind .. ")", function()
        local trace = {}
        handlers.header_filter = function()
          trace[#trace + 1] = kong.response.get_source()
          trace[#trace + 1] = kong.response.get_status()
        end
        handlers.log = function() trace[#trace + 1] = kong.response.get_source() end
        local result = run({ failure = failure, headers = { A = "1" } }, handlers, { id = "4711" })
        assert.equal(expected[1], result.status)
        assert.same({ message = expected[2], request_id = "4711" }, result.json())
        assert.is_nil(result.headers.A)
        assert.equal("error", result.source)
        assert.is_true(result.upstream_called)
        assert.is_false(result.exited)
        assert.same({ "error", expected[1], "error" }, trace)
        assert.matches(expected[3], result.log.err[1], 1, true)
        assert.same({ "rewrite", "access", "header_filter", "body_filter", "log" }, result.phases)
      end)
    end
  end

  it("sends its head and all chunks but the last with cut_off", function()
    local result, chunks = run { body = { "a", "b", "c" }, failure = "cut_off" }
    assert.equal(200, result.status)
    assert.equal("ab", result.body)
    assert.is_true(result.truncated)
    assert.same({ { "a", false }, { "b", false }, { "", false } }, chunks)
    assert.matches("upstream prematurely closed connection", result.log.err[1], 1, true)
    assert.equal("log", result.phases[#result.phases])
  end)

  it("sends the first half of a string with cut_off", function()
    local result = run { body = "espresso", failure = "cut_off" }
    assert.equal("8", result.headers["Content-Length"])
    assert.equal("espr", result.body)
    assert.is_true(result.truncated)
  end)

  it("never gives the whole body to a plugin with cut_off", function()
    local asked, got = 0, nil
    local result = run({ body = { "a", "b" }, failure = "cut_off" }, {
      body_filter = function()
        asked = asked + 1
        got = got or kong.response.get_raw_body()
      end,
    })
    assert.equal(2, asked)
    assert.is_nil(got)
    assert.equal("", result.body)
    assert.is_true(result.truncated)
  end)

  it("causes a 502 with cut_off if a plugin has a response handler", function()
    local ran = false
    local result = run({ body = { "a", "b" }, failure = "cut_off" }, {
      response = function() ran = true end,
    })
    assert.equal(502, result.status)
    assert.is_false(ran)
    assert.equal("error", result.source)
  end)

  it("does not replace an exit in header_filter", function()
    local result = run({ failure = "timeout" }, {
      header_filter = function()
        if kong.response.get_source() == "error" then
          return kong.response.exit(503, { message = "come back later" })
        end
      end,
    })
    assert.equal(503, result.status)
    assert.same({ message = "come back later" }, result.json())
  end)
end)
