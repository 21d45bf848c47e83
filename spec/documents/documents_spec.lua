--- README.md, CONTRIBUTING.md, CHANGELOG.md, docs/, the READMEs of examples/, and bench/record/.

local documents = require "spec.support.documents"
local trees = require "spec.support.trees"


describe("the documents", function()
  local read = {}

  setup(function()
    for _, path in ipairs(documents.all()) do
      read[path] = documents.read(path)
    end
  end)


  it("have no broken link", function()
    local broken, count = documents.broken_links()
    assert.same({}, broken)
    assert.is_true(count > 100)
  end)


  it("are each one chapter of the site", function()
    local summary, chapters = documents.text("docs/site/SUMMARY.md"), {}
    for path in summary:gmatch("%]%(([^)]+)%)") do
      assert.is_nil(chapters[path], path)
      chapters[path] = true
      assert.is_table(read[path], path)
    end
    for path in pairs(read) do
      -- the READMEs of examples/ are added when the site is made
      if not path:find("^examples/") then
        assert.is_true(chapters[path], path)
      end
    end
  end)


  it("name the packages of this version", function()
    local version, count = require("kong.response.instance")._VERSION, 0
    for path in pairs(read) do
      for named in documents.text(path):gmatch("kong%-response%-(%d+%.%d+%.%d+)%-") do
        assert.equal(version, named, path)
        count = count + 1
      end
    end
    assert.is_true(count > 5)
  end)


  it("have a README of at most 250 lines", function()
    local _, lines = documents.text("README.md"):gsub("\n", "")
    assert.is_true(lines <= 250, "README.md has " .. lines .. " lines")
  end)


  it("have a chapter for each function, with syntax and phases", function()
    for name in pairs(require "kong.response") do
      local text = documents.text("docs/functions/" .. name .. ".md")
      assert.matches("^# " .. name .. "\n\n%*%*syntax:%*%* `[^\n]*kong%.response%." .. name .. "%(",
                     text)
      assert.matches("\n\n%*%*phases:%*%* [^\n]+\n", text)
    end
  end)


  it("name every example", function()
    for path in pairs(read) do
      if path:find("^examples/") then
        assert.matches("../" .. path, documents.text("docs/examples.md"), 1, true)
      end
    end
  end)


  it("contain Lua that LuaJIT can read", function()
    local count = 0
    for path, document in pairs(read) do
      for _, block in ipairs(document.blocks) do
        if block.language == "lua" then
          count = count + 1
          if not loadstring(block.text) then
            -- calls of `return kong.response…`, one after the other
            for part in (block.text .. "\n"):gmatch("(.-\n)\n+") do
              assert.is_function(loadstring(part), path .. ":" .. block.line .. "\n" .. part)
            end
          end
        end
      end
    end
    assert.is_true(count > 20)
  end)


  it("remove Content-Length in every example that changes a body", function()
    local count = 0
    for path, document in pairs(read) do
      for _, block in ipairs(document.blocks) do
        if block.text:find("set_raw_body(", 1, true) then
          count = count + 1
          assert.matches('clear_header("Content-Length")', block.text, 1, true, path)
        end
      end
    end
    for path in trees.run("find examples -name '*.lua' ! -name '*_spec.lua'"):gmatch("[^\n]+") do
      local text = documents.text(path)
      if text:find("set_raw_body(", 1, true) then
        count = count + 1
        assert.matches('clear_header("Content-Length")', text, 1, true, path)
      end
    end
    assert.is_true(count >= 8, count)
  end)


  it("describe each target of make", function()
    local makefile = documents.text("Makefile")
    local pipe = assert(io.popen("make --no-print-directory help"))
    local help = pipe:read("*a")
    pipe:close()
    local count = 0
    for targets in makefile:gmatch("\n%.PHONY: ([^\n]+)") do
      for target in targets:gmatch("%S+") do
        count = count + 1
        assert.matches("\n  make " .. target:gsub("%-", "%%-") .. " +%S", "\n" .. help)
      end
    end
    assert.is_true(count >= 10)
  end)
end)
