-- Orders faults in the functions of the library that need no request, and in those of the kit. A
-- worker of nginx loads this file. It returns how many functions it has checked, and the failures.

return function()
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
    -- The next call works again.
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
    get_header = { "a" }, set_status = { 201 }, set_header = { "a", "b" },
    add_header = { "a", "b" },
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
end
