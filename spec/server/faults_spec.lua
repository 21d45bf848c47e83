-- A build of the library in which a test can order faults: `make build-faults`.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local trees = require "spec.support.trees"


local MB = 1024 -- in kB, as /proc has it

local ORDERED = "kong.response: internal error: as ordered"

-- How each function is called, so that it would work.
local CALLS = {
  get_status = "",
  get_header = "'a'",
  get_headers = "",
  get_source = "",
  set_status = "201",
  set_header = "'X-A', 'b'",
  add_header = "'X-A', 'b'",
  clear_header = "'X-A'",
  set_headers = "{ ['X-A'] = 'b' }",
  exit = "200, 'done'",
  error = "404",
}

-- Compiled code needs nothing native for these.
local IN_LUA = {
  get_status = true, get_headers = true, get_source = true, set_status = true,
}

local BODY_CALLS = { get_raw_body = "", set_raw_body = "'other'" }

-- What compiled code calls, by the name in the library.
local FAST_PATHS = {
  kong_response_set_headers = { [[response.set_headers({ ["X-Many"] = "1" })]] },
  kong_response_write_header = {
    [[response.set_header("X-Set", "1")]], [[response.add_header("X-Add", "1")]],
  },
  kong_response_clear_header = { [[response.clear_header("X-Clear")]] },
  kong_response_get_header = { [[assert(response.get_header("X-There") == "1")]] },
}

