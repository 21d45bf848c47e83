-- If the JIT is on, the small functions have fast paths over LuaJIT's FFI. They must have the same
-- results as the native functions.

local stages = require "spec.support.stages"


local CALLS = [[
  "get_status()", "get_header('x-a')", "get_header('X-Many')", "get_header('x_a')",
  "get_header('Last-Modified')", "get_header('Connection')", "get_header('')", "get_header('no')",
  "get_header()", "get_header(1)", "get_header({})", "get_source()", "get_source({})",
  "get_source({ KONG_EXITED = true })", "get_source(1)",
  "set_status(201)", "set_status(201.9)", "set_status(99)", "set_status(600)", "set_status('200')",
  "set_status(0/0)", "set_status()",
  "set_header('x-b', 'b')", "set_header('x-b', '')", "set_header('', '')",
  "set_header('X-\\r\\n', 'a\\r\\nb')",
  "set_header('x-c', 3)", "set_header('x-c', true)", "set_header('x-c', { 'a', 'b' })",
  "set_header('x-c', {})", "set_header('x-c')", "set_header(1, 'a')", "set_header('x-c', print)",
  "set_header('Content-Length', 'abc')", "set_header('Transfer-Encoding', 'chunked')",
  "set_header('Location', '/a')", "add_header('location', '/b')", "add_header('X-Many', 'three')",
  "add_header('x-d', '')", "add_header('Content-Length', '-1')",
  "add_header('transfer_encoding', 'a')",
  "add_header({}, 'a')", "add_header('x-d', { 'a', 1 })",
  "set_headers({ ['x-f'] = 'f', ['X-E'] = '', x_g = 'g', ['X-G'] = 'G', Location = '/c' })",
  "set_headers({ ['x-f'] = { 'a', 'b' }, ['x-e'] = 5 })", "set_headers({})", "set_headers()",
  "set_headers({ ['x-f'] = 'h', ['Content-Length'] = '1x' })", "set_headers({ 'a' })",
  "set_headers({ ['x-f'] = 'i', ['Transfer-Encoding'] = 'chunked' })", "set_headers(many)",
  "set_headers(setmetatable({ ['x-f'] = 'j' }, { __index = error, __pairs = error }))",
  "clear_header('x-many')", "clear_header('none')", "clear_header('')", "clear_header()",
  "clear_header(1)", "clear_header('Server')",
]]

