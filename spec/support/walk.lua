--- Calls every function with unusual arguments. The workers of a spec load this file.

local ffi = require "ffi"
local response = require "kong.response"


local FUNCTIONS = {
  "get_status", "get_header", "get_headers", "get_source",
  "set_status", "set_header", "add_header", "clear_header", "set_headers",
  "get_raw_body", "set_raw_body", "exit", "error",
}

local VALUES = {
  "nil", "true", "false",
  "0", "-0", "-1", "0.5", "99", "100", "200", "200.9", "404", "500", "599", "600", "1000",
  "1e15", "2^31", "2^32", "2^53", "2^63", "-2^63", "1e308", "0/0", "1/0", "-1/0",
  "''", "' '", "'a'", "'200'", "'Content-Length'", "'transfer_encoding'", "'Content-Type'",
  "'\\0'", "'a\\r\\nb: c'", "'\\255\\254'", "('x'):rep(70000)",
  "{}", "{ 1 }", "{ '' }", "{ {} }", "{ nil, 2 }", "{ [0] = 1 }", "{ [1.5] = 1 }",
  "{ [true] = 1 }", "{ [{}] = {} }", "{ message = {} }", "{ a = 'b' }", "{ ['a b'] = 'c' }",
  "{ 1, 'a', true, { 2 } }", "{ [2^53] = 1 }", "{ 0/0 }", "{ print }", "cycle()", "deep(1500)",
  "print", "string.rep", "ngx.null", "ngx", "_G", "userdata()", "userdata('__tostring')",
  "userdata('__index')", "userdata('__len')",
  "ffi.new('int')", "5LL", "5ULL", "ffi.new('char[4]')", "ffi.typeof('int')",
  "ffi.cast('void *', 1)",
  "coroutine.create(print)", "coroutine.running()",
  "throwing('__tostring', 'text')", "throwing('__tostring', {})", "throwing('__tostring', nil)",
  "throwing('__index', 'text')", "throwing('__index', {})", "throwing('__index', nil)",
  "throwing('__len', 'text')", "throwing('__len', {})", "throwing('__len', nil)",
  "throwing('__pairs', {})", "throwing('__ipairs', {})", "throwing('__newindex', {})",
  "throwing('__eq', {})", "throwing('__gc', {})", "throwing('__metatable', {})",
  "throwing('__index', response)", "throwing('__len', 7)",
  "returning('__tostring', {})", "returning('__tostring', nil)", "returning('__tostring', '')",
  "returning('__len', -1)", "returning('__len', 0/0)", "returning('__len', 1.5)",
  "returning('__len', 'x')", "returning('__len', '3')", "returning('__len', {})",
  "returning('__len', nil)", "returning('__len', 100)", "returning('__index', 'a')",
  "yielding('__tostring')", "yielding('__index')", "yielding('__len')",
  "overflowing('__tostring')", "overflowing('__index')", "overflowing('__len')",
  "calling('__index', 'exit', 200)", "calling('__len', 'set_status', {})",
  "calling('__tostring', 'set_header', {}, {})",
  "setmetatable({}, { __metatable = 1 })", "setmetatable({ 'a' }, { __mode = 'kv' })",
}

local FEW_VALUES = {
  "nil", "'a'", "1", "{ 'a' }", "print", "throwing('__tostring', {})", "overflowing('__index')",
}

local KEYS = {
  "''", "'a'", "'Content-Type'", "'content_length'", "'Transfer-Encoding'", "'a\\r\\nb'", "'\\0'",
  "1", "0.5", "true", "print", "{}", "throwing('__tostring', {})", "returning('__tostring', 1)",
}

-- The number of stack depths before the limit that it tests one by one.
local NEAR_LIMIT = 300

local environment = setmetatable({ ffi = ffi, response = response }, { __index = _G })


function environment.cycle()
  local t = {}
  t[1] = { t }
  return t
end


function environment.deep(depth)
  local t = {}
  for _ = 1, depth do
    t = { t }
  end
  return t
end


