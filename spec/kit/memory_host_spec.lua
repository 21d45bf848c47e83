--- The in-memory host as Lua holds it, without a server: what the test kit is built on. The
-- conformance spec shows that it does as nginx does.

local core = require "kong.response.core"
local native = require "kong.response.testing.native"
local module = require "spec.support.module"


local function services(host)
  local function all(max)
    return host:get_headers(max)
  end
  return {
    request_id = function() return "id" end,
    http_version = function() return 1.1 end,
    listed_header = function(name) return all(0)[name] end,
    all_headers = all,
    tostring = tostring,
    empty_array = core.empty_array,
    array_mt = {},
    empty_array_mt = {},
  }
end


local function bind(host, ctx)
  return native.memory(host, { ctx = ctx or {} }, services(host))
end


local function fails(f, ...)
  local ok, err = pcall(f, ...)
  return not ok and err
end


describe("memory_host", function()
  it("is a GET request over HTTP/1.1 by default", function()
    local host = native.memory_host()
    bind(host).exit(200, "x")
    host:start_output()
    assert.same({
      { "Server", "nginx" },
      { "Date", "Thu, 01 Jan 1970 00:00:00 GMT" },
      { "Content-Type", "text/plain" },
      { "Connection", "keep-alive" },
      { "Content-Length", "1" },
    }, (host:finish_head()))
  end)

  it("has the given method, version, headers and variables", function()
    local host = native.memory_host {
      method = "HEAD",
      http_version = 2,
      headers = { { "Content-Type", "application/grpc" }, { "accept", "text/html" } },
      variables = { request_method = "HEAD" },
    }
    host:set_status(200)
    local head, body_allowed = host:finish_head()
    assert.same({ "server", "nginx" }, head[1])
    assert.is_false(body_allowed)
  end)

  it("raises a string if the request is invalid", function()
    local cases = {
      { 1, "request must be a table, got number" },
      { { method = 1 }, "request.method must be a string, got number" },
      { { http_version = "1.1" }, "request.http_version must be a number, got string" },
      { { headers = "x" }, "request.headers must be a table, got string" },
      { { headers = { "x" } }, "request.headers[1] must be { name, value }, two strings" },
      { { headers = { { "a", "b" }, { "a" } } },
        "request.headers[2] must be { name, value }, two strings" },
      { { variables = { a = 1 } }, "request.variables must have strings for names and values" },
      { { www_authenticate_repeats = 1 },
        "request.www_authenticate_repeats must be a boolean, got number" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], fails(native.memory_host, case[1]))
    end
  end)

  it("refuses other objects in methods, and arguments of the wrong type", function()
    local host = native.memory_host()
    for _, method in ipairs {
      "upstream", "set_phase", "get_phase", "get_status", "set_status", "headers_sent",
      "mark_headers_sent", "get_header", "set_header", "get_headers", "start_output",
      "special_response", "abort", "clean_head", "finish_head", "set_chunk", "get_chunk", "get_arg",
      "set_arg", "body_ended", "buffered", "take_log", "answer_conditions",
    } do
      assert.matches("memory_host expected", fails(host[method], {}))
      assert.matches("memory_host expected", fails(host[method]))
      assert.matches("memory_host expected", fails(host[method], io.stdout))
    end
    assert.equal('unknown phase "nowhere"', fails(host.set_phase, host, "nowhere"))
    assert.equal("the phase must be a string", fails(host.set_phase, host, 1))
    assert.equal("code must be a number", fails(host.set_status, host, "200"))
    assert.equal("the status must be a number below 1000", fails(host.set_status, host, 1000))
    assert.equal("the status must be a number below 1000", fails(host.set_status, host, 0 / 0))
    assert.equal("bad index: 3", fails(host.set_arg, host, 3, "x"))
    assert.equal("bad chunk data type: boolean", fails(host.set_arg, host, 1, true))
    local cycle, deep = {}, "x"
    cycle[1], cycle[2] = cycle, cycle
    for _ = 1, 101 do
      deep = { deep }
    end
    for _, chunk in ipairs { cycle, deep } do
      assert.equal("bad chunk: tables nested too deep", fails(host.set_chunk, host, chunk))
      assert.equal("bad chunk: tables nested too deep", fails(host.set_arg, host, 1, chunk))
    end
    assert.is_false(fails(host.set_chunk, host, deep[1]))
    assert.equal("x", (host:get_chunk()))
    assert.equal("headers[1] must be { name, value }, two strings",
      fails(host.upstream, host, 200, { { 1, 2 } }))
    assert.matches("memory_host expected", fails(native.memory, {}, {}, {}))
    assert.equal("ngx must be a table, got nil", fails(native.memory, host))
    assert.equal("services must be a table, got nil", fails(native.memory, host, {}))
  end)

  it("hides its finalizer from Lua code", function()
    local host = native.memory_host()
    assert.is_nil(host.__gc)
    assert.is_false(getmetatable(host))
  end)

  it("lives as long as a function that is bound to it", function()
    local response = bind(native.memory_host())
    collectgarbage()
    collectgarbage()
    response.set_status(404)
    assert.equal(404, response.get_status())
  end)
end)