-- Changes of a plugin or a gateway to the values that the functions read.
local SURROUNDINGS = {
  ["nothing"] = "",
  ["a gateway without a phase"] = "kong = { ctx = {} }",
  ["a gateway, header_filter"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 0x200",
  ["a gateway, access"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 0x20",
  ["a gateway, two phases"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 0x220",
  ["a gateway, every phase"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 0xffffffff",
  ["a phase that is no whole number"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 512.5",
  ["a phase of more than 32 bits"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 2^40 + 0x200",
  ["a negative phase"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = -1",
  ["a phase that is NaN"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = 0/0",
  ["a phase that is a string"] = "kong = { ctx = {} } ngx.ctx.KONG_PHASE = '512'",
  ["a phase in a metatable"] =
    "kong = { ctx = {} } setmetatable(ngx.ctx, { __index = { KONG_PHASE = 0x200 } })",
  ["flags in a metatable"] = "setmetatable(ngx.ctx, { __index = { KONG_EXITED = true } })",
  ["flags in a metatable that raises an error"] =
    "setmetatable(ngx.ctx, { __index = function() error({}) end })",
  ["another ngx.ctx"] = "kong = { ctx = {} } ngx.ctx = { KONG_PHASE = 0x200, KONG_PROXIED = true }",
  ["a field ngx.ctx"] =
    "kong = { ctx = {} } rawset(ngx, 'ctx', { KONG_PHASE = 0x200, KONG_PROXIED = true })",
  ["a field ngx.ctx that is no table"] = "kong = { ctx = {} } rawset(ngx, 'ctx', 5)",
  ["kong is a number"] = "kong = 5",
  ["kong is false"] = "kong = false",
  ["kong.ctx is false"] = "kong = { ctx = false }",
  ["kong.ctx from a function __index"] =
    "kong = setmetatable({}, { __index = function() return 1 end })",
  ["kong.ctx from a table __index"] =
    "kong = setmetatable({}, { __index = { ctx = {} } }) ngx.ctx.KONG_PHASE = 0x200",
  ["kong has a metatable"] = "kong = setmetatable({}, {})",
  ["kong from the globals' __index"] =
    "debug.setmetatable(_G, { __index = { kong = { ctx = {} } } })",
  ["globals guarded against reading"] =
    "debug.setmetatable(_G, { __index = function() error({}) end })",
}


-- Makes every call in these surroundings, often enough to be compiled, and notes what the last one
-- says.
local CODE = [==[
  if ngx.ctx.done then
    return
  end
  ngx.ctx.done = true
  many = {}
  for i = 1, 40 do
    many["X-" .. i] = "of many"
  end
  ngx.header["X-A"], ngx.header["X-Many"] = "a", { "one", "two" }
  ngx.header["Last-Modified"] = "Thu, 18 Nov 2010 11:27:35 GMT"
  local calls = {}
  for i, call in ipairs { %s } do
    calls[i] = assert(loadstring("local response = ... for i = 1, 80 do local a, b = response."
      .. call .. " if i == 80 then return a, b end end", "=call"))
  end

  -- Locals for the globals, because the surroundings may make globals unreadable.
  local debug, globals, ipairs, loadstring, ngx, note, pcall, rawset, response, setfenv, tostring =
    debug, _G, ipairs, loadstring, ngx, note, pcall, rawset, response, setfenv, tostring
  local metatable = debug.getmetatable(globals)
  setfenv(loadstring(%q), setmetatable({}, {
    __index = globals,
    __newindex = function(_, name, value)
      rawset(globals, name, value)
    end,
  }))()
  local notes = {}
  for i, call in ipairs(calls) do
    notes[i] = { pcall(call, response) }
  end
  debug.setmetatable(globals, metatable)
  rawset(globals, "kong", nil)
  rawset(ngx, "ctx", nil)

  note(debug.getinfo(response.get_header).what)
  for _, said in ipairs(notes) do
    local text = tostring(said[1]) .. " " .. tostring(said[2]) .. " " .. tostring(said[3])
    note((text:gsub("table: 0x%%x+", "table")))
  end
]==]


describe("the functions with the JIT on and off", function()
  local servers = {}

  setup(function()
    for _, jit_mode in ipairs { "on", "off" } do
      servers[jit_mode] = stages.start({
        init = "jit." .. jit_mode .. "() require 'kong.response'",
      })
    end
  end)

  teardown(function()
    for _, server in pairs(servers) do
      server:stop()
    end
  end)

  local function play(jit_mode, surroundings)
    local server = servers[jit_mode]
    server:clear_log()
    local r = server:run {
      path = "/",
      header_filter = CODE:format(CALLS, SURROUNDINGS[surroundings]),
    }
    local warnings = select(2, server:log():gsub("manually setting Transfer%-Encoding", ""))
    return {
      kind = table.remove(r.notes, 1),
      notes = r.notes,
      warnings = warnings,
      head = (r.head or ""):gsub("Date:[^\n]*\n", ""),
      status = r.status,
    }
  end

  it("are compiled or native, as the mode needs", function()
    assert.equal("Lua", play("on", "nothing").kind)
    assert.equal("C", play("off", "nothing").kind)
  end)

  for surroundings in pairs(SURROUNDINGS) do
    it("return the same results: " .. surroundings, function()
      local with, without = play("on", surroundings), play("off", surroundings)
      with.kind, without.kind = nil, nil
      assert.is_true(#with.notes > 40)
      assert.same(without, with)
    end)
  end
end)
