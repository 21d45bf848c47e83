--- The lines of README.md, docs/install.md and docs/gateway.md that set the paths of a gateway.

local documents = require "spec.support.documents"
local trees = require "spec.support.trees"


local FOLDER = "/usr/local/share/lua/5.1/kong-response/"

-- The value of a variable before the lines, and after them.
local CASES = {
  { nil, FOLDER .. "?.%s;;" },
  { "", FOLDER .. "?.%s;;" },
  { "/opt/?.%s;;", FOLDER .. "?.%s;/opt/?.%s;;" },
}


describe("the lines for a Kong gateway", function()
  for _, path in ipairs { "README.md", "docs/install.md", "docs/gateway.md" } do
    it("put the library's folder in front of other folders: " .. path, function()
      local lines = {}
      for line in documents.text(path):gmatch("export KONG_[^\n]+") do
        lines[#lines + 1] = line
      end
      assert.equal(2, #lines)
      for _, case in ipairs(CASES) do
        local before, after = case[1], case[2]
        local set = "unset KONG_LUA_PACKAGE_PATH KONG_LUA_PACKAGE_CPATH"
        if before then
          set = ("KONG_LUA_PACKAGE_PATH='%s' KONG_LUA_PACKAGE_CPATH='%s'"):format(
            before:gsub("%%s", "lua"), (before:gsub("%%s", "so")))
        end
        assert.equal(after:gsub("%%s", "lua") .. "\n" .. after:gsub("%%s", "so") .. "\n",
          trees.run(set .. "; " .. table.concat(lines, "; ")
                    .. [[; printf '%s\n' "$KONG_LUA_PACKAGE_PATH" "$KONG_LUA_PACKAGE_CPATH"]]))
      end
    end)
  end
end)
