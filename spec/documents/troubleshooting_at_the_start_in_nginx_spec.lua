--- Each message in the first chapters of docs/troubleshooting.md is provoked: the library does not
-- load, or a test fails.

local nginx = require "spec.support.nginx"
local trees = require "spec.support.trees"
local troubleshooting = require "spec.support.troubleshooting"


-- A plugin of the life cycle whose schema has no fields.
local ENTRY = [[
  {
    plugin = { access = function() end },
    config = { %s },
    schema = { name = "any", fields = { { config = { type = "record", fields = {} } } } },
  }
]]

local lualib = nginx.lualib


-- The message of a failed assertion about a plugin in the test kit.
local function failure_in_the_kit(plugin)
  local result = require("kong.response.testing").run { plugin = plugin }
  local ok, message = pcall(function()
    assert.response(result).has.status(200)
  end)
  assert.is_false(ok)
  return tostring(message)
end


-- What nginx prints if it starts with this `lua_package_path`.
local function started(package_path)
  local dir = trees.temporary()
  finally(function()
    trees.remove(dir)
  end)
  local binary = os.getenv("NGINX") or "nginx"
  local conf = ('pid nginx.pid; events {} http { lua_package_path "%s"; }'):format(package_path)
  return trees.run(("{ ci/nginx-modules.sh %s; echo '%s'; } > %s/nginx.conf"
    .. " && timeout 5 %s -p %s -e error.log -c %s/nginx.conf || true")
    :format(binary, conf, dir, binary, dir, dir))
end


-- The output of LuaJIT for `require "kong.response"`. `change` gets the name of the native file.
local function with_native(change)
  local dir = trees.temporary()
  finally(function()
    trees.remove(dir)
  end)
  trees.run("cp -r " .. nginx.lualib .. "/kong " .. dir)
  change(dir .. "/" .. trees.native(dir))
  return trees.run(([[luajit -e 'package.path = "%s/?.lua" package.cpath = "%s/?.so"]]
    .. [[ require "kong.response"' || true]]):format(dir, dir))
end


-- The output of a Lua with these paths for `require(module)`.
local function required(lua, module, paths)
  return trees.run(([[%s -e '%s require "%s"' || true]]):format(lua, paths, module))
end


local function path(dir)
  return ('package.path = "%s/?.lua"'):format(dir)
end


local function cpath(dir)
  return ('package.cpath = "%s/?.so"'):format(dir)
end


-- The output of a process that makes a life cycle with one entry. The module sets the global kong.
local function new(entry)
  local code = path(lualib) .. " " .. cpath(lualib)
    .. ' require("kong.response.lifecycle").new { ' .. entry .. " }"
  return trees.run("luajit -e '" .. code .. "' || true")
end


local PROVOKED = {
  ["module 'kong.response' not found"] = function()
    return required("luajit", "kong.response", path "/nonexistent")
  end,
  ["module 'kong.response.lifecycle' not found"] = function()
    return required("luajit", "kong.response.lifecycle", path "/nonexistent")
  end,
  ["failed to load the 'resty.core' module"] = function()
    return started "/nonexistent/?.lua"
  end,
  ["kong.response <version> cannot load its native part: <file>"] = function()
    local missing = with_native(function(file)
      trees.run("rm " .. file)
    end)
    assert.matches("No such file or directory", missing, 1, true)
    local short = with_native(function(file)
      trees.run("truncate -s 20 " .. file)
    end)
    assert.matches("file too short", short, 1, true)
    return short
  end,
  ["Bus error"] = function()
    return with_native(function(file)
      trees.run("truncate -s 50000 " .. file)
    end)
  end,
  ["plugins[<n>]: schema violation (<fields>)"] = function()
    assert.matches("plugins[1]: 2 schema violations", new(ENTRY:format "a = 1, b = 2"), 1, true)
    return new(ENTRY:format "a = 1")
  end,
  ["attempt to index global 'lifecycle' (a nil value)"] = function()
    return troubleshooting.by_hand('local lifecycle = require("kong.response.lifecycle").new {}',
                   "lifecycle.access()")
  end,
  ["kong.response <version> does not find its native part kong.response.core in package.cpath"]
  = function()
    return required("luajit", "kong.response", path(lualib) .. cpath "/nonexistent")
  end,
  ["kong.response: the version of the Lua files is <version> and the version of the native part"
    .. " <file> is <version>"]
  = function()
    local dir = trees.temporary()
    finally(function()
      trees.remove(dir)
    end)
    trees.run("cp -r " .. lualib .. "/kong " .. dir
      .. " && sed -i 's/VERSION = \".*\"/VERSION = \"9.9.9\"/' " .. dir
      .. "/kong/response/native.lua")
    return required("luajit", "kong.response", path(dir) .. cpath(lualib))
  end,
  ["plugins[<n>]: <name> plugin is enabled but not installed"] = function()
    return new '{ plugin = "absent" }'
  end,
  ["module 'resty.http' not found"] = function()
    return required("luajit", "resty.http", path "/nonexistent")
  end,
  ["kong.response needs LuaJIT: busted --lua=/usr/bin/luajit"] = function()
    return required("lua5.1", "kong.response.testing", path(lualib) .. cpath(lualib))
  end,
  ["attempt to index global 'kong' (a nil value)"] = function()
    return troubleshooting.by_hand(nil, "kong.response.exit(200)")
  end,
  ["attempt to index field 'request' (a nil value)"] = function()
    return troubleshooting.by_hand('kong = { response = require "kong.response" }',
                   'kong.request.get_header("apikey")')
  end,
  ["hint: the kit has no ngx.<name>: add it to the case's ngx (docs/testing.md)"] = function()
    return failure_in_the_kit {
      access = function()
        return rawget(_G, "ngx").nothing.of_this_name()
      end,
    }
  end,
  ["attempt to index upvalue 'kong' (a nil value)"] = function()
    local plugin = assert(loadstring [[
      local kong = kong
      return { access = function() kong.response.exit(200) end }
    ]])()
    return failure_in_the_kit(plugin)
  end,
  ["attempt to index global 'ngx' (a nil value)"] = function()
    return (select(2, pcall(function() return ngx.encode_base64("x") end)))
  end,
  ["module 'kong.response.testing' not found"] = function()
    return required("luajit", "kong.response.testing", path "/nonexistent")
  end,
  ['add it to the case\'s modules: modules = { ["<name>"] = ... } (docs/testing.md)'] = function()
    local testing = require "kong.response.testing"
    package.preload["a.plugin"] = function()
      return require "nothing.of.this.name"
    end
    local _, message = pcall(testing.run, { plugin = "a.plugin" })
    package.preload["a.plugin"] = nil
    return tostring(message)
  end,
  ['there is no plugin "<name>": neither kong/plugins/<name>/handler.lua nor a module of that'
    .. " name is in package.path"]
  = function()
    local testing = require "kong.response.testing"
    local _, message = pcall(testing.run, { plugin = "nothing-of-this-name" })
    return tostring(message)
  end,
  ["attempt to index field 'my_cache' (a nil value)"] = function()
    return troubleshooting.by_hand(nil, 'ngx.shared.my_cache:get("a")')
  end,
}


describe("docs/troubleshooting.md", function()
  troubleshooting.compare(PROVOKED, nil, "My plugin does not run")
end)