function environment.userdata(field)
  local object = newproxy(true)
  getmetatable(object)[field or "__call"] = function() error({}) end
  return object
end


local function with(field, f)
  local t = { "a", nil, "c" }
  t.headers = t
  return setmetatable(t, { [field] = f })
end


function environment.throwing(field, value)
  return with(field, function() error(value) end)
end


function environment.returning(field, value)
  return with(field, function() return value end)
end


function environment.yielding(field)
  return with(field, function() coroutine.yield(1) end)
end


function environment.overflowing(field)
  local function f()
    return f() .. ""
  end
  return with(field, f)
end


function environment.calling(field, name, ...)
  local arguments = { ... }
  return with(field, function() return response[name](unpack(arguments)) end)
end


local function case(name, arguments)
  local source = "return response." .. name .. "(" .. arguments .. ")"
  return { source = source, run = setfenv(assert(loadstring(source)), environment) }
end


-- The calls that return, and the calls that end the request if they succeed.
local plain, ending = {}, {}

for _, name in ipairs(FUNCTIONS) do
  local list = (name == "exit" or name == "error") and ending or plain
  list[#list + 1] = case(name, "")
  for _, value in ipairs(VALUES) do
    list[#list + 1] = case(name, value)
    list[#list + 1] = case(name, "nil, " .. value)
  end
end

for _, name in ipairs { "set_header", "add_header" } do
  for _, first in ipairs(VALUES) do
    -- With a name that is not a string, a few values are enough, because the function checks the
    -- name first.
    for _, second in ipairs(first:find("^%(?'") and VALUES or FEW_VALUES) do
      plain[#plain + 1] = case(name, first .. ", " .. second)
    end
  end
  for _, value in ipairs(VALUES) do
    plain[#plain + 1] = case(name, "'a', { " .. value .. " }")
    plain[#plain + 1] = case(name, "'a', { 'b', " .. value .. " }")
  end
end

for _, key in ipairs(KEYS) do
  for _, value in ipairs(VALUES) do
    plain[#plain + 1] = case("set_headers", "{ [" .. key .. "] = " .. value .. " }")
    plain[#plain + 1] = case("set_headers", "{ [" .. key .. "] = { 'a', " .. value .. " } }")
  end
end

for _, call in ipairs {
  "exit:200, %s", "exit:500, %s", "exit:200, nil, %s", "exit:200, 'text', %s",
  "exit:200, { 1, %s }", "exit:200, { a = %s }", "exit:200, nil, { ['Content-Length'] = %s }",
  "exit:200, 'text', { a = %s }", "exit:200, {}, { ['Content-Type'] = %s }",
  "error:500, %s", "error:404, nil, %s", "error:404, 'text', %s", "error:404, { %s }",
  "error:404, 'text', { ['Content-Type'] = %s }", "error:404, %s, { ['Content-Type'] = 'text/x' }",
} do
  local name, arguments = call:match("(%a+):(.*)")
  for _, value in ipairs(VALUES) do
    ending[#ending + 1] = case(name, (arguments:gsub("%%s", (value:gsub("%%", "%%%%")))))
  end
end

for _, key in ipairs(KEYS) do
  for _, value in ipairs { "1", "'a'", "{}", "print", "throwing('__tostring', {})" } do
    local pair = "{ [" .. key .. "] = " .. value .. " }"
    for _, name in ipairs { "exit", "error" } do
      ending[#ending + 1] = case(name, "403, " .. pair)
      ending[#ending + 1] = case(name, "403, 'text', " .. pair)
    end
  end
end

-- A delayed response in ngx.ctx, which any code may change.
for _, value in ipairs(VALUES) do
  for _, field in ipairs { "status_code", "content", "headers" } do
    local source = ([[
      local ctx = ngx.ctx
      ctx.delay_response = true
      coroutine.wrap(response.exit)(200, "text", { a = "b" })
      ctx.delayed_response.FIELD = VALUE
      return ctx.delayed_response_callback(ctx)
    ]]):gsub("FIELD", field):gsub("VALUE", (value:gsub("%%", "%%%%")))
    ending[#ending + 1] = {
      source = "delayed " .. field .. " = " .. value,
      delayed = true,
      run = setfenv(assert(loadstring(source)), environment),
    }
  end
  ending[#ending + 1] = {
    source = "delayed callback(" .. value .. ")",
    delayed = true,
    run = setfenv(assert(loadstring([[
      local ctx = ngx.ctx
      ctx.delay_response = true
      coroutine.wrap(response.exit)(200, "text", { a = "b" })
      return ctx.delayed_response_callback(]] .. value .. [[)
    ]])), environment),
  }
end


local _M = { calls = 0, errors = 0, failures = {} }


local function fail(...)
  if #_M.failures < 20 then
    _M.failures[#_M.failures + 1] = table.concat({ ... })
  end
end


local function try(phase, one)
  _M.calls = _M.calls + 1
  local ok, err = pcall(one.run)
  if not ok then
    _M.errors = _M.errors + 1
    if type(err) ~= "string" then
      fail(phase, ": ", one.source, " raised a ", type(err))
    elseif err:find("panic", 1, true) then
      fail(phase, ": ", one.source, " raised ", err)
    end
  end
end


function _M.walk(phase, also_ending)
  for _, one in ipairs(plain) do
    try(phase, one)
  end
  if also_ending then
    for _, one in ipairs(ending) do
      if not one.delayed then
        try(phase, one)
      end
    end
  end
end


--- Runs the case of the request, if the request names this phase.
function _M.run(phase)
  if ngx.var.arg_phase == phase and not ngx.ctx.walked then
    ngx.ctx.walked = true
    try(phase, ending[tonumber(ngx.var.arg_case)])
  end
end


--- Sends a request for each case that may end one.
function _M.drive(phase, port)
  for i = 1, #ending do
    local sock = ngx.socket.tcp()
    sock:settimeout(5000)
    assert(sock:connect("127.0.0.1", port))
    assert(sock:send("GET /walk?phase=" .. phase .. "&case=" .. i .. " HTTP/1.0\r\n\r\n"))
    local answer, err = sock:receive("*a")
    sock:close()
    if not answer then
      fail(phase, ": ", ending[i].source, " left the client waiting: ", err)
    end
  end
end


--- Returns the number of calls of a function that fit on the stack.
local function depth_limit()
  local deepest = 0
  local function descend(depth)
    deepest = depth
    return descend(depth + 1) + 1
  end
  pcall(descend, 1)
  return deepest
end


--- Calls each function from every depth near the limit of the stack, and from some before.
function _M.overflow()
  local near = depth_limit() - NEAR_LIMIT
  for _, name in ipairs(FUNCTIONS) do
    for _, arguments in ipairs { "", "{}", "'a', {}", "200, { print }", "500, { { print } }" } do
      local one = case(name, arguments)
      local function descend(depth)
        if depth > near or depth % 64 == 0 then
          try("deep", one)
        end
        return descend(depth + 1) + 1
      end
      local ok, err = pcall(descend, 1)
      if ok or type(err) ~= "string" then
        fail("deep: ", one.source, " ended in a ", type(err))
      end
    end
  end
end


--- Raises errors with long texts.
function _M.raise()
  local long = ("x"):rep(20000)
  for _ = 1, 5000 do
    pcall(response.set_header, long, { print })
    pcall(response.set_headers, { [long] = print })
    pcall(response.exit, 200, nil, { [long] = print })
    pcall(response.exit, 200, { long, print })
    pcall(response.exit, 200, { [long] = { long, print } })
    pcall(response.error, 500, { long, print })
    pcall(response.set_status, long)
  end
  collectgarbage()
end


function _M.report()
  local text = _M.calls .. " calls, " .. _M.errors .. " errors"
    .. (#_M.failures > 0 and "\n" or "") .. table.concat(_M.failures, "\n")
  _M.calls, _M.errors, _M.failures = 0, 0, {}
  return text
end


return _M
