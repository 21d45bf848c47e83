--- The package of `make dist`, unpacked. `make dist-test` runs this, and then the other specs over
-- the same files.

local documents = require "spec.support.documents"
local followed = require "spec.support.followed"
local trees = require "spec.support.trees"


local DIST = os.getenv("DIST")
local VERSION = os.getenv("DIST_VERSION")
local LUALIB = os.getenv("LUALIB")

local NAME = "kong-response-" .. VERSION .. "-x86_64-linux-gnu"
local SOURCE = "kong-response-" .. VERSION .. "-src"


describe("the package", function()
  local dir = LUALIB:match("^(.*)/lualib$")
  local native, current = trees.native(LUALIB)
  local core = LUALIB .. "/" .. native

  it("has only the library, the types and the documents", function()
    local files = trees.files(dir)
    local others = {}
    for path in pairs(files) do
      local folder = path:match("^[^/]+/") or path
      others[folder] = true
    end
    assert.same({ ["lualib/"] = true, ["types/"] = true, ["licenses/"] = true,
                  ["site/"] = true, ["examples/"] = true, ["template/"] = true,
                  ["README.md"] = true,
                  ["CHANGELOG.md"] = true, LICENSE = true, SHA256SUMS = true,
                  ["install.sh"] = true }, others)
    trees.run("cmp LICENSE " .. dir .. "/LICENSE")
  end)

  it("has its own README, which names its files and the site", function()
    local text = documents.text(dir .. "/README.md")
    local _, lines = text:gsub("\n", "")
    assert.is_true(lines <= 40)
    assert.matches("^# kong.response " .. VERSION:gsub("%.", "%%.") .. "\n", text)
    assert.matches("for Linux on x86_64 with glibc", text, 1, true)
    assert.is_nil(text:find("make ", 1, true))
    for _, name in ipairs { "site/index.html", "lualib/", "types/", "examples/", "template/",
                            "licenses/", "SHA256SUMS", "LICENSE", "CHANGELOG.md" } do
      assert.matches("`" .. name .. "`", text, 1, true)
      trees.run("test -e " .. dir .. "/" .. name)
    end
    local site = trees.files(dir .. "/site")
    for _, page in ipairs { "index.html", "docs/install.html", "docs/functions/exit.html" } do
      assert.is_string(site[page], page)
    end
  end)

  it("has the licences of the linked libraries", function()
    local crates = {}
    for path in pairs(trees.files(dir .. "/licenses")) do
      crates[path:match("^(.-)%-%d+%.%d+%.%d+[^/]*/") or path:match("^[^/]+")] = true
    end
    for _, name in ipairs { "bytes", "http", "itoa", "libc", "mlua", "mlua-sys", "serde_json" } do
      assert.is_true(crates[name], name)
    end
    -- PCRE2's licence is only at the top of its sources.
    local of_pcre2 = trees.run("cat " .. dir .. "/licenses/pcre2-sys-*/NOTICE-C-sources")
    assert.matches("University of Cambridge", of_pcre2, 1, true)
    assert.matches("Redistributions in binary form must reproduce", of_pcre2, 1, true)
  end)

  it("has the Lua files of the source and the two native files", function()
    local expected = trees.files(trees.root .. "/lua")
    local files = trees.files(LUALIB)
    for _, path in ipairs { native, current, trees.native(LUALIB, "testing/native") } do
      assert.is_string(files[path], path)
      expected[path] = files[path]
    end
    assert.same(expected, files)
    assert.same(trees.files(trees.root .. "/types"), trees.files(dir .. "/types"))
  end)

  it("has checksums of every file", function()
    trees.run("cd " .. dir .. " && sha256sum --check --strict --quiet SHA256SUMS")
    local listed = {}
    for sum, path in io.open(dir .. "/SHA256SUMS"):read("*a"):gmatch("(%x+)  ([^\n]+)\n") do
      listed[path] = sum
    end
    local files = trees.files(dir)
    files.SHA256SUMS = nil
    assert.same(files, listed)
  end)

  it("has checksums beside the tarballs", function()
    for _, name in ipairs { NAME, SOURCE } do
      trees.run("cd " .. DIST .. " && sha256sum --check --strict --quiet " .. name
        .. ".tar.gz.sha256")
    end
  end)

  it("is stripped", function()
    assert.matches("no symbols", trees.run("nm " .. core), 1, true)
    assert.equal("", trees.run("readelf -S --wide " .. core .. " | grep debug || true"))
  end)

  it("needs only glibc 2.17 and the unwinder of the process", function()
    local newest = trees.run("objdump -T " .. core
      .. " | grep -o 'GLIBC_[0-9.]*' | sed s/GLIBC_// | sort -V | tail -1")
    local major, minor = newest:match("^(%d+)%.(%d+)")
    assert.equal("2", major)
    assert.is_true(tonumber(minor) <= 17, newest)
    local needed = {}
    for name in trees.run("objdump -p " .. core):gmatch("NEEDED%s+(%S+)") do
      needed[name] = true
    end
    assert.same({ ["libgcc_s.so.1"] = true, ["libc.so.6"] = true, ["libdl.so.2"] = true,
                  ["libpthread.so.0"] = true, ["ld-linux-x86-64.so.2"] = true }, needed)
    assert.equal("", trees.run("objdump -T " .. core
      .. " | grep _Unwind_ | grep -v 'UND.*GCC_' || true"))
  end)

  it("exports only luaopen_* and kong_response_*", function()
    local symbols = trees.run("nm -D --defined-only " .. core)
    assert.matches("luaopen_kong_response_core", symbols, 1, true)
    for symbol in symbols:gmatch("(%S+)\n") do
      assert.is_truthy(symbol:find("^luaopen_") or symbol:find("^kong_response_"), symbol)
    end
  end)

  it("does not contain the path of the build", function()
    local cargo = os.getenv("CARGO_HOME") or os.getenv("HOME") .. "/.cargo"
    for _, path in ipairs { trees.root, cargo } do
      assert.equal("0\n", trees.run("grep -c -F " .. path .. " " .. core .. " || true"))
    end
  end)

  it("runs plugins in LuaJIT", function()
    assert.equal('403 {"message":"no coffee"}', trees.luajit(trees.IN_MEMORY, LUALIB))
  end)

  it("works in nginx", function()
    local response, files = trees.in_nginx(LUALIB)
    assert.equal(404, response.status)
    assert.matches("^no coffee\nrequest_id: ", response.body)
    assert.equal(LUALIB .. "/kong/response/instance.lua\n" .. core .. "\n", files)
  end)

  it("works as the chapter for OpenResty describes, except for OpenResty's paths", function()
    local install = documents.read("docs/install.md")
    local by_hand = documents.read("docs/nginx.md")
    local home = trees.temporary()
    finally(function()
      trees.remove(home)
    end)
    trees.run("mkdir -p " .. home .. "/site/lualib")
    local unpack = documents.find(install, "^tar %-xzf kong"):gsub("/usr/local/openresty", home)
    trees.run("cd " .. home .. " && cp " .. DIST .. "/" .. NAME .. ".tar.gz . && "
      .. unpack:gsub("\n$", ""))

    local conf = documents.block(by_hand, "nginx.conf")
    conf = followed.replace(conf, "  lua_package_path", "/?.so;;\";\n", ([[
      lua_package_path  "HOME/site/lualib/?.lua;;";
      lua_package_cpath "HOME/site/lualib/?.so;;";
    ]]):gsub("HOME", home))
    followed.with_nginx(by_hand, { ["nginx.conf"] = conf }, documents.find(by_hand, "^openresty "),
                        function(own, folder)
      assert.equal(3, followed.run_commands(by_hand, "^curl .*8080/", own, folder))
    end)
  end)

  it("of the source has the files that the rockspec builds", function()
    local tree = trees.temporary()
    local version = VERSION .. "-1"
    -- LuaRocks unpacks it where it stands.
    trees.run("cd " .. tree .. " && cp " .. DIST .. "/" .. SOURCE .. ".tar.gz ."
      .. " && CARGO_TARGET_DIR=" .. DIST .. "/target"
      .. " luarocks --lua-version=5.1 --only-server=/nonexistent --tree=" .. tree
      .. " build " .. trees.root .. "/rockspecs/kong-response-" .. version .. ".rockspec")
    local output = trees.luajit(trees.IN_MEMORY, tree .. "/share/lua/5.1", tree .. "/lib/lua/5.1")
    trees.remove(tree)
    assert.equal('403 {"message":"no coffee"}', output)
  end)
end)
