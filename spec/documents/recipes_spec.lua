--- The code of docs/recipes.md, and what goes wrong otherwise. The plugins that it links to have
-- specs of their own.

local documents = require "spec.support.documents"
local testing = require "kong.response.testing"


describe("docs/recipes.md", function()
  local document = documents.read("docs/recipes.md")

  -- The plugin or the handler of a block.
  local function plugin(pattern)
    local code = documents.find(document, pattern)
    if code:find("^return ") then
      code = "return { access = function() " .. code .. " end }"
    end
    package.preload.recipe = assert(loadstring(code))
    package.loaded.recipe = nil
    -- It loads the module with the globals `kong` and `ngx`.
    return testing.load("recipe")
  end


  it("has a plugin that changes a JSON body", function()
    local result = testing.run {
      plugin = plugin("Transform:body_filter"),
      upstream = { body = { '{"internal":1,', '"items":[]}' }, headers = { ETag = '"1"' } },
      strict = true,
    }
    assert.response(result).has.body('{"items":[]}')
    assert.response(result).has_no.header("Content-Length")
    assert.response(result).has_no.header("ETag")
  end)

  it("shows what that plugin does without a body", function()
    local transform = plugin("Transform:body_filter")
    local headers = {
      ["Content-Type"] = "application/json", ["Content-Length"] = "14", ETag = '"1"',
    }
    local shown = 0
    for _, case in ipairs {
      { request = { method = "HEAD" }, upstream = { headers = headers } },
      { request = { headers = { ["If-Modified-Since"] = "Thu, 01 Jan 1970 00:00:00 GMT" } },
        upstream = { status = 304, headers = { ETag = '"1"' } } },
    } do
      local result = testing.run {
        plugin = transform, request = case.request, upstream = case.upstream, strict = true,
      }
      local message = tostring(result):gsub("\r", ""):gsub("Server: [^\n]*\nDate: [^\n]*\n", "")
      for _, block in ipairs(document.blocks) do
        shown = shown + (block.text .. "\n" == message and 1 or 0)
      end
    end
    assert.equal(2, shown)
  end)

  it("has a gRPC-Web client read the reason", function()
    for _, version in ipairs { 1.1, 2 } do
      local result = testing.run {
        plugin = plugin("error%(401, \"No valid token\"%)"),
        request = {
          method = "POST", http_version = version,
          headers = { ["Content-Type"] = "application/grpc-web+proto" },
        },
        strict = true,
      }
      assert.response(result).has.header("Content-Type", "application/grpc-web+proto")
      assert.response(result).has.header("grpc-status", 16)
      assert.response(result).has.header("grpc-message", "No valid token")
      assert.response(result).has.body("")
    end
  end)

  describe("about an auth service", function()
    local URL = "https://auth.example/verify"
    local request = { headers = { Authorization = "Bearer secret" } }

    before_each(function()
      package.preload["my-auth"] = assert(loadstring(documents.find(document, "Auth:access")))
    end)

    after_each(function()
      package.preload["my-auth"], package.loaded["my-auth"] = nil, nil
    end)

    it("has a plugin and a test that runs", function()
      local code = documents.find(document, 'plugin = "my%-auth"')
      local environment = setmetatable({ testing = testing, assert = assert }, { __index = _G })
      setfenv(assert(loadstring(code)), environment)()
    end)

    it("has a plugin that answers the client and sets a header for the upstream", function()
      for _, case in ipairs {
        { answer = { status = 200, body = "alice" }, status = 200 },
        { answer = { status = 401 }, status = 401 },
        { answer = { status = 500 }, status = 503 },
        { answer = function() return nil, "timeout" end, status = 503 },
      } do
        local result = testing.run {
          plugin = "my-auth",
          config = { url = URL },
          services = { [URL] = case.answer },
          request = { headers = {
            Authorization = "Bearer secret", ["X-Credential-Identifier"] = "admin",
          } },
        }
        assert.response(result).has.status(case.status)
        if case.status == 200 then
          assert.upstream(result).has.header("X-Credential-Identifier", "alice")
        end
      end
      local result = testing.run { plugin = "my-auth", config = { url = URL } }
      assert.response(result).has.status(401)
    end)

    it("is correct about a cached failure", function()
      local failing = true
      local run = testing.worker {
        plugin = {
          access = function()
            local user = kong.cache:get("key", { neg_ttl = 10 }, function()
              return not failing and "alice" or nil
            end)
            if not user then
              return kong.response.exit(401)
            end
          end,
        },
        clock = 1000,
      }
      assert.response(run()).has.status(401)
      failing = false
      assert.response(run()).has.status(401)
      testing.advance(11)
      assert.response(run()).has.status(200)
    end)

    it("is correct about the phases without sockets", function()
      for _, phase in ipairs { "header_filter", "body_filter", "log" } do
        local message
        testing.run {
          plugin = { [phase] = function()
            local _, err = pcall(require("resty.http").new)
            message = message or err
          end },
          request = request,
          strict = false,
        }
        assert.matches("API disabled in the context of " .. phase .. "_by_lua*", message, 1, true)
      end
    end)
  end)

  it("is correct about a preflight without the plugin for CORS", function()
    local result = testing.run {
      plugin = "examples.key-check.plugin",
      config = { header = "apikey", keys = {} },
      request = {
        method = "OPTIONS",
        headers = { Origin = "https://shop.example", ["Access-Control-Request-Method"] = "GET" },
      },
    }
    assert.response(result).has.status(401)
  end)

  it("is correct about headers for CORS that are set in access", function()
    local early = {
      PRIORITY = 1,
      access = function()
        kong.response.set_header("Access-Control-Allow-Origin", "*")
      end,
    }
    local result = testing.run {
      plugins = {
        { plugin = "examples.key-check.plugin", config = { header = "apikey", keys = {} } },
        { plugin = early },
      },
    }
    assert.response(result).has.status(401)
    assert.response(result).has_no.header("Access-Control-Allow-Origin")
  end)

  it("is correct about exit(429) without a body", function()
    local result = testing.run {
      plugin = {
        access = function()
          return kong.response.exit(429)
        end,
      },
      request = { headers = { Accept = "application/json" } },
    }
    assert.response(result).has.header("Content-Type", "text/html")
    assert.matches("<h1>429 Too Many Requests</h1>", result.body, 1, true)
  end)

  it("is correct about a body that a plugin replaces itself", function()
    local upstream = { body = "old", headers = { ["Content-Encoding"] = "br", ETag = '"1"' } }
    local by_hand = {
      body_filter = function()
        if ngx.arg[2] then
          kong.response.set_raw_body("new")
        end
      end,
    }
    local result = testing.run { plugin = by_hand, upstream = upstream, strict = false }
    assert.response(result).has.header("Content-Encoding", "br")
    assert.response(result).has.header("ETag", '"1"')

    local by_error = {
      header_filter = function()
        return kong.response.error(502, "<b>")
      end,
    }
    result = testing.run {
      plugin = by_error, upstream = upstream, request = { headers = { Accept = "text/html" } },
    }
    assert.response(result).has_no.header("Content-Encoding")
    assert.response(result).has_no.header("ETag")
    assert.matches("<p>&lt;b&gt;.</p>", result.body, 1, true)
  end)
end)
