--- Every example plugin can be found, read about and tested.

local trees = require "spec.support.trees"


describe("the example plugins", function()
  it("have a spec, a README and an entry in the list each", function()
    local list = trees.run("cat docs/examples.md")
    local count = 0
    for name in trees.run("ls examples/*/plugin.lua"):gmatch("examples/([%w-]+)/plugin%.lua") do
      -- The demo is a script to look at.
      if name ~= "demo" then
        local files = trees.files(trees.root .. "/examples/" .. name)
        assert.is_string(files["README.md"], name)
        assert.is_string(files[name:gsub("-", "_") .. "_spec.lua"], name)
        assert.is_truthy(list:find("](../examples/" .. name .. "/README.md)", 1, true), name)
        count = count + 1
      end
    end
    assert.is_true(count >= 9)
  end)

  it("name each field of their config in the README", function()
    local count = 0
    for path in trees.run("ls examples/*/plugin.lua"):gmatch("[^\n]+") do
      local code = trees.run("cat " .. path)
      local readme = trees.run("cat " .. path:gsub("plugin%.lua$", "README.md"))
      for field in code:gmatch("config%.([%w_]+)") do
        assert.is_truthy(readme:find("\n| `" .. field .. "` | ", 1, true), path .. ": " .. field)
        count = count + 1
      end
    end
    assert.is_true(count > 30)
  end)

  it("run in nginx", function()
    local specs = trees.run("cat spec/documents/*example*_in_nginx_spec.lua")
    for name in trees.run("ls examples/*/plugin.lua"):gmatch("examples/([%w-]+)/plugin%.lua") do
      if name ~= "demo" then
        assert.is_truthy(specs:find('"examples.' .. name .. '.plugin"', 1, true), name)
      end
    end
  end)
end)
