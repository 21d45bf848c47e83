--- Loading the library: what it exports, and where there is nothing for it to work on.

local nginx = require "spec.support.nginx"
local trees = require "spec.support.trees"


local NATIVE = nginx.lualib .. "/" .. trees.native(nginx.lualib)

local NAMES = {
  "add_header", "clear_header", "error", "exit", "get_header", "get_headers", "get_raw_body",
  "get_source", "get_status", "set_header", "set_headers", "set_raw_body", "set_status",
}

local NO_REQUEST = "kong.response has no request here: this process is not nginx with"
                   .. " lua-nginx-module"


--- The output of a new LuaJIT process, because some of these cases need another global `ngx`.
local function luajit(source)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(([[
    local lualib = %q
    package.path = lualib .. "/?.lua;" .. package.path
    package.cpath = lualib .. "/?.so;" .. package.cpath
  ]]):format(nginx.lualib), source)
  file:close()
  local pipe = assert(io.popen("/usr/bin/luajit " .. path .. " 2>&1"))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(path)
  return (output:gsub(path:gsub("%p", "%%%0"), "FILE"))
end


describe("the library", function()
  it("exports only luaopen_* and kong_response_*", function()
    local openers = {}
    local shown = trees.run("nm -D --defined-only '" .. NATIVE .. "'")
    for line in shown:gmatch("[^\n]+") do
      local symbol = line:match("%S+$")
      if symbol:find("^luaopen_") then
        openers[#openers + 1] = symbol
      else
        assert.matches("^kong_response_", symbol)
      end
    end
    assert.same({ "luaopen_kong_response_core" }, openers)
  end)

  it("needs no symbol that a process without nginx lacks", function()
    assert.equal("loaded", luajit(([[
      assert(package.loadlib(%q, "luaopen_kong_response_core"))
      io.write("loaded")
    ]]):format(NATIVE)))
  end)
end)


describe("without nginx, kong.response", function()
  it("has the thirteen functions and nothing else", function()
    local names = {}
    for name, value in pairs(require "kong.response") do
      assert.equal("function", type(value))
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same(NAMES, names)
  end)

  it("raises the same sentence from each, with the caller's line", function()
    local response = require "kong.response"
    for _, name in ipairs(NAMES) do
      assert.same({ false, NO_REQUEST }, { pcall(response[name]) })
      local source = "local response = ...\nresponse." .. name .. "(404)"
      local call = assert(loadstring(source, "=p.lua"))
      assert.same({ false, "p.lua:2: " .. NO_REQUEST }, { pcall(call, response) })
    end
  end)
end)


describe("an nginx whose lua-nginx-module lacks a symbol", function()
  it("gets an error string with the symbol and the version from require", function()
    local output = luajit [[
      ngx = { config = { subsystem = "http" } }
      local ok, err = pcall(require, "kong.response")
      io.write(tostring(ok), " ", type(err), " ", tostring(err))
    ]]
    assert.equal("false string kong.response needs lua-nginx-module 0.10.23 or later: symbol"
      .. " ngx_http_lua_ffi_get_resp_status not found", output)
  end)
end)


describe("a LuaJIT that does not count the keys of a table", function()
  it("writes long arrays", function()
    local source = [==[
      local values, items = { {}, {}, {}, {} }, {}
      for i = 1, 20 do
        values[1][i], values[2][i], values[3][i], values[4][i] = i, { i }, i, { i }
        items[i] = tostring(i)
      end
      values[3][12], values[4].x = nil, 1
      local body = require("kong.response.testing").run { plugin = { access = function()
        kong.response.exit(200, values)
      end } }.body
      local all = table.concat(items, ",")
      local expected = "[[" .. all .. "],[[" .. table.concat(items, "],[") .. "]],["
                       .. all:gsub(",12,", ",null,") .. "],"
      io.write(body:sub(1, #expected) == expected and "as expected" or body)
      for _, field in ipairs { '"x":1', '"20":[20]' } do
        io.write(body:find(field, 1, true) and "" or ", without " .. field)
      end
    ]==]
    local without = 'package.preload["table.nkeys"] = function() error "not here" end '
    assert.equal("as expected", luajit(source))
    assert.equal("as expected", luajit(without .. source))
  end)
end)
