--- Every example plugin can be found, read about and tested.

local trees = require "spec.support.trees"


describe("the example plugins", function()
  it("have a spec and a README each, and are listed", function()
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

  it("run in nginx", function()
    local specs = trees.run("cat spec/documents/*example*_in_nginx_spec.lua")
    for name in trees.run("ls examples/*/plugin.lua"):gmatch("examples/([%w-]+)/plugin%.lua") do
      if name ~= "demo" then
        assert.is_truthy(specs:find('"examples.' .. name .. '.plugin"', 1, true), name)
      end
    end
  end)

  describe("json-transform, where lua-cjson is", function()
    local FILE = trees.root .. "/examples/json-transform/plugin.lua"
    local before

    before_each(function()
      before = package.loaded["cjson.safe"]
    end)

    after_each(function()
      package.loaded["cjson.safe"] = before
    end)

    -- A module whose instances write down what they are set to.
    local function stand_in(extra)
      local set = {}
      local function of(name)
        local module = {
          encode_number_precision = function(digits)
            if digits > (extra and 16 or 14) then
              error("expected integer between 1 and 14")
            end
            set[#set + 1] = name .. " digits " .. digits
          end,
        }
        if extra then
          module.decode_array_with_array_mt = function(on)
            set[#set + 1] = name .. " arrays " .. tostring(on)
          end
        end
        return module
      end
      local module = of "all"
      module.new = function()
        return of "own"
      end
      package.loaded["cjson.safe"] = module
      return set
    end

    it("OpenResty's, keeps 16 digits and arrays, and sets that for itself only", function()
      local set = stand_in(true)
      dofile(FILE)
      assert.same({ "own digits 16", "own arrays true" }, set)
    end)

    it("one that can do neither, is loaded as it is", function()
      local set = stand_in(false)
      assert.is_function(dofile(FILE).body_filter)
      assert.same({}, set)
    end)
  end)
end)
