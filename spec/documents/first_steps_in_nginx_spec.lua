--- Follows the steps of the documents for newcomers.

local documents = require "spec.support.documents"
local followed = require "spec.support.followed"


local replace = followed.replace
local run_commands = followed.run_commands
local with_nginx = followed.with_nginx


-- The log phase of the example, after its three requests.
local function assert_statuses_are_logged(dir)
  local log = documents.text(dir .. "/error.log")
  for _, status in ipairs { 401, 200, 404 } do
    assert.matches("the client got " .. status, log, 1, true)
  end
  assert.is_nil(log:find("[error]", 1, true), log)
end


describe("the documents", function()
  it("have a configuration that calls a plugin and runs without changes", function()
    local document = documents.read("docs/nginx.md")
    with_nginx(document, { ["nginx.conf"] = documents.block(document, "nginx.conf") },
               documents.inline(document, "^nginx "), function(own, dir)
      assert.equal(3, run_commands(document, "^curl .*8080/", own, dir))
      assert_statuses_are_logged(dir)
    end)
  end)


  it("have a configuration in which phases are checked", function()
    local document = documents.read("docs/nginx.md")
    local conf = documents.block(document, "nginx.conf")
    conf = replace(conf, "    kong = {", "\n", documents.find(document, "ctx = {}"))
    conf = replace(conf, "      access_by_lua_block", "plugin.log() }\n",
                   documents.find(document, "KONG_PHASE = 0x20 "))
    with_nginx(document, { ["nginx.conf"] = conf }, documents.inline(document, "^nginx "),
               function(own, dir)
      assert.equal(3, run_commands(document, "^curl .*8080/", own, dir))
      assert_statuses_are_logged(dir)
    end)
  end)


  it("have lines with which get_source knows the upstream's responses", function()
    local document = documents.read("docs/nginx.md")
    local conf = documents.block(document, "nginx.conf")
    conf = replace(conf, "      header_filter_by_lua_block", "\n",
                   documents.find(document, "KONG_PROXIED"))
    conf = conf:gsub('set_header%("X%-Plugin", "on"%)',
                     'set_header("X-Plugin", kong.response.get_source())')
    with_nginx(document, { ["nginx.conf"] = conf }, documents.inline(document, "^nginx "),
               function(own, dir)
      assert.equal(3, run_commands(document, "^curl .*8080/", own, dir))
      local shown = followed.in_folder(dir, own "curl -i '127.0.0.1:8080/espresso?key=secret'")
      assert.matches("X-Plugin: service", shown, 1, true)
    end)
  end)


  it("have a location that shows the version", function()
    local by_hand, document = documents.read("docs/nginx.md"), documents.read("docs/upgrading.md")
    local conf = documents.block(by_hand, "nginx.conf")
    conf = replace(conf, "    listen 127.0.0.1:8080;", "\n", "    listen 127.0.0.1:8080;\n"
      .. documents.find(document, "location = /version"))
    with_nginx(document, { ["nginx.conf"] = conf }, documents.inline(by_hand, "^nginx "),
               function(own, dir)
      assert.equal(1, run_commands(document, "^curl .*8080/", own, dir))
    end)
  end)


  it("have a life cycle for that configuration", function()
    local by_hand, document = documents.read("docs/nginx.md"), documents.read("docs/lifecycle.md")
    local conf = documents.block(by_hand, "nginx.conf")
    conf = replace(conf, "  init_by_lua_block", "plugin.log() }\n    }\n  }\n",
                   documents.find(document, "init_by_lua_block"))
    conf = replace(conf, "  lua_package_path", "\n", documents.block(document, "lua_package_path"))
    local files = { ["nginx.conf"] = conf }
    for _, name in ipairs { "plugins/keys.lua", "plugins/tidy.lua" } do
      files[name] = documents.text("examples/openresty/" .. name)
    end
    with_nginx(document, files, documents.inline(by_hand, "^nginx "), function(own, dir)
      assert.equal(3, run_commands(document, "^curl .*8080/", own, dir))
    end)
  end)


  it("have a first plugin whose test passes, and that runs in nginx", function()
    local document = documents.read("docs/first-plugin.md")
    local files = {}
    for _, name in ipairs {
      "kong/plugins/teapot/handler.lua", "kong/plugins/teapot/schema.lua",
      "spec/teapot/handler_spec.lua", ".busted", "nginx.conf",
    } do
      files[name] = documents.block(document, name)
    end
    with_nginx(document, files, documents.find(document, "^nginx "), function(own, dir)
      assert.equal(3, run_commands(document, "^curl .*8080/", own, dir))

      assert.equal(1, followed.run_busted(document, own, dir))
    end)
  end)
end)
