-- In nginx only: what a worker keeps from request to request.

local served = require "spec.support.served"
local stages = require "spec.support.stages"


served.describe("error templates", function()
  return stages.start { files = { ["held.html"] = "first %s %s" } }
end, function(server)
  it("are read once", function()
    local function held()
      return server:run({ access = [[
        local new, dir = require('kong.response.instance').new, ']] .. server.dir .. [['
        package.loaded.held = package.loaded.held
          or new { error_templates = { html = dir .. "/held.html" } }
        package.loaded.held.error(404, "lost", { ["Content-Type"] = "text/html" })
      ]] }).body
    end
    assert.matches("^first lost ", held())
    local file = assert(io.open(server.dir .. "/held.html", "w"))
    file:write("second %s %s")
    file:close()
    assert.matches("^first lost ", held())
    os.remove(server.dir .. "/held.html")
    assert.matches("^first lost ", held())
  end)
end)
