--- `make install` and `make uninstall`.

local trees = require "spec.support.trees"


local BUILT = trees.root .. "/build/lualib"

-- The list that `make install` leaves for `make uninstall` and for the next version.
local LIST = "kong/response/installed.txt"


--- The files below a folder, without the list.
local function installed(dir)
  local files = trees.files(dir)
  assert.is_string(files[LIST])
  files[LIST] = nil
  return files
end


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

  local function assert_nothing_is_left()
    assert.same({}, trees.files(dir))
    for folder in pairs(trees.folders(dir)) do
      assert.is_nil(folder:find("kong", 1, true), folder)
    end
  end

  it("copies every Lua file of the source, and the native part", function()
    local built = trees.files(BUILT)
    local sources = trees.files(trees.root .. "/lua")
    local native, version = trees.native(BUILT)
    assert.is_string(sources["kong/response.lua"])
    sources[native], sources[version] = built[native], built[version]
    local kit_native, kit_version = trees.native(BUILT, "testing/native")
    sources[kit_native], sources[kit_version] = built[kit_native], built[kit_version]
    assert.same(sources, built)
  end)

  it("omits the test kit with KIT=no, and removes an installed one", function()
    local lua = dir .. "/usr/local/share/lua/5.1"
    make("install DESTDIR=" .. dir)
    make("install KIT=no DESTDIR=" .. dir)
    local expected = {}
    for file, text in pairs(trees.files(BUILT)) do
      if not file:find("^kong/response/testing[./]") then
        expected[file] = text
      end
    end
    assert.same(expected, installed(lua))
    assert.equal("table", trees.run(("luajit -e 'package.path = \"%s/?.lua\""
      .. " package.cpath = \"%s/?.so\" io.write(type(require \"kong.response\"))'")
      :format(lua, lua)))
  end)

  it("installs to /usr/local/share/lua/5.1 in DESTDIR", function()
    make("install DESTDIR=" .. dir)
    assert.same(trees.files(BUILT), installed(dir .. "/usr/local/share/lua/5.1"))
    local expected = { usr = true, ["usr/local"] = true, ["usr/local/share"] = true,
                       ["usr/local/share/lua"] = true, ["usr/local/share/lua/5.1"] = true }
    for folder in pairs(trees.folders(BUILT)) do
      expected["usr/local/share/lua/5.1/" .. folder] = true
    end
    assert.same(expected, trees.folders(dir))
  end)

  it("installs to PREFIX", function()
    make("install PREFIX=" .. dir)
    assert.same(trees.files(BUILT), installed(dir .. "/share/lua/5.1"))
  end)

  it("installs to OpenResty's folder in DESTDIR", function()
    make("install DESTDIR=" .. dir .. " LUA_LIB_DIR=/usr/local/openresty/site/lualib")
    assert.same(trees.files(BUILT), installed(dir .. "/usr/local/openresty/site/lualib"))
  end)

  -- What make prints if it refuses these variables. It installs nothing, not even to DESTDIR.
  local function refusal(variables)
    local text = make("install DESTDIR=" .. dir .. " " .. variables .. " 2>&1 || true")
    assert.same({}, trees.files(dir))
    return text:match("%*%*%* (.-)  Stop%.")
  end

  it("refuses a relative folder, because nginx needs an absolute path", function()
    assert.equal('LUA_LIB_DIR must be an absolute path, got "build/lib".',
                 refusal "LUA_LIB_DIR=build/lib")
    assert.equal('LUA_CLIB_DIR must be an absolute path, got "~/so".',
                 refusal "LUA_CLIB_DIR='~/so'")
    assert.equal('LUA_LIB_DIR must be an absolute path, got "lua/share/lua/5.1".',
                 refusal "PREFIX=lua")
  end)

  it("refuses a misspelt name of a folder", function()
    for _, name in ipairs { "LUA_LIBDIR", "LUALIB_DIR", "LUALIB", "LIBDIR", "prefix" } do
      assert.equal("there is no variable " .. name .. ": use LUA_LIB_DIR, LUA_CLIB_DIR or PREFIX.",
                   refusal(name .. "=/nonexistent"))
    end
  end)

  it("does not refuse Lua's own variables, or those of the environment", function()
    make("install LUA_PATH=';;' DESTDIR=" .. dir)
    trees.run("LUA_LIBDIR=/nonexistent make --no-print-directory install DESTDIR=" .. dir)
    assert.same(trees.files(BUILT), installed(dir .. "/usr/local/share/lua/5.1"))
  end)

  it("puts the native part into LUA_CLIB_DIR", function()
    make("install LUA_LIB_DIR=" .. dir .. "/share LUA_CLIB_DIR=" .. dir .. "/lib")
    local lua, natives = {}, {}
    for file, text in pairs(trees.files(BUILT)) do
      local kind = (file:find("%.so$") or file:find("%.version$")) and natives or lua
      kind[file] = text
    end
    assert.same(natives, trees.files(dir .. "/lib"))
    assert.same(lua, installed(dir .. "/share"))
    assert.equal('403 {"message":"no coffee"}',
      trees.luajit(trees.IN_MEMORY, dir .. "/share", dir .. "/lib"))
  end)

  it("installs a library that works in LuaJIT and in nginx", function()
    make("install LUA_LIB_DIR=" .. dir)
    assert.equal('403 {"message":"no coffee"}', trees.luajit(trees.IN_MEMORY, dir))
    local response, files = trees.in_nginx(dir)
    assert.equal(404, response.status)
    assert.matches("^no coffee\nrequest_id: ", response.body)
    assert.equal(dir .. "/kong/response/instance.lua\n" .. dir .. "/" .. trees.native(dir) .. "\n",
                 files)
  end)

  describe("prints where the library is, and nginx's two paths", function()
    local function said(arguments)
      return make("install " .. arguments):match("(kong%.response is in .*)$")
    end

    it("by default, with DESTDIR in the first line only", function()
      assert.equal("kong.response is in " .. dir .. [[/usr/local/share/lua/5.1. For nginx:
  lua_package_path  "/usr/local/share/lua/5.1/?.lua;;";
  lua_package_cpath "/usr/local/share/lua/5.1/?.so;;";
]], said("DESTDIR=" .. dir))
    end)

    it("for two folders", function()
      local text = said("LUA_LIB_DIR=" .. dir .. "/share LUA_CLIB_DIR=" .. dir .. "/lib")
      local expected = [[
kong.response is in DIR/share, its native part in DIR/lib. For nginx:
  lua_package_path  "DIR/share/?.lua;;";
  lua_package_cpath "DIR/lib/?.so;;";
]]
      assert.equal((expected:gsub("DIR", dir)), text)
    end)

    it("but not for LuaRocks, which moves the files", function()
      assert.is_nil(said("QUIET=1 LUA_LIB_DIR=" .. dir))
    end)
  end)

  it("replaces an earlier installation", function()
    make("install LUA_LIB_DIR=" .. dir)
    trees.run("echo old > " .. dir .. "/kong/response.lua")
    make("install LUA_LIB_DIR=" .. dir)
    assert.same(trees.files(BUILT), installed(dir))
  end)

  it("does not write files that are the same", function()
    make("install LUA_LIB_DIR=" .. dir)
    local list = "cd " .. dir
      .. " && find . ! -name installed.txt -type f -printf '%p %i %C@\\n' | sort"
    local before = trees.run(list)
    make("install LUA_LIB_DIR=" .. dir)
    assert.equal(before, trees.run(list))
  end)

  it("makes files that all users can read, with any umask", function()
    trees.run("umask 077 && make install LUA_LIB_DIR=" .. dir .. "/a LUA_CLIB_DIR=" .. dir .. "/b")
    assert.equal("", trees.run("find " .. dir .. "/a " .. dir .. "/b -type f ! -perm 644"
      .. " -o -type d ! -perm 755"))
  end)

  it("removes the files of earlier versions in both folders", function()
    local folders = "LUA_LIB_DIR=" .. dir .. "/share LUA_CLIB_DIR=" .. dir .. "/lib"
    make("install " .. folders)
    -- version 0.1.0 left no list
    local lua, native = "kong/response/no_longer.lua", "kong/response/core-0.1.9-0123456789ab.so"
    trees.run("cd " .. dir .. " && touch share/" .. lua .. " lib/" .. native
      .. " lib/kong/response/core.so share/kong/response/shortcuts.lua")
    trees.run("printf '%s\\n' " .. lua .. " " .. native .. " >> " .. dir .. "/share/" .. LIST)
    make("install " .. folders)
    local files = installed(dir .. "/share")
    for path, sum in pairs(trees.files(dir .. "/lib")) do
      files[path] = sum
    end
    assert.same(trees.files(BUILT), files)
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
    assert_nothing_is_left()
  end)

  it("is undone by make uninstall of another version", function()
    make("install LUA_LIB_DIR=" .. dir)
    local lua, native = "kong/response/later/new.lua", "kong/response/core-9.9.9-0123456789ab.so"
    trees.run("cd " .. dir .. " && install -D /dev/null " .. lua .. " && touch " .. native)
    trees.run("printf '%s\\n' " .. lua .. " " .. native .. " >> " .. dir .. "/" .. LIST)
    make("uninstall LUA_LIB_DIR=" .. dir)
    assert_nothing_is_left()
  end)

  it("is undone for version 0.1.0, which left no list", function()
    trees.run("cp -r lua/. " .. dir .. " && touch " .. dir .. "/kong/response/core.so")
    make("uninstall LUA_LIB_DIR=" .. dir)
    assert_nothing_is_left()
  end)

  it("is undone without a change of other files", function()
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

  it("can be undone if nothing is installed", function()
    make("uninstall LUA_LIB_DIR=" .. dir .. "/nowhere")
    assert.same({}, trees.folders(dir))
  end)
end)
