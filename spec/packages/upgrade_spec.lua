--- Installing and reloading under a running nginx, while clients ask it all the time.

local load = require "spec.support.load"
local nginx = require "spec.support.nginx"
local trees = require "spec.support.trees"


local BUILT = trees.root .. "/build/lualib"
local VERSION = require("kong.response.instance")._VERSION

-- Another version: the same source and the same native files with another number of equal length.
local OTHER = VERSION:gsub("%d", "9")
local OTHER_ROOT = trees.root .. "/target/other-version"
local OTHER_BUILT = OTHER_ROOT .. "/build/lualib"

local PATHS = { "/exit", "/body", "/new" }

local LOCATIONS = [[
  location = /exit {
    access_by_lua_block { kong.response.exit(200, says()) }
  }
  location = /body {
    header_filter_by_lua_block {
      kong.response.clear_header("Content-Length")
      kong.response.set_header("X-Says", says())
    }
    body_filter_by_lua_block {
      if kong.response.get_raw_body() == "from the upstream" then
        kong.response.set_raw_body(kong.response.get_header("X-Says"))
      end
    }
    proxy_pass http://127.0.0.1:%{upstream_port};
  }
  # A worker loads parts of the library again that it has loaded before.
  location = /new {
    access_by_lua_block { instance.new().exit(200, says()) }
  }
]]

local SERVERS = [[
  server {
    listen 127.0.0.1:%{upstream_port};
    location / { return 200 "from the upstream"; }
  }
]]

local INIT = [[
  instance = require "kong.response.instance"
  kong = { response = require "kong.response" }
  function says()
    return instance._VERSION .. " " .. instance._NATIVE_VERSION .. " " .. ngx.worker.pid()
           .. (require("kong.response.core").order_fault and " faults" or " release")
  end
]]


-- `make build` takes the native files that are there: nothing is compiled.
local QUICKLY = "CARGO=true CARGO_TARGET_DIR=" .. OTHER_ROOT .. "/target "


local function build_other()
  trees.run("rm -rf " .. OTHER_ROOT .. " && mkdir -p " .. OTHER_ROOT .. " && cp -a Makefile"
    .. " Cargo.toml Cargo.lock build.rs src testing lua ci types kong-response-dev-1.rockspec "
    .. OTHER_ROOT)
  trees.run("cd " .. OTHER_ROOT
    .. " && sed -i '/^name = \"kong-response\"/{n;s/\".*\"/\"" .. OTHER .. "\"/}'"
    .. " Cargo.toml Cargo.lock && sed -i '/^local VERSION = /s/\".*\"/\"" .. OTHER .. "\"/'"
    .. " lua/kong/response/native.lua")
  for from, to in pairs {
    [trees.native(BUILT)] = "target/release/libkong_response.so",
    [trees.native(BUILT, "testing/native")] = "target/kit/release/libkong_response_testing.so",
  } do
    trees.run(("mkdir -p $(dirname %s/%s) && sed 's/%s/%s/g' %s/%s > %s/%s"):format(OTHER_ROOT, to,
      VERSION:gsub("%.", "\\."), OTHER, BUILT, from, OTHER_ROOT, to))
  end
  trees.run("cd " .. OTHER_ROOT .. " && " .. QUICKLY .. "make build")
end


--- Installs the files of a built folder, like `make install`.
local function install(built, dir)
  trees.run("QUIET=1 LUALIB=" .. built .. " ci/install-lualib.sh " .. dir)
end


-- Each tool installs the build of a root, and removes it.
local TOOLS = {
  make = {
    install = function(root, dir, environment)
      trees.run("cd " .. root .. " && " .. environment .. "make install LUA_LIB_DIR=" .. dir)
    end,
    uninstall = function(dir)
      trees.run("make uninstall LUA_LIB_DIR=" .. dir)
    end,
    lua = "",
    native = "",
    left = {},
  },
  luarocks = {
    install = function(root, dir, environment)
      trees.run("cd " .. root .. " && " .. environment
        .. "luarocks --lua-version=5.1 --only-server=/nonexistent --tree=" .. dir .. " make"
        .. " kong-response-dev-1.rockspec")
    end,
    uninstall = function(dir)
      trees.run("luarocks --lua-version=5.1 --tree=" .. dir .. " remove kong-response")
    end,
    lua = "/share/lua/5.1",
    native = "/lib/lua/5.1",
    left = { ["lib/luarocks/rocks-5.1/manifest"] = true },
  },
}


