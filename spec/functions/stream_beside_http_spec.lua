-- A process can have both of nginx's subsystems, so that the functions for HTTP requests are there
-- for a stream, too. Here they are a library that counts its calls.

local CALLS_ALL = [[
local ffi = require "ffi"
ffi.cdef "int calls_of_nginx;"
-- what nginx does before it runs Lua for a request
local request = ffi.new("char[64]")
require "thread.exdata"(ffi.cast("void *", request))

local function nothing() end
local session = { config = { subsystem = arg[1] }, ctx = {} }
ngx = setmetatable(session, { __index = function() return nothing end })
kong = { ctx = {} }

local response = require("kong.response.instance").new()
local pdk_response = require("kong.pdk.response").new({})
for _, functions in ipairs { response, pdk_response } do
  for _, name in ipairs {
    "get_status", "get_header", "get_headers", "get_source", "set_status", "set_header",
    "add_header", "clear_header", "set_headers", "get_raw_body", "set_raw_body", "exit", "error",
  } do
    for _, delay in ipairs { false, true } do
      session.ctx = { delay_response = delay, KONG_PHASE = 0x10000000 }
      local thread = coroutine.create(functions[name])
      coroutine.resume(thread, name == "exit" and 200 or "x", { "body" }, { ["X-A"] = "1" })
      if session.ctx.delayed_response_callback then
        pcall(session.ctx.delayed_response_callback, session.ctx)
      end
    end
  end
end
print(ffi.C.calls_of_nginx)
]]


describe("in a process that also has the functions for HTTP", function()
  local dir

  local function write(name, text)
    local file = assert(io.open(dir .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end

  setup(function()
    local pipe = io.popen("mktemp -d")
    dir = pipe:read("*l")
    pipe:close()

    local source = io.open("src/host/nginx/api.rs", "rb"):read("*a")
    local lines = {
      "int calls_of_nginx;",
    }
    for symbol in source:gmatch('c"(ngx_[%w_]+)"') do
      lines[#lines + 1] = "long " .. symbol .. "(void) { calls_of_nginx++; return 0; }"
    end
    assert.is_true(#lines > 10)
    write("nginx.c", table.concat(lines, "\n"))
    write("calls.lua", CALLS_ALL)
    local built = os.execute(("cc -shared -fPIC -o %s/nginx.so %s/nginx.c"):format(dir, dir))
    assert.equal(0, built)
  end)

  teardown(function()
    os.execute("rm -rf " .. dir)
  end)

  local function calls(subsystem)
    local pipe = io.popen(("LUA_PATH='%s;;' LUA_CPATH='%s;;' LD_PRELOAD=%s/nginx.so "
      .. "/usr/bin/luajit %s/calls.lua %s 2>&1"):format(package.path, package.cpath, dir, dir,
                                                        subsystem))
    local text = pipe:read("*a")
    pipe:close()
    return tonumber(text), text
  end

  it("an HTTP request uses the functions for HTTP", function()
    local count, text = calls "http"
    assert.is_true(count ~= nil and count > 13, text)
  end)

  it("a stream does not use the functions for HTTP", function()
    local count, text = calls "stream"
    assert.equal(0, count, text)
  end)
end)
