local testing = require "kong.response.testing"


local URL = "https://auth.example/verify"


describe("auth-service", function()
  -- A worker of its own for each case: its requests share the cache and the clock.
  local run, answer

  before_each(function()
    answer = { status = 200, body = '{"name":"alice"}' }
    run = testing.worker {
      plugin = "examples.auth-service.plugin",
      config = { url = URL, ttl = 60 },
      clock = 1700000000,
      services = {
        [URL] = function()
          if answer then
            return answer
          end
          return nil, "connection refused"
        end,
      },
      upstream = { body = "espresso" },
    }
  end)

  local function with(token, others)
    local headers = { Authorization = token and "Bearer " .. token }
    for name, value in pairs(others or {}) do
      headers[name] = value
    end
    return { headers = headers }
  end

  local function questions(result)
    return #result.services
  end


  it("asks for a token", function()
    local result = run()
    assert.response(result).has.status(401)
    assert.response(result).has.header("WWW-Authenticate", "Bearer")
    assert.response(result).has.jsonbody { message = "No token found in request" }
    assert.is_false(result.upstream_called)
    assert.equal(0, questions(result))
  end)

  it("sends the token to the service, and the user to the upstream", function()
    local result = run { request = with("a&b") }
    assert.response(result).has.body("espresso")
    assert.upstream(result).has.header("X-Credential-Identifier", "alice")
    assert.equal("POST", result.services[1].method)
    assert.equal("token=a%26b", result.services[1].body)
  end)

  it("asks once until the answer expires", function()
    assert.equal(1, questions(run { request = with("one") }))
    local result = run { request = with("one") }
    assert.equal(0, questions(result))
    assert.upstream(result).has.header("X-Credential-Identifier", "alice")
    assert.equal(1, questions(run { request = with("two") }))
    testing.advance(61)
    assert.equal(1, questions(run { request = with("one") }))
  end)

  it("refuses an invalid token, and remembers that for a shorter time", function()
    answer = { status = 401 }
    local result = run { request = with("wrong") }
    assert.response(result).has.status(401)
    assert.response(result).has.header("WWW-Authenticate", 'Bearer error="invalid_token"')
    assert.is_false(result.upstream_called)
    assert.equal(0, questions(run { request = with("wrong") }))
    testing.advance(11)
    assert.equal(1, questions(run { request = with("wrong") }))
  end)

  it("answers 503 while the service fails, and asks again for the next request", function()
    for _, failure in ipairs {
      false,
      { status = 500, body = '{"name":"alice"}' },
      { status = 200, body = "<html>" },
      { status = 200, body = "{}" },
    } do
      answer = failure
      local result = run { request = with("one") }
      assert.response(result).has.status(503)
      assert.response(result).has.logged("err", "the token cannot be checked: ")
      assert.is_false(result.upstream_called)
      assert.equal(1, questions(result))
    end
    answer = { status = 200, body = '{"name":"alice"}' }
    assert.response(run { request = with("one") }).has.status(200)
  end)

  it("accepts an expired answer if the service fails, and asks again after 30 seconds", function()
    run { request = with("one") }
    answer = false
    testing.advance(61)
    local result = run { request = with("one") }
    assert.response(result).has.status(200)
    assert.equal(1, questions(result))
    assert.equal(0, questions(run { request = with("one") }))
    answer = { status = 401 }
    testing.advance(31)
    assert.response(run { request = with("one") }).has.status(401)
  end)

  it("keeps the answers of two services apart", function()
    run { request = with("one") }
    local other = "https://other.example/verify"
    local result = run {
      config = { url = other }, services = { [other] = { status = 401 } }, request = with("one"),
    }
    assert.response(result).has.status(401)
  end)

  it("removes headers with which a client could pretend to be somebody", function()
    local result = run {
      request = with("one", {
        ["X-Credential-Identifier"] = "admin", ["X-Consumer-Username"] = "admin",
      }),
    }
    assert.upstream(result).has.header("X-Credential-Identifier", "alice")
    assert.upstream(result).has_no.header("X-Consumer-Username")
  end)

  it("keeps other headers, also if kong.constants has more of them, as in a gateway", function()
    local more = { HEADERS = { SOME = "X-Some" } }
    for name, header in pairs(require("kong.constants").HEADERS) do
      more.HEADERS[name] = header
    end
    local result = run {
      request = with("one", { ["X-Some"] = "1" }), modules = { ["kong.constants"] = more },
    }
    assert.upstream(result).has.header("X-Some", "1")
  end)

  it("tells later plugins who the client is", function()
    local seen
    testing.run {
      plugins = {
        { plugin = "examples.auth-service.plugin", config = { url = URL } },
        { plugin = { access = function() seen = kong.client.get_credential() end } },
      },
      request = with("one"),
      services = { [URL] = answer },
    }
    assert.same({ id = "alice" }, seen)
  end)

  describe("with an anonymous consumer", function()
    local case

    before_each(function()
      case = {
        config = { url = URL, anonymous = "guest" },
        consumers = { { id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001", username = "guest" } },
        kong = { db = { consumers = { cache_key = function(_, name)
          return "consumers:" .. name
        end } } },
      }
    end)

    it("lets requests without a token pass", function()
      local result = run(case)
      assert.response(result).has.body("espresso")
      assert.upstream(result).has.header("X-Consumer-Username", "guest")
      assert.upstream(result).has.header("X-Anonymous-Consumer", "true")
      assert.equal(0, questions(result))
    end)

    it("finds the consumer without kong.db, as under the life cycle", function()
      case.kong = nil
      assert.upstream(run(case)).has.header("X-Consumer-Username", "guest")
    end)

    it("refuses an invalid token", function()
      answer = { status = 401 }
      case.request = with("wrong")
      assert.response(run(case)).has.status(401)
    end)

    it("accepts what an earlier plugin has found out", function()
      local earlier = {
        PRIORITY = 1100,
        access = function()
          kong.client.authenticate(nil, { id = "bob" })
          kong.service.request.set_header("X-Credential-Identifier", "bob")
        end,
      }
      local result = testing.run {
        plugins = {
          { plugin = earlier }, { plugin = "examples.auth-service.plugin", config = case.config },
        },
      }
      assert.upstream(result).has.header("X-Credential-Identifier", "bob")
      assert.upstream(result).has_no.header("X-Anonymous-Consumer")
    end)

    it("sends a 500 if the consumer does not exist", function()
      case.consumers = {}
      local result = run(case)
      assert.response(result).has.status(500)
      assert.response(result).has.logged("err", "no anonymous consumer guest: it does not exist")
      assert.is_false(result.upstream_called)
    end)
  end)
end)
