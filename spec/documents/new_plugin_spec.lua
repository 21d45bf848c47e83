--- `make new-plugin`, and what docs/plugin-repository.md and docs/coming-from.md say of such a
-- folder.

local documents = require "spec.support.documents"
local followed = require "spec.support.followed"
local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"
local trees = require "spec.support.trees"


local PASSED = "4 successes / 0 failures / 0 errors / 0 pending"


describe("make new-plugin", function()
  local home, dir

  local function new_plugin(name, folder)
    return trees.run(("ci/new-plugin.sh '%s' '%s' %s %s"):format(name, folder, nginx.lualib,
                                                                 nginx.lualib))
  end

  setup(function()
    home = trees.temporary()
    dir = home .. "/hello"
    new_plugin("hello", dir)
  end)

  teardown(function()
    trees.remove(home)
  end)

  local function run(command)
    return (followed.in_folder(dir, command))
  end


  it("makes a folder whose tests and luacheck pass", function()
    assert.matches(PASSED, run("busted"), 1, true)
    assert.matches("0 warnings / .-0 errors", run("luacheck --no-color kong spec"))
    assert.matches("2 successes", run("busted spec/hello/handler_spec.lua"), 1, true)
    assert.matches("1 success ", run("busted --filter=asks.for.a.key"), 1, true)
  end)

  it("accepts a name with an underscore", function()
    new_plugin("say_hello", home .. "/underscore")
    local output = followed.in_folder(home .. "/underscore",
                                      "busted && luacheck --no-color kong spec")
    assert.matches(PASSED, output, 1, true)
    assert.matches("0 warnings / 0 errors", output, 1, true)
    assert.is_true(trees.files(home .. "/underscore")["kong/plugins/say_hello/handler.lua"] ~= nil)
  end)

  it("has a workflow that installs the library where the tests search it", function()
    local function command(name, lua_dir, clib_dir)
      trees.run(("ci/new-plugin.sh hello %s/%s %s %s"):format(home, name, lua_dir, clib_dir))
      local workflow = documents.text(home .. "/" .. name .. "/.github/workflows/test.yml")
      return workflow:match("install%.sh ([^\n]+)")
    end
    assert.equal("/opt/lua", command("one-folder", "/opt/lua", "/opt/lua"))
    assert.equal("/opt/lua /opt/so", command("two-folders", "/opt/lua", "/opt/so"))
    assert.equal("/usr/local/share/lua/5.1",
                 command("default", "/usr/local/share/lua/5.1", "/usr/local/share/lua/5.1"))
  end)

  it("has settings that allow a plugin's state in kong.ctx", function()
    run([[printf 'kong.ctx.plugin.a = 1\nlocal kong = kong\nkong.ctx.shared.a = 1\n']]
      .. " > kong/plugins/hello/state.lua")
    local output = run("luacheck --no-color kong/plugins/hello/state.lua; "
      .. "rm kong/plugins/hello/state.lua")
    assert.matches("0 warnings / 0 errors", output, 1, true)
  end)

  it("refuses an invalid name and a folder that is not empty", function()
    for _, case in ipairs {
      { "Hello", home .. "/other",
        "give a name of lower-case letters, digits, dashes and underscores" },
      { "", home .. "/other", "give a name of lower-case letters, digits, dashes and underscores" },
      { "_hello", home .. "/other",
        "give a name of lower-case letters, digits, dashes and underscores" },
      { "other", "", "give a folder that does not exist: DIR=../other" },
      { "other", dir, dir .. " is not empty" },
    } do
      local ok, message = pcall(new_plugin, case[1], case[2])
      assert.is_false(ok)
      assert.matches("make new-plugin: " .. case[3], message, 1, true)
    end
  end)

  it("says what the tests need and what is not installed, with the commands", function()
    local function output(folder, path, lua_dir, clib_dir)
      return trees.run(("PATH=%s ci/new-plugin.sh hello '%s/%s' %s %s"):format(path, home, folder,
                                                                               lua_dir, clib_dir))
    end
    assert.equal(("%s/complete has the plugin hello and its tests.\nRun the tests:\n\n"
      .. "  cd %s/complete && busted\n"):format(home, home),
      output("complete", '"$PATH"', nginx.lualib, nginx.lualib))

    local tools = home .. "/tools"
    trees.run("mkdir " .. tools .. " && for tool in bash dirname ls mkdir cp mv find sed env; do"
      .. " ln -s $(command -v $tool) " .. tools .. "; done")
    local incomplete = output("incomplete", tools, "/nonexistent/lua", "/nonexistent/so")
    assert.matches("The tests need the library in /nonexistent/lua, which is not installed."
      .. " Install it:\n\n"
      .. "  make install LUA_LIB_DIR=/nonexistent/lua LUA_CLIB_DIR=/nonexistent/so\n\n"
      .. "If the library is in another folder, write that folder into " .. home
      .. "/incomplete/.busted.\nFor the next plugin, name it: make new-plugin LUA_LIB_DIR=...\n",
      incomplete, 1, true)
    assert.matches("The tests need busted, which is not installed. Install it:\n\n"
      .. "  apt install lua-busted\n", incomplete, 1, true)
    assert.matches("cd " .. home .. "/incomplete && busted", incomplete, 1, true)
  end)

  it("makes the plugin and the test that README shows", function()
    local readme = documents.read("README.md")
    for _, path in ipairs { "kong/plugins/hello/handler.lua", "spec/hello/handler_spec.lua" } do
      assert.equal(documents.text(dir .. "/" .. path), documents.block(readme, path))
    end
    local shown = documents.commands(readme)[1]
    assert.equal("busted", shown.command)
    assert.matches(shown.output:gsub("\n$", ""), run(shown.command), 1, true)
  end)

  it("makes the files that the chapter lists, and the workflow that it shows", function()
    local document = documents.read("docs/plugin-repository.md")
    for path in pairs(trees.files(dir)) do
      path = path:gsub("hello/schema_spec.lua", "hello/handler_spec.lua")
      assert.matches("`" .. path:gsub("hello", "my-plugin") .. "`",
                     documents.text("docs/plugin-repository.md"), 1, true)
    end
    assert.equal(documents.text("template/.github/workflows/test.yml"),
                 documents.find(document, "^# The package"))
    assert.equal(PASSED .. "\n", documents.commands(document)[1].output)
  end)

  it("has the commands that the chapter shows", function()
    local document = documents.read("docs/plugin-repository.md")
    assert.equal("", run(documents.find(document, "^busted %-o junit"):gsub("\n", "")))
    trees.run("xmllint --noout " .. dir .. "/junit.xml")
    assert.matches("tests='4'", documents.text(dir .. "/junit.xml"), 1, true)
    -- -z ends it after the first run
    local watch = documents.find(document, "entr %-n"):gsub("entr %-n", "entr -z -n")
    assert.matches(PASSED, run(watch:gsub("\n", "")), 1, true)
  end)

  it("has a workflow whose steps work with the library's package", function()
    local package = "kong-response-0.2.0-x86_64-linux-gnu"
    trees.run(("mkdir -p %s/vendor %s/%s && cp -r %s %s/%s/lualib"
      .. " && cp ci/install-lualib.sh %s/%s/install.sh && chmod +x %s/%s/install.sh"
      .. " && tar -czf %s/vendor/%s.tar.gz -C %s %s")
      :format(dir, home, package, nginx.lualib, home, package, home, package, home, package,
              dir, package, home, package))
    local steps = {}
    local workflow = documents.text(dir .. "/.github/workflows/test.yml")
    for step in workflow:gmatch("run: ?|?\n?([^\n].-)\n      %-") do
      steps[#steps + 1] = step:gsub("^%s+", "")
    end
    assert.equal(4, #steps)
    assert.matches("^apt%-get update", table.remove(steps, 1))
    local installed = home .. "/installed"
    trees.run("sed -i 's|" .. nginx.lualib .. "|" .. installed .. "|' " .. dir .. "/.busted")
    for _, step in ipairs(steps) do
      step = step:gsub(nginx.lualib:gsub("%p", "%%%0"), installed)
      local _, exit = followed.in_folder(dir, step)
      assert.equal(0, exit, step)
    end
    assert.matches("failures='0'", documents.text(dir .. "/junit.xml"), 1, true)
  end)
end)


describe("docs/coming-from.md", function()
  it("has a test that becomes a test of the kit", function()
    local document = documents.read("docs/coming-from.md")
    local code = documents.find(document, "^local result = run")
    local environment = setmetatable({
      run = testing.with {
        plugin = dofile("template/kong/plugins/my-plugin/handler.lua"),
        config = { header = "apikey" },
      },
      assert = assert,
    }, { __index = _G })
    code = code:gsub(', headers = { apikey = "wrong" }', "")
    setfenv(assert(loadstring(code)), environment)()
  end)

  it("has the fields of the kit in its tables", function()
    local plugin = {
      access = function()
        kong.log.warn("text")
        local answer = require("resty.http").new():request_uri("https://idp.example/token")
        ngx.shared.cache:set("token", answer.body)
        kong.service.request.set_header("x-foo", kong.client.get_consumer().username)
        kong.response.set_header("X-Seen", table.concat({
          ngx.var.name, ngx.shared.cache:get("token"), kong.db.name, rawget(ngx, "ssl").name,
          require("kong.tools.utils").name,
        }, " "))
      end,
    }
    local result = testing.run {
      plugins = { { plugin = plugin, name = "my-plugin" }, { plugin = {}, name = "other" } },
      request = {
        client = { consumer = { username = "alice" } }, variables = { name = "value" },
      },
      services = { ["https://idp.example/token"] = { status = 200, body = "active" } },
      shared = { "cache" },
      kong = { db = { name = "db" } },
      ngx = { ssl = { name = "ssl" } },
      modules = { ["kong.tools.utils"] = { name = "utils" } },
    }
    assert.response(result).has.status(200)
    assert.response(result).has.header("X-Seen", "value active db ssl utils")
    assert.upstream(result).has.header("x-foo", "alice")
    assert.response(result).has.logged("warn", "text")
    assert.equal(502, testing.run({ plugin = {}, upstream = { failure = "refused" } }).status)
    assert.equal(504, testing.run({ plugin = {}, upstream = { failure = "timeout" } }).status)
  end)
end)