describe("under load,", function()
  local dir, server, clients

  setup(build_other)

  before_each(function()
    dir = trees.temporary()
  end)

  after_each(function()
    clients:stop()
    local log = server:log()
    local failed = {}
    for answer in pairs(clients:seen()) do
      if not answer:find("^200 %d") then
        failed[#failed + 1] = answer
      end
    end
    trees.remove(dir)
    server:stop() -- raises when a worker had crashed
    assert.same({}, failed)
    assert.not_matches("%[alert%]", log)
  end)

  local function start(lua_dir, clib_dir)
    server = nginx.start {
      workers = 2,
      init = INIT,
      locations = LOCATIONS,
      servers = SERVERS,
      lua_dir = lua_dir,
      clib_dir = clib_dir,
    }
    clients = load.start(server, PATHS)
  end

  --- Checks that each current worker answers with the version, and that no other worker answers.
  local function assert_serves(version, build)
    local expected = {}
    for _, pid in ipairs(server:worker_pids()) do
      expected[("200 %s %s %d %s"):format(version, version, pid, build or "release")] = true
    end
    assert.same(expected, clients:wait(100))
  end

  --- nginx does not take its new configuration, and the workers of now go on.
  local function assert_refuses_to_reload(message)
    local pids = server:worker_pids()
    server:clear_log()
    assert.is_false(server:reload(0))
    assert.equal(message, server:wait_log("init_by_lua_file error: ([^\n]+)"))
    assert_serves(VERSION)
    assert.same(pids, server:worker_pids())
  end

  for name, tool in pairs(TOOLS) do
    it(name .. " installs another version and removes it again, with reloads", function()
      tool.install(trees.root, dir, "")
      start(dir .. tool.lua, dir .. tool.native)
      local pids = server:worker_pids()
      assert_serves(VERSION)

      tool.install(trees.root, dir, "")
      assert_serves(VERSION)
      tool.install(OTHER_ROOT, dir, QUICKLY)
      assert_serves(VERSION)
      assert.same(pids, server:worker_pids())
      assert.is_true(server:reload())
      assert_serves(OTHER)

      tool.install(trees.root, dir, "")
      assert_serves(OTHER)
      assert.is_true(server:reload())
      assert_serves(VERSION)

      tool.uninstall(dir)
      assert_serves(VERSION)
      for file in pairs(trees.files(dir)) do
        assert.is_true(tool.left[file], file)
      end
      for folder in pairs(trees.folders(dir)) do
        assert.is_nil(folder:find("kong", 1, true), folder)
      end
      assert_refuses_to_reload(server.dir
        .. "/init.lua:1: module 'kong.response.instance' not found:")
    end)
  end

  it("a reload loads another build of the same version", function()
    install(BUILT, dir)
    start(dir)
    assert_serves(VERSION)
    trees.run("cp -r lua " .. dir .. "/rebuilt && cp -r build/faults/. " .. dir .. "/rebuilt/")
    install(dir .. "/rebuilt", dir)
    assert_serves(VERSION)
    assert.is_true(server:reload())
    assert_serves(VERSION, "faults")
  end)

  it("a reload refuses a native part of another version", function()
    install(BUILT, dir)
    start(dir)
    trees.run("cd " .. OTHER_BUILT .. "/kong/response && cp core-* core.version " .. dir
      .. "/kong/response/")
    assert_refuses_to_reload(("kong.response: the version of the Lua files is %s and the version of"
      .. " the native part %s is %s: install one version, and name its folder in both"
      .. " lua_package_path and lua_package_cpath"):format(VERSION, dir .. "/"
      .. trees.native(OTHER_BUILT), OTHER))
    install(BUILT, dir)
    assert.is_true(server:reload())
    assert_serves(VERSION)
  end)
end)


describe("require", function()
  local dir

  before_each(function()
    dir = trees.temporary()
  end)

  after_each(function()
    trees.remove(dir)
  end)

  local function said(clib_dir)
    return trees.luajit("io.write(select(2, pcall(require, 'kong.response')))", BUILT, clib_dir)
  end

  it("refuses the native part of version 0.1.0, which has another name and no version", function()
    trees.run("mkdir -p " .. dir .. "/kong/response"
      .. " && echo 'void lua_createtable(void *, int, int);"
      .. " int luaopen_kong_response_core(void *L) { lua_createtable(L, 0, 0); return 1; }'"
      .. " | cc -shared -fPIC -x c -o " .. dir .. "/kong/response/core.so -")
    assert.equal(("kong.response: the version of the Lua files is %s and the version of the native"
      .. " part %s/kong/response/core.so is 0.1.0: install one version, and name its folder in both"
      .. " lua_package_path and lua_package_cpath"):format(VERSION, dir), said(dir))
  end)

  it("names the paths of the native part", function()
    assert.equal(("kong.response %s does not find its native part kong.response.core in"
      .. " package.cpath (lua_package_cpath in nginx)\n\tno file '%s/kong/response/core.version'"
      .. "\n\tno file '%s/kong/response/core.so'"):format(VERSION, dir, dir), said(dir))
  end)

  it("names the native file that is missing", function()
    local _, version = trees.native(BUILT)
    trees.run("install -D " .. BUILT .. "/" .. version .. " " .. dir .. "/" .. version)
    local file = dir .. "/" .. trees.native(dir)
    assert.equal(("kong.response %s cannot load its native part: %s: cannot open shared object"
      .. " file: No such file or directory"):format(VERSION, file), said(dir))
  end)

  it("finds the native part in any template of package.cpath, the first one first", function()
    assert.equal(BUILT .. "/" .. trees.native(BUILT), trees.luajit([[
      package.cpath = "/nowhere/?.dll;/nowhere/loadall.so;]] .. dir .. "/?.so;" .. BUILT
      .. "/?.so;" .. trees.root .. [[/build/faults/?.so"
      io.write(require("kong.response.core").path)
    ]], BUILT, dir))
  end)
end)