-- In the in-memory host, and elsewhere: what needs no request.
local ELSEWHERE = [==[
local core = require "kong.response.core"
local kit = require "kong.response.testing.native"
local failures = {}
local native = core

local function check(name, f, ...)
  native.order_fault("panic", 0)
  local ok, err = pcall(f, ...)
  native.order_fault(nil)
  if ok or type(err) ~= "string" or not err:find("internal error: as ordered", 1, true) then
    failures[#failures + 1] = name .. ": " .. tostring(err)
  end
  -- The next call is as ever.
  local again, text = pcall(f, ...)
  if not again and tostring(text):find("as ordered", 1, true) then
    failures[#failures + 1] = name .. ": again"
  end
end

local function count(functions)
  local n = 0
  for _ in pairs(functions) do
    n = n + 1
  end
  return n
end

local own = {
  json = { {} }, memory_host = {}, nginx = { ngx, {} }, stream = { ngx, {} },
  memory = { kit.memory_host(), ngx, {} }, order_fault = false,
}
local checked = 0
for _, module in ipairs { kit, core } do
  native = module
  for name, f in pairs(module) do
    if type(f) == "function" and own[name] ~= false then
      check(name, f, unpack(own[name]))
      checked = checked + 1
    end
  end
end

local json = require "kong.response.json"
check("encode", json.encode, { 1 })
check("decode", json.decode, "[1]")
for _, case in ipairs {
  { json.decode, '["\\n"]', "no memory for the values at line 1 column 5" },
  { json.encode, { ("x"):rep(2^22) }, "no memory for a body of %d+ bytes" },
} do
  core.order_fault("allocation", 0)
  local value, reason = case[1](case[2])
  core.order_fault(nil)
  if value ~= nil or not reason:find("^" .. case[3] .. "$") or case[1](case[2]) == nil then
    failures[#failures + 1] = case[3] .. ": " .. tostring(reason)
  end
end

check("luaopen", package.loadlib(core.path, "luaopen_kong_response_core"))
native = kit
check("luaopen of the kit", package.loadlib(kit.path, "luaopen_kong_response_testing_native"))

local arguments = {
  upstream = { 200, {} }, set_phase = { "access" }, set_status = { 200 }, get_header = { "a" },
  set_header = { "a", "b" }, get_headers = { 10 }, special_response = { 404 },
  set_chunk = { "a", true }, get_arg = { 1 }, set_arg = { 1, "a" },
}
local methods = 0
for name in pairs(debug.getmetatable(kit.memory_host()).__index) do
  local host = kit.memory_host()
  check("host:" .. name, host[name], host, unpack(arguments[name] or {}))
  methods = methods + 1
end

local fake = { ctx = {}, arg = {}, config = {}, print = print, exit = print, header = {},
               get_phase = function() return "access" end,
               resp = { get_headers = function() return {} end },
               req = { http_version = function() return 1.1 end }, var = {} }
local calls = {
  get_header = { "a" }, set_status = { 201 }, set_header = { "a", "b" }, add_header = { "a", "b" },
  clear_header = { "a" }, set_headers = { {} }, set_raw_body = { "a" }, exit = { 200, "a" },
  error = { 404 },
}
local functions = 0
for name in pairs(require "kong.response") do
  local host = kit.memory_host()
  host:set_phase(name:find "body" and "body_filter" or "access")
  host:set_chunk("a", true)
  local response = require "kong.response.http"({}, fake, function(...)
    return kit.memory(host, ...)
  end)
  check("memory " .. name, response[name], unpack(calls[name] or {}))
  functions = functions + 1
end

native = core
local streams = count(core.stream(fake, {}))
local stream = require "kong.response.stream"({}, fake)
check("stream exit", stream.exit, 200, "a")
fake.ctx = { delay_response = true }
coroutine.wrap(stream.exit)(200, "a")
check("stream callback", fake.ctx.delayed_response_callback, fake.ctx)

return table.concat({ checked, methods, functions, streams }, " ") .. "\n"
  .. table.concat(failures, "\n")
]==]

local INIT = [[
core = require "kong.response.core"
response = require "kong.response"

-- Runs the code that came with the request for its phase.
function run(phase)
  local code = ngx.var["arg_" .. phase]
  if code then
    assert(loadstring(ngx.unescape_uri(code), "@plugin.lua"))()
  end
end
]]

local LOCATIONS = [[
  location / {
    rewrite_by_lua_block { run "rewrite" }
    access_by_lua_block { run "access" }
    content_by_lua_block { run "content" ngx.print("0123456789") }
    header_filter_by_lua_block { run "header_filter" }
    body_filter_by_lua_block { run "body_filter" }
    log_by_lua_block { run "log" }
  }
  location = /chunks {
    header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { run "body_filter" }
    content_by_lua_block {
      for i = 1, 8 do
        ngx.print((tostring(i)):rep(1024 * 1024))
        ngx.flush(true)
      end
    }
  }
  location = /life {
    rewrite_by_lua_block { life.rewrite() }
    access_by_lua_block { life.access() }
    content_by_lua_block { ngx.print("0123456789") }
    header_filter_by_lua_block { life.header_filter() }
    body_filter_by_lua_block { life.body_filter() }
    log_by_lua_block { life.log() }
  }
  location = /elsewhere {
    content_by_lua_block { ngx.print(require "elsewhere_checks"()) }
  }
]]

-- A life cycle of one plugin, which runs the code of the request.
local LIFE = [[
local plugin = {}
for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
  plugin[phase] = function() run(phase) end
end
life = require("kong.response.lifecycle").new { { plugin = plugin, name = "p" } }
]]


local function escape(text)
  return (text:gsub("[^%w]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end


local function path(of, phases)
  local arguments = {}
  for phase, code in pairs(phases) do
    arguments[#arguments + 1] = phase .. "=" .. escape(code)
  end
  return of .. "?" .. table.concat(arguments, "&")
end


describe("a build for use", function()
  it("knows no faults", function()
    assert.is_nil(require("kong.response.core").order_fault)
  end)
end)


describe("the functions in which faults are ordered", function()
  it("are all that there are", function()
    local names = {}
    for name in pairs(require "kong.response") do
      names[name] = true
    end
    local ordered = {}
    for _, calls in ipairs { CALLS, BODY_CALLS } do
      for name in pairs(calls) do
        ordered[name] = true
      end
    end
    assert.same(names, ordered)
  end)

  it("are all that the library shows", function()
    local faults = nginx.root .. "/build/faults"
    local shown = {}
    for name in trees.run("nm -D --defined-only " .. faults .. "/" .. trees.native(faults))
                :gmatch("%x+ T ([^\n]+)") do
      shown[name] = true
    end
    -- That one only looks whether a thread has a frame.
    local ordered = { luaopen_kong_response_core = true, kong_response_runs = true }
    for name in pairs(FAST_PATHS) do
      ordered[name] = true
    end
    assert.same(shown, ordered)
  end)
end)


for _, jit_mode in ipairs { "on", "off" } do
  served.describe("a fault with the JIT " .. jit_mode, function()
    return nginx.start {
      init = "jit." .. jit_mode .. "()\n" .. INIT,
      locations = LOCATIONS,
      files = { ["elsewhere_checks.lua"] = "return function()\n" .. ELSEWHERE .. "\nend" },
      clib_dir = "%{root}/build/faults",
    }
  end, function(server)
    local pids

    setup(function()
      pids = server:worker_pids()
    end)

    after_each(function()
      -- The next request is served as ever, by the same worker.
      local r = server:get(path("/", { access = "response.set_header('X-Sane', 'yes')" }))
      assert.equal(200, r.status)
      assert.equal("yes", r:header("X-Sane"))
      assert.equal("0123456789", r.body)
      assert.same(pids, server:worker_pids())
      local log = server:log()
      assert.is_nil(log:find("[alert]", 1, true))
      assert.is_nil(log:find("unknown reason", 1, true))
    end)

    local calls = {}
    for name, arguments in pairs(CALLS) do
      calls[name] = not (jit_mode == "on" and IN_LUA[name]) and arguments or nil
    end

    for name, arguments in pairs(calls) do
      local call = "response." .. name .. "(" .. arguments .. ")"

      it("in " .. name .. " is an error string, and the request a 500", function()
        for _, phase in ipairs { "rewrite", "access", "content" } do
          server:clear_log()
          local r = server:get(path("/", { [phase] = "core.order_fault('panic', 0) " .. call }))
          assert.equal(500, r.status)
          assert.matches("plugin.lua:1: " .. ORDERED, server:log(), 1, true)
        end
      end)

      it("in " .. name .. " can be caught, and has changed nothing", function()
        local r = server:get(path("/", {
          access = "local f = function() " .. call .. " end core.order_fault('panic', 0) "
            .. "local ok, err = pcall(f) ngx.header.x_error = type(err) .. ' ' .. tostring(err)",
        }))
        assert.equal(200, r.status)
        assert.equal("string plugin.lua:1: " .. ORDERED, r:header("X-Error"))
        assert.is_nil(r:header("X-A"))
        assert.equal("0123456789", r.body)
      end)
    end

    for name, arguments in pairs(BODY_CALLS) do
      local call = "core.order_fault('panic', 0) response." .. name .. "(" .. arguments .. ")"

      it("in " .. name .. " is an error string, and breaks the response off", function()
        local r = server:get(path("/", { body_filter = call }))
        assert.not_equal(0, r.exit)
        assert.equal("", r.body)
        assert.matches("plugin.lua:1: " .. ORDERED, server:log(), 1, true)
      end)

      it("in " .. name .. " can be caught", function()
        local r = server:get(path("/", {
          body_filter = "local ok, err = pcall(function() " .. call .. " end)"
            .. "assert(type(err) == 'string') ngx.log(ngx.NOTICE, '<', err, '>')",
        }))
        assert.equal("0123456789", r.body)
        assert.matches("<plugin.lua:1: " .. ORDERED .. ">", server:log(), 1, true)
      end)
    end

    if jit_mode == "on" then
      for symbol, statements in pairs(FAST_PATHS) do
        it("in " .. symbol .. " is made good by the native function", function()
          local order = " core.order_fault('fast path', 0) "
          local code = order .. table.concat(statements, order)
          local r = server:get(path("/", {
            access = "ngx.header.x_there, ngx.header.x_clear = 1, 1" .. code
              .. " core.order_fault(nil)",
          }))
          assert.equal(200, r.status)
          local sent = { ["X-There"] = "1", ["X-Clear"] = "1" }
          for name in code:gmatch("X%-%u%l+") do
            sent[name] = name ~= "X-Clear" and "1" or nil
          end
          for _, name in ipairs { "X-There", "X-Clear", "X-Many", "X-Set", "X-Add" } do
            assert.equal(sent[name], r:header(name))
          end
          local _, panics = server:log():gsub("panicked at", "")
          assert.equal(#statements, panics)
        end)
      end
    end

    it("in the callback of a delayed response is an error string", function()
      local r = server:get(path("/", { access = [[
        local ctx = ngx.ctx
        ctx.delay_response = true
        coroutine.wrap(response.exit)(403, "no")
        core.order_fault("panic", 0)
        local ok, err = pcall(function() ctx.delayed_response_callback(ctx) end)
        ngx.header.x_error = type(err) .. " " .. tostring(err)
      ]] }))
      assert.equal(200, r.status)
      assert.equal("string plugin.lua:5: " .. ORDERED, r:header("X-Error"))
    end)

    it("in a function that needs no request is an error string", function()
      local counts, failures = server:get("/elsewhere").body:match("^([^\n]*)\n(.*)$")
      assert.equal("5 25 13 2", counts)
      assert.equal("", failures)
    end)

    it("of memory for a body of JSON is an error string, and has changed nothing", function()
      for _, call in ipairs { "exit(200, data)", "error(500, data)" } do
        for chances = 0, 1 do
          local r = server:get(path("/", { access = [[
            -- more than the memory that is kept for the next body
            local long = ("x"):rep(100000)
            local data = {}
            for i = 1, 100 do data[i] = long end
            local f = function() response.]] .. call .. [[ end
            core.order_fault("allocation", ]] .. chances .. [[)
            local ok, err = pcall(f)
            core.order_fault(nil)
            ngx.header.x_error = type(err) .. " " .. tostring(err)
          ]] }))
          assert.equal(200, r.status)
          assert.equal("0123456789", r.body)
          assert.matches("^string plugin.lua:5: .*no memory for a body of %d+ bytes$",
                         r:header("X-Error"))
        end
      end
    end)

    it("of memory for JSON is noticed behind a way down into tables, too", function()
      local r = server:get(path("/", { access = [[
        local numbers, arrays = {}, {}
        for i = 1, 650 do
          numbers, arrays = { [i + 0.1] = numbers }, { arrays }
        end
        local text = ("x"):rep(80)
        -- So long that what is written on the way down grows, and on the way back up does not.
        for i, data in ipairs { numbers, { text, text, text, text, text, arrays } } do
          -- Each call that fails frees memory that was kept for the next body.
          for _ = 1, 4 do
            pcall(response.exit, 200, { print })
          end
          core.order_fault("allocation", 0)
          local ok, err = pcall(response.exit, 200, data)
          core.order_fault(nil)
          ngx.header["x_error_" .. i] = tostring(err)
        end
      ]] }))
      assert.equal("0123456789", r.body)
      for i = 1, 2 do
        assert.matches("no memory for a body of %d+ bytes$", r:header("X-Error-" .. i))
      end
    end)

    describe("of memory for a body", function()
      --- The next allocation for the given chunk fails; then the body is read to its end.
      local function failing(chunk)
        return path("/chunks", { body_filter = [[
          local ctx = ngx.ctx
          -- a flush passes as a chunk of nothing
          ctx.n = (ctx.n or 0) + (ngx.arg[1] ~= "" and 1 or 0)
          if not ctx.err and ctx.n == ]] .. chunk .. [[ then
            core.order_fault("allocation", 0)
          end
          local ok, body = pcall(function() return (response.get_raw_body()) end)
          if not ok then
            ngx.arg[1] = nil
            ctx.err = type(body) .. " " .. body
          elseif body then
            response.set_raw_body(ctx.err .. " / " .. #body .. " of " .. body:sub(1, 1))
          end
        ]] })
      end

      it("is an error string, and frees what was held", function()
        for _ = 1, 3 do
          -- The buffer has room for four of these chunks.
          local r = server:get(failing(5))
          local mib = 1024 * 1024
          assert.equal("string plugin.lua:7: no memory for a body of " .. 5 * mib .. " bytes / "
            .. 3 * mib .. " of 6", r.body)
        end
      end)

      it("is one of the first chunk, too", function()
        local r = server:get(failing(1))
        assert.matches("no memory for a body of 1048576 bytes / 7340032 of 2", r.body, 1, true)
      end)

      it("breaks the response off where nobody catches it, and leaves no memory behind", function()
        local function round()
          for _ = 1, 5 do
            local r = server:get(path("/chunks", { body_filter = [[
              ngx.ctx.n = (ngx.ctx.n or 0) + (ngx.arg[1] ~= "" and 1 or 0)
              if ngx.ctx.n == 5 and ngx.arg[1] ~= "" then
                core.order_fault("allocation", 0)
              end
              response.get_raw_body()
            ]] }))
            assert.not_equal(0, r.exit)
            assert.equal("", r.body)
          end
          assert.matches("plugin.lua:5: no memory for a body of 5242880 bytes", server:log(), 1,
                         true)
        end
        round()
        local before = server:rss(pids[1])
        round()
        round()
        local growth = server:rss(pids[1]) - before
        -- Ten bodies of 4 MB were given up.
        assert.is_true(growth < 16 * MB, "grew by " .. growth / MB .. " MB")
      end)
    end)
  end)
end


describe("memory that the system refuses a worker", function()
  local ffi = require "ffi"
  ffi.cdef "int prlimit(int pid, int resource, const uint64_t *limits, uint64_t *before);"
  local RLIMIT_AS = 9

  it("for the JSON of a table is an error string", function()
    local server = nginx.start { init = INIT, locations = LOCATIONS }
    local pids = server:worker_pids()
    local limit = server:rss(pids[1], "VmSize") * 1024 + 200e6
    assert.equal(0, ffi.C.prlimit(pids[1], RLIMIT_AS, ffi.new("uint64_t[2]", limit, limit), nil))
    for _ = 1, 3 do
      local r = server:get(path("/", { access = [[
        local megabyte = ("x"):rep(1e6)
        local data = {}
        for i = 1, 300 do data[i] = megabyte end
        local ok, err = pcall(function() response.exit(200, data) end)
        ngx.header.x_error = type(err) .. " " .. tostring(err)
      ]] }))
      assert.matches("^string plugin.lua:4: body encoding failed while flushing response: "
                     .. "no memory for a body of %d+ bytes$", r:header("X-Error"))
      assert.equal("0123456789", r.body)
    end
    assert.same(pids, server:worker_pids())
    server:stop()
  end)
end)


describe("a fault in the life cycle", function()
  -- of what may be called in header_filter
  local server

  setup(function()
    -- Compiled code needs nothing native for some functions.
    server = nginx.start {
      init = "jit.off()\n" .. INIT .. LIFE,
      locations = LOCATIONS,
      clib_dir = "%{root}/build/faults",
    }
  end)

  teardown(function()
    server:stop()
  end)

  for name, arguments in pairs(CALLS) do
    it("in " .. name .. " is a page in the client's format", function()
      local pids = server:worker_pids()
      local r = server:get(path("/life", {
        header_filter = "core.order_fault('panic', 0) response." .. name .. "(" .. arguments .. ")",
      }), { "Accept: text/plain" })
      assert.equal(500, r.status)
      assert.matches("^An unexpected error occurred\nrequest_id: %x+\n$", r.body)
      assert.equal("0123456789", server:get("/life").body)
      assert.same(pids, server:worker_pids())
    end)
  end
end)
