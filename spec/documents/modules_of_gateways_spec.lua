--- The section "Modules of a gateway" of docs/testing.md.

local documents = require "spec.support.documents"
local testing = require "kong.response.testing"


describe("docs/testing.md, Modules of a gateway,", function()
  local document = documents.read("docs/testing.md")
  local section = documents.text("docs/testing.md")
    :match("\n### Modules of a gateway\n(.-)\n### ")

  -- Whether a test finds each of the modules.
  local function found(names)
    local missing = {}
    local result = testing.run {
      plugin = {
        access = function()
          for _, name in ipairs(names) do
            if not pcall(require, name) then
              missing[#missing + 1] = name
            end
          end
        end,
      },
    }
    assert.equal(200, result.status)
    return missing
  end

  -- The names in the first column of the rows that match, without those that end with a star.
  local function names_of(pattern)
    local names = {}
    for modules, in_test in section:gmatch("\n| ([^|]+) | ([^|]+) | [^|]+ |") do
      if in_test:find(pattern) then
        for name in modules:gmatch("`([%w_.-]+)`") do
          names[#names + 1] = name ~= "HEADERS" and name or nil
        end
      end
    end
    return names
  end

  it("names the modules that a test finds without a package", function()
    local names = {}
    for _, pattern in ipairs { "^in the kit", "^in this library", "^in LuaJIT" } do
      for _, name in ipairs(names_of(pattern)) do
        names[#names + 1] = name
      end
    end
    assert.equal(15, #names)
    assert.same({}, found(names))
  end)

  it("names modules that come with busted", function()
    assert.same({ "lfs" }, names_of("lua%-busted"))
    assert.same({}, found { "lfs", "pl.stringx" })
  end)

  it("names modules that exist only in a gateway", function()
    assert.equal("kong.db.schema", names_of("^pass them in `modules`$")[1])
    assert.same({ "kong.db.schema", "kong.tools.string" },
                found { "kong.db.schema", "kong.tools.string" })
  end)

  it("has a test that replaces modules", function()
    local printed = {}
    local environment = setmetatable({
      print = function(...)
        printed[#printed + 1] = table.concat({ ... }, "\t")
      end,
    }, { __index = _G })
    local code = documents.find(document, "inflate_gzip")
    setfenv(assert(loadstring(code)), environment)()
    local shown = {}
    for text in code:gmatch("print%(.-%) +%-%- ([^\n]+)") do
      shown[#shown + 1] = text
    end
    assert.same({ "espresso" }, shown)
    assert.same(shown, printed)
  end)
end)
