--- The page of examples/error-page, on the wire. `make docs-check` looks at it in a browser.

local nginx = require "spec.support.nginx"


local MESSAGE = [[<b>no</b> "coffee" & 100%s]]


describe("examples/error-page", function()
  it("shows the message and the request id, and keeps the rest of its text", function()
    nginx.once({
      init = [[
        response = require("kong.response.instance").new({
          error_templates = { html = "%{root}/examples/error-page/error.html" },
          request_id = function() return "7" end,
        })
      ]],
      locations = "location / { content_by_lua_block { return response.error(404, [[" .. MESSAGE
        .. "]]) } }",
    }, function(server)
      local file = assert(io.open(nginx.root .. "/examples/error-page/error.html"))
      local template = file:read("*a")
      file:close()
      local values = { "&lt;b&gt;no&lt;/b&gt; \"coffee\" &amp; 100%s", "7" }
      local expected, places = template:gsub("%%s", function()
        return table.remove(values, 1)
      end)

      local r = server:get("/", { "Accept: text/html" })
      assert.equal(404, r.status)
      assert.equal("text/html; charset=utf-8", r:header("Content-Type"))
      assert.equal(2, places)
      assert.equal(expected, r.body)
      assert.equal("", server:log():match("%[error%][^\n]*") or "")
    end)
  end)
end)
