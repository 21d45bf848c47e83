-- Nothing in this file may get a warning of `make types`.

local json = require "kong.response.json"
local lifecycle = require "kong.response.lifecycle"
local response = require "kong.response"
local testing = require "kong.response.testing"


assert(json.encode(assert(json.decode("[1]"))))


---@class MyPlugin: kong.response.Plugin
local MyPlugin = { PRIORITY = 10 }

function MyPlugin.access(_, config)
  if config.key then
    return response.exit(401, { message = "no", list = json.empty_array }, {
      ["X-Several"] = { "1", "2" },
      ["X-Number"] = 3,
      ["X-Boolean"] = true,
    })
  elseif config.empty then
    return kong.response.exit(204)
  elseif config.text then
    return kong.response.exit(200, "text", { ["Content-Type"] = "text/plain" })
  elseif config.headers then
    return kong.response.exit(304, nil, { ETag = '"1"' })
  elseif config.message then
    return kong.response.error(403, "no")
  elseif config.default then
    return kong.response.error(403)
  elseif config.table then
    return kong.response.error(403, { reason = "no" })
  end
  local token = kong.request.get_header("Authorization")
  if token and kong.request.get_query_arg("debug") then
    kong.log.debug("token: ", token, " from ", kong.client.get_ip())
    kong.log("seen")
  end
  local body, err, mime = kong.request.get_body()
  if not body then
    kong.log.err(err, mime)
  end
  kong.service.request.set_header("X-Token", { "a", "b" })
  kong.service.request.set_query { a = "b", c = { "d", true } }
  kong.service.set_target("127.0.0.1", 8081)
  local value = kong.cache:get("key", { ttl = 10 }, function() return 1 end)
  kong.log.inspect(value)
  local secret = kong.vault.get("{vault://env/x}")
  if secret then
    kong.service.request.set_raw_body(secret:upper())
  end
  kong.ctx.plugin.seen = true
  kong.ctx.shared.seen = true
end

function MyPlugin.header_filter()
  local headers, err = kong.response.get_headers(200)
  if err == "truncated" or not headers["x-foo"] then
    return
  end
  kong.response.set_headers { ["X-Foo"] = "1", ["X-Bar"] = { "2", "3" } }
  kong.response.set_header("X-Status", kong.response.get_status() + 1)
  local value = kong.response.get_header("X-Foo")
  if value then
    kong.response.add_header("X-Foo", value:lower())
  end
  if kong.response.get_source({}) == "exit" then
    kong.response.clear_header("X-Foo")
  end
end

function MyPlugin.body_filter()
  local body = kong.response.get_raw_body()
  if body then
    kong.response.set_raw_body(body:upper())
  end
end


local run = testing.with { plugin = MyPlugin, config = { key = "k" }, strict = true }
local result = run {
  request = { headers = { apikey = "k", Accept = { "a", "b" } }, http_version = 1.1 },
  upstream = { body = { "one", "two" }, headers = { { "X-Foo", "1" } }, failure = "cut_off" },
}
local text = result.log.err[1] .. result.log[1].message .. result.body:upper()
local plugins = lifecycle.new { { plugin = MyPlugin, config = {}, name = "mine" } }
plugins.access()

local own = require("kong.response.instance").new {
  log = function(level, message)
    print(level + 1, message:upper())
  end,
  error_templates = { html = "/etc/error.html" },
  worker_events = { poll = function() end },
}
own.error(result.status + 1, text)
