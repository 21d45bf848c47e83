--- The types of the parts of `kong` have the functions of the parts, and no others.

local luacats = require "spec.support.luacats"
local trees = require "spec.support.trees"


-- A server that no function asks here.
local function make_kong()
  return (require("kong.response.pdk").new({}, {
    ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8, CRIT = 3, ALERT = 2, EMERG = 1,
  }))
end


local kong = make_kong()

local PARTS = {
  client = kong.client,
  ip = kong.ip,
  log = kong.log,
  nginx = kong.nginx,
  node = kong.node,
  plugin = kong.plugin,
  request = kong.request,
  router = kong.router,
  service = kong.service,
  service_request = kong.service.request,
  service_response = kong.service.response,
  table = kong.table,
  tls = kong.client.tls,
  vault = kong.vault,
}


local function functions_of(part)
  local names = {}
  for name, value in pairs(part) do
    if type(value) == "function" then
      names[name] = true
    end
  end
  return names
end


describe("the types of kong", function()
  it("have a file for each part", function()
    local files = { cache = true }
    for name in pairs(PARTS) do
      files[name] = true
    end
    local found = {}
    for path in trees.run("find types/pdk -name '*.lua'"):gmatch("[^\n]+") do
      assert(loadfile(path))
      found[path:match("([%w_]+)%.lua$")] = true
    end
    assert.same(files, found)
  end)

  it("have the functions of each part, with their parameters", function()
    for name, part in pairs(PARTS) do
      local described = {}
      for _, entry in pairs(luacats.read("types/pdk/" .. name .. ".lua").functions) do
        described[entry.name] = true
        local params = {}
        for i, parameter in ipairs(entry.params) do
          params[i] = parameter.name
        end
        assert.same(entry.arguments, params, name .. "." .. entry.name)
        if debug.getinfo(part[entry.name], "u").nparams > 0 then
          for i, argument in ipairs(entry.arguments) do
            assert.equal(argument, debug.getlocal(part[entry.name], i), name .. "." .. entry.name)
          end
        end
      end
      assert.same(functions_of(part), described, name)
    end
  end)

  it("have the methods of kong.cache", function()
    local described = {}
    for name in pairs(luacats.read("types/pdk/cache.lua").classes["kong.cache"]) do
      described[name] = true
    end
    assert.same(functions_of(kong.cache), described)
  end)

  it("have the parts of kong", function()
    local described = luacats.read("types/kong.lua").classes.kong
    for name in pairs(kong) do
      assert.is_truthy(described[name], name)
    end
    for name in pairs(described) do
      assert.is_true(name == "response" or kong[name] ~= nil, name)
    end
  end)

  it("have the fields of a description", function()
    local types = luacats.read("types/kong/response/lifecycle.lua")
    local described = {}
    for name in pairs(types.classes["kong.response.pdk.Description"]) do
      described[name] = true
    end
    local expected = {}
    for name in pairs(require("kong.response.pdk").FIELDS) do
      expected[name] = true
    end
    assert.same(expected, described)
  end)
end)
