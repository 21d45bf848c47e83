--- The picture of the phases is the one that its source draws, and shows what the chapter says.

local documents = require "spec.support.documents"
local trees = require "spec.support.trees"


describe("the picture of the phases", function()
  it("is what ci/phases_picture.lua draws", function()
    local dir = trees.temporary()
    finally(function()
      trees.remove(dir)
    end)
    trees.run("luajit ci/phases_picture.lua " .. dir)
    for _, name in ipairs { "phases.svg", "phases-narrow.svg" } do
      local drawn = assert(documents.text(dir .. "/" .. name))
      assert.is_true(drawn == documents.text("docs/pictures/" .. name), name)
      trees.run("xmllint --noout " .. dir .. "/" .. name)
    end
  end)

  it("has the functions of each phase that the chapter has", function()
    local chapter = {}
    local allowed = documents.text("docs/phases.md"):match("\n## Allowed phases\n(.-)\n## ")
    for functions, phases in allowed:gmatch("\n| (`[^|]+) | ([^|]+) |") do
      for phase in phases:gmatch("[%l_]+") do
        chapter[phase] = chapter[phase] or {}
        for name in functions:gmatch("`([%l_]+)`") do
          chapter[phase][name] = true
        end
      end
    end
    -- The picture has these two in a note: there, the functions of response may be called.
    assert.same(chapter.response, chapter.error)
    assert.same(chapter.response, chapter.admin_api)
    chapter.error, chapter.admin_api = nil, nil

    local shown = {}
    for _, phase in ipairs(dofile("ci/phases_picture.lua").PHASES) do
      if not phase.outside then
        shown[phase.name] = {}
        for _, group in ipairs(phase.functions) do
          for _, name in ipairs(group) do
            shown[phase.name][name] = true
          end
        end
      end
    end
    assert.same(chapter, shown)
  end)
end)
