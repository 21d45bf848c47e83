--- The rockspecs, with LuaRocks itself and no network.

local trees = require "spec.support.trees"


local BUILT = trees.root .. "/build/lualib"

local ROCKSPECS = {
  ["dev-1"] = "kong-response-dev-1.rockspec",
  ["0.2.0-1"] = "rockspecs/kong-response-0.2.0-1.rockspec",
}

-- No server is asked for anything.
local LUAROCKS = "luarocks --lua-version=5.1 --only-server=/nonexistent"


local function read(path)
  local rockspec = {}
  local chunk = assert(loadfile(trees.root .. "/" .. path))
  setfenv(chunk, rockspec)()
  return rockspec
end


for version, path in pairs(ROCKSPECS) do
  describe(path, function()
    local tree, rock

    setup(function()
      tree = trees.temporary()
      rock = tree .. "/lib/luarocks/rocks-5.1/kong-response/" .. version
      trees.run(LUAROCKS .. " --tree=" .. tree .. " make " .. path)
    end)

    teardown(function()
      trees.remove(tree)
    end)

    it("is a valid rockspec for LuaRocks", function()
      trees.run(LUAROCKS .. " lint " .. path)
      assert.equal(version, read(path).version)
    end)

    it("installs the files of make install", function()
      local installed = trees.files(tree .. "/share/lua/5.1")
      for file, sum in pairs(trees.files(tree .. "/lib/lua/5.1")) do
        assert.is_nil(installed[file])
        installed[file] = sum
      end
      assert.same(trees.files(BUILT), installed)
    end)

    it("installs the types", function()
      assert.same(trees.files(trees.root .. "/types"), trees.files(rock .. "/types"))
    end)

    it("works in LuaJIT, on the paths that LuaRocks names", function()
      assert.equal('403 {"message":"no coffee"}',
        trees.luajit(trees.IN_MEMORY, tree .. "/share/lua/5.1", tree .. "/lib/lua/5.1"))
      local paths = trees.run(LUAROCKS .. " --tree=" .. tree .. " path")
      assert.matches(tree .. "/share/lua/5.1/?.lua", paths, 1, true)
      assert.matches(tree .. "/lib/lua/5.1/?.so", paths, 1, true)
    end)

    it("works in nginx", function()
      local response, files = trees.in_nginx(tree .. "/share/lua/5.1", tree .. "/lib/lua/5.1")
      assert.equal(404, response.status)
      assert.matches("^no coffee\nrequest_id: ", response.body)
      assert.equal(tree .. "/share/lua/5.1/kong/response/instance.lua\n"
        .. tree .. "/lib/lua/5.1/" .. trees.native(tree .. "/lib/lua/5.1") .. "\n", files)
    end)

    it("is removed by luarocks remove", function()
      trees.run(LUAROCKS .. " --tree=" .. tree .. " remove kong-response")
      local left = trees.files(tree)
      -- LuaRocks' list of the rocks in the tree.
      left["lib/luarocks/rocks-5.1/manifest"] = nil
      assert.same({}, left)
      for folder in pairs(trees.folders(tree)) do
        assert.is_nil(folder:find("kong", 1, true), folder)
      end
    end)
  end)
end


describe("the rockspecs", function()
  it("build in the same way", function()
    assert.same(read(ROCKSPECS["dev-1"]).build, read(ROCKSPECS["0.2.0-1"]).build)
    assert.same(read(ROCKSPECS["dev-1"]).description, read(ROCKSPECS["0.2.0-1"]).description)
  end)

  it("include one for the version of the crate and of the Lua files", function()
    local version = trees.run("cat Cargo.toml"):match('\nversion = "([^"]+)"')
    assert.equal(version .. "\n", trees.run("ci/version.sh"))
    assert.equal(version, require("kong.response.instance")._VERSION)
    assert.equal(version, require("kong.response.instance")._NATIVE_VERSION)
    assert.matches("^" .. version:gsub("%.", "%%.") .. "%-%x+\n$",
      trees.run("cat " .. BUILT .. "/kong/response/core.version"))
    local path = "rockspecs/kong-response-" .. version .. "-1.rockspec"
    local rockspec = read(path)
    assert.equal(version .. "-1", rockspec.version)
    assert.equal("file://kong-response-" .. version .. "-src.tar.gz", rockspec.source.url)
    assert.equal("kong-response-" .. version, rockspec.source.dir)
  end)
end)