describe("functions bound to a host", function()
  it("use only their own host", function()
    local one, two = native.memory_host(), native.memory_host()
    bind(one).set_header("X-A", "1")
    assert.is_nil(bind(two).get_header("X-A"))
  end)

  it("raise an error without a client, as in nginx", function()
    local host = native.memory_host()
    local response = bind(host, { KONG_EXITED = true })
    for _, phase in ipairs { "timer", "init_worker", "ssl_cert" } do
      host:set_phase(phase)
      assert.equal("API disabled in the current context", fails(response.get_status))
      assert.equal("exit", response.get_source())
    end
    host:set_phase "init"
    assert.equal("API disabled in the current context", fails(response.get_source))
  end)

  it("check the phase first, as in nginx", function()
    local kong = rawget(_G, "kong")
    finally(function()
      rawset(_G, "kong", kong)
    end)
    rawset(_G, "kong", { ctx = {} })
    local host, ctx = native.memory_host(), { KONG_PHASE = 0x1 }
    local response = bind(host, ctx)
    local function refusals()
      local texts = {}
      for _, name in ipairs(module.FUNCTIONS) do
        -- Functions with a facade name the line of its caller, which is this line.
        texts[name] = fails(response[name]):gsub("^spec/kit/[^:]*:%d+: ", "")
      end
      return texts
    end
    host:set_phase "init_worker"
    assert.same(module.refused_in "init_worker", refusals())
    host:set_phase "timer"
    ctx.KONG_PHASE = nil
    assert.same(module.refused_in(nil), refusals())
    ctx.KONG_PHASE = 0x200
    assert.equal("API disabled in the current context", fails(response.get_status))
    assert.equal("error", response.get_source())
  end)

  it("can be called from the code that they call", function()
    local host = native.memory_host { headers = { { "Content-Type", "application/grpc" } } }
    local seen, given, response = {}, services(host), nil
    given.log = function(_, message)
      seen[#seen + 1] = message
      response.set_header("X-From-Log", "1")
    end
    given.http_version = function()
      response.set_header("X-From-Version", host:get_status())
      return 2
    end
    response = native.memory(host, { ctx = {} }, given)
    response.set_header("Transfer-Encoding", "x")
    response.exit(403, setmetatable({}, { __index = function(_, key)
      response.set_header("X-From-Index", key)
      collectgarbage()
    end }))
    assert.matches("^spec/%S+:%d+: manually setting Transfer%-Encoding%. Ignored%.$", seen[1])
    assert.equal("1", host:get_header("X-From-Log"))
    assert.equal("0", host:get_header("X-From-Version"))
    assert.equal("message", host:get_header("X-From-Index"))
  end)

  it("log to the host if there is no option log", function()
    local host = native.memory_host()
    bind(host).set_header("Transfer-Encoding", "x")
    local line = debug.getinfo(1, "l").currentline - 1
    assert.same({
      { 5, ("spec/kit/memory_host_spec.lua:%d: manually setting Transfer-Encoding. Ignored.")
        :format(line) },
    }, host:take_log())
    assert.same({}, host:take_log())
  end)

  it("remove the chunks of a body that they buffer", function()
    local host = native.memory_host()
    local response = bind(host)
    assert.matches("API disabled in the current context", fails(response.get_raw_body))
    host:set_phase "body_filter"
    host:set_chunk({ "one ", "two " }, false)
    assert.is_nil((response.get_raw_body()))
    assert.equal(8, host:buffered())
    host:set_arg(1, nil)
    assert.same({ "", false }, { host:get_chunk() })
    host:set_chunk("three", true)
    assert.equal("one two three", (response.get_raw_body()))
    assert.equal(0, host:buffered())
  end)

  it("let a finalizer use the request while a chunk is read", function()
    local host = native.memory_host()
    local ran, errors = 0, {}
    local function finalizer()
      ran = ran + 1
      local ok, err = pcall(host.set_status, host, 201)
      if not ok then
        errors[#errors + 1] = err
      end
    end
    -- The collector starts a cycle at once, and each step runs much of it.
    local pause = collectgarbage("setpause", 0)
    local multiplier = collectgarbage("setstepmul", 10000)
    collectgarbage()
    for i = 1, 1000 do
      getmetatable(newproxy(true)).__gc = finalizer
      host:set_chunk(i .. (" "):rep(1000), false)
      host:get_arg(1)
      host:get_chunk()
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", multiplier)
    assert.is_true(ran > 0)
    assert.same({}, errors)
  end)
end)
