--- `make install` and `make uninstall`.

local trees = require "spec.support.trees"


local BUILT = trees.root .. "/build/lualib"


describe("make install", function()
  local dir

  before_each(function()
    dir = trees.temporary()
  end)

  after_each(function()
    trees.remove(dir)
  end)

  local function make(arguments)
    return trees.run("make --no-print-directory " .. arguments)
  end

  it("copies every Lua file of the source, and the native part", function()
    local built = trees.files(BUILT)
    local sources = trees.files(trees.root .. "/lua")
    assert.is_string(built["kong/response/core.so"])
    assert.is_string(sources["kong/response.lua"])
    sources["kong/response/core.so"] = built["kong/response/core.so"]
    assert.same(sources, built)
  end)

  it("goes to /usr/local/share/lua/5.1, below DESTDIR", function()
    make("install DESTDIR=" .. dir)
    assert.same(trees.files(BUILT), trees.files(dir .. "/usr/local/share/lua/5.1"))
    assert.same({ usr = true, ["usr/local"] = true, ["usr/local/share"] = true,
                  ["usr/local/share/lua"] = true, ["usr/local/share/lua/5.1"] = true,
                  ["usr/local/share/lua/5.1/kong"] = true,
                  ["usr/local/share/lua/5.1/kong/pdk"] = true,
                  ["usr/local/share/lua/5.1/kong/response"] = true,
                  ["usr/local/share/lua/5.1/kong/response/testing"] = true },
                trees.folders(dir))
  end)

  it("goes below PREFIX", function()
    make("install PREFIX=" .. dir)
    assert.same(trees.files(BUILT), trees.files(dir .. "/share/lua/5.1"))
  end)

  it("goes to OpenResty's folder, with DESTDIR in front", function()
    make("install DESTDIR=" .. dir .. " LUA_LIB_DIR=/usr/local/openresty/site/lualib")
    assert.same(trees.files(BUILT), trees.files(dir .. "/usr/local/openresty/site/lualib"))
  end)

  it("goes to a relative LUA_LIB_DIR", function()
    local relative = "build/installed." .. dir:match("[^/]+$")
    make("install LUA_LIB_DIR=" .. relative)
    local installed = trees.files(trees.root .. "/" .. relative)
    trees.remove(trees.root .. "/" .. relative)
    assert.same(trees.files(BUILT), installed)
  end)

  it("puts the native part into LUA_CLIB_DIR", function()
    make("install LUA_LIB_DIR=" .. dir .. "/share LUA_CLIB_DIR=" .. dir .. "/lib")
    local expected = trees.files(BUILT)
    assert.same({ ["kong/response/core.so"] = expected["kong/response/core.so"] },
      trees.files(dir .. "/lib"))
    expected["kong/response/core.so"] = nil
    assert.same(expected, trees.files(dir .. "/share"))
    assert.equal('403 {"message":"no coffee"}',
      trees.luajit(trees.IN_MEMORY, dir .. "/share", dir .. "/lib"))
  end)

  it("leaves what works where it is, in LuaJIT and in nginx", function()
    make("install LUA_LIB_DIR=" .. dir)
    assert.equal('403 {"message":"no coffee"}', trees.luajit(trees.IN_MEMORY, dir))
    local response, files = trees.in_nginx(dir)
    assert.equal(404, response.status)
    assert.matches("^no coffee\nrequest_id: ", response.body)
    assert.equal(dir .. "/kong/response/instance.lua\n" .. dir .. "/kong/response/core.so\n", files)
  end)

  describe("says where the library is, and nginx's two paths", function()
    local function said(arguments)
      return make("install " .. arguments):match("(kong%.response is in .*)$")
    end

    it("by default, with DESTDIR in the first line only", function()
      assert.equal("kong.response is in " .. dir .. [[/usr/local/share/lua/5.1. For nginx:
  lua_package_path  "/usr/local/share/lua/5.1/?.lua;;";
  lua_package_cpath "/usr/local/share/lua/5.1/?.so;;";
]], said("DESTDIR=" .. dir))
    end)

    it("where there are two folders", function()
      local text = said("LUA_LIB_DIR=" .. dir .. "/share LUA_CLIB_DIR=" .. dir .. "/lib")
      local expected = [[
kong.response is in DIR/share, its native part in DIR/lib. For nginx:
  lua_package_path  "DIR/share/?.lua;;";
  lua_package_cpath "DIR/lib/?.so;;";
]]
      assert.equal((expected:gsub("DIR", dir)), text)
    end)

    it("but not to LuaRocks, which moves what was installed", function()
      assert.is_nil(said("QUIET=1 LUA_LIB_DIR=" .. dir))
    end)
  end)

  it("replaces what was there, as often as one likes", function()
    make("install LUA_LIB_DIR=" .. dir)
    trees.run("echo old > " .. dir .. "/kong/response.lua")
    make("install LUA_LIB_DIR=" .. dir)
    assert.same(trees.files(BUILT), trees.files(dir))
  end)

  it("is undone by make uninstall", function()
    for _, where in ipairs {
      "PREFIX=" .. dir .. "/a",
      "LUA_LIB_DIR=" .. dir .. "/b",
      "DESTDIR=" .. dir .. "/c",
      "LUA_LIB_DIR=" .. dir .. "/d LUA_CLIB_DIR=" .. dir .. "/e",
    } do
      make("install " .. where)
      make("uninstall " .. where)
    end
    assert.same({}, trees.files(dir))
    for folder in pairs(trees.folders(dir)) do
      assert.is_nil(folder:find("kong", 1, true), folder)
    end
  end)

  it("is undone without touching what others have put there", function()
    local others = { "kong/response/mine.lua", "kong/pdk/init.lua", "resty/core.lua" }
    make("install LUA_LIB_DIR=" .. dir)
    for _, path in ipairs(others) do
      trees.run("install -D /dev/null " .. dir .. "/" .. path)
    end
    make("uninstall LUA_LIB_DIR=" .. dir)
    local left = {}
    for path in pairs(trees.files(dir)) do
      left[#left + 1] = path
    end
    table.sort(left)
    table.sort(others)
    assert.same(others, left)
  end)

  it("may be undone where nothing is installed", function()
    make("uninstall LUA_LIB_DIR=" .. dir .. "/nowhere")
    assert.same({}, trees.folders(dir))
  end)
end)
