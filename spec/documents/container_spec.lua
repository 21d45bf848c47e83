--- The Dockerfile of docs/container.md: its commands install the library, and its variables find
-- it.

local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"
local trees = require "spec.support.trees"


describe("docs/container.md", function()
  local document = documents.read("docs/container.md")

  local home

  before_each(function()
    home = trees.temporary()
  end)

  after_each(function()
    trees.remove(home)
  end)

  -- A folder that stands for the root of the image.
  local function inside(text)
    return (text:gsub("/tmp%f[/%s]", home .. "/tmp"):gsub("/usr/local/", home .. "/usr/local/")
      :gsub("/opt/", home .. "/opt/"))
  end

  local function unpacked()
    local package = "kong-response-0.2.0-x86_64-linux-gnu"
    trees.run(("mkdir -p %s/tmp %s/%s && cp -r %s %s/%s/lualib"
      .. " && cp ci/install-lualib.sh %s/%s/install.sh && chmod +x %s/%s/install.sh")
      :format(home, home, package, nginx.lualib, home, package, home, package, home, package))
    return package
  end

  local function check(path, cpath)
    local code = 'require "kong.response.instance" print(package.searchpath("kong.pdk.response",'
      .. ' package.path)) print(require("kong.response.core").path)'
    local files = trees.run(("cd / && LUA_PATH='%s' LUA_CPATH='%s' luajit -e '%s'"):format(
      inside(path), inside(cpath), code))
    local folder = inside(path):match("^(.-)/%?")
    assert.matches("^" .. folder:gsub("%p", "%%%0") .. "/kong/pdk/response.lua\n"
                   .. folder:gsub("%p", "%%%0") .. "/kong/response/core%-%S+%.so\n$", files)
  end


  it("has a Dockerfile that installs the library in the paths of its variables", function()
    local package = unpacked()
    trees.run(("tar -czf %s/tmp/%s.tar.gz -C %s %s"):format(home, package, home, package))
    local file = documents.find(document, "^FROM ")
    local copied = file:match("\nCOPY (%S+) /tmp/\n")
    assert.equal(package .. ".tar.gz", copied)
    trees.run(inside(file:match("\nRUN (.-)\nUSER"):gsub("\\\n", "")))
    assert.equal("", trees.run("ls " .. home .. "/tmp"))
    check(file:match('KONG_LUA_PACKAGE_PATH="([^"]+)"'),
          file:match('KONG_LUA_PACKAGE_CPATH="([^"]+)"'))

    -- The values for Helm are the same two.
    local values = documents.find(document, "^image:\n")
    assert.equal(file:match('KONG_LUA_PACKAGE_PATH="([^"]+)"'),
                 values:match('lua_package_path: "([^"]+)"'))
    assert.equal(file:match('KONG_LUA_PACKAGE_CPATH="([^"]+)"'),
                 values:match('lua_package_cpath: "([^"]+)"'))
  end)

  it("has a mounted folder in which the variables find the library", function()
    local package = unpacked()
    local file = documents.find(document, "^services:")
    local source, target = file:match("%- %./(%S-):(%S-):ro\n")
    assert.equal(package .. "/lualib", source)
    trees.run(("mkdir -p %s/opt && cp -r %s/%s %s"):format(home, home, source, inside(target)))
    check(file:match('KONG_LUA_PACKAGE_PATH: "([^"]+)"'),
          file:match('KONG_LUA_PACKAGE_CPATH: "([^"]+)"'))
  end)
end)
