--- A real nginx that runs three plugins with `kong.response.lifecycle`: `one`, then `two`, then
-- `three`. The specs have the code of their handlers.
--
--     local server = lifecycle.start {}
--     local r = server:run { one = { access = "kong.response.exit(403)" } }
--     assert.same({}, r.notes)
--
-- A handler is a chunk named `<plugin>.<phase>`. It sees `conf`, and `note(...)`, which adds to
-- `r.notes`. The code for `upstream` runs in the upstream's content phase. nginx proxies `/`, and
-- the code for `content` answers `/content`. Specs can add locations.

local nginx = require "spec.support.nginx"
local stages = require "spec.support.stages"


local PLUGINS = [==[
local phase_code = require "phase_code"

local _M = {}

function _M.note(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    texts[i] = tostring(texts[i])
  end
  ngx.log(ngx.NOTICE, "noted <<", table.concat(texts, " "), ">>")
end

local loaded = {}

-- The code of a case is in files, because a redirect may drop the query.
function _M.run(name, ...)
  local case = ngx.req.get_headers()["case"]
  if not case then
    return
  end
  local path = "%{dir}/case." .. case .. "." .. name
  local chunk = loaded[path]
  if chunk == nil then
    local code = phase_code.read(path)
    chunk = code and assert(loadstring("local note, conf = ...; " .. code, "@" .. name)) or false
    loaded[path] = chunk
  end
  if chunk then
    return chunk(_M.note, ...)
  end
end

function _M.plugin(name, priority)
  local plugin = { PRIORITY = priority }
  for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter", "log" } do
    plugin[phase] = function(_, conf)
      return _M.run(name .. "." .. phase, conf)
    end
  end
  return plugin
end

return _M
]==]

local INIT = [[
lifecycle = require("kong.response.lifecycle").new {
  { plugin = require("plugins").plugin("two", 20), config = { of = "two" } },
  { plugin = require("plugins").plugin("three", 10), config = { of = "three" }, name = "three" },
  { plugin = require("plugins").plugin("one", 30), config = { of = "one" }, name = "one" },
}
]]

local FILTERS = [[
  header_filter_by_lua_block { lifecycle.header_filter() }
  body_filter_by_lua_block { lifecycle.body_filter() }
  log_by_lua_block {
    lifecycle.log()
    ngx.log(ngx.NOTICE, "ended <<", ngx.req.get_headers()["case"], ">>")
  }
]]

local HANDLERS = [[
    rewrite_by_lua_block { lifecycle.rewrite() }
    access_by_lua_block { lifecycle.access() }
]]

local LOCATIONS = FILTERS .. [[
  location / {
]] .. HANDLERS .. [[
    proxy_pass http://127.0.0.1:%{upstream_port};
  }
  location /content {
]] .. HANDLERS .. [[
    content_by_lua_block { require("plugins").run("content") }
  }
]]

local UPSTREAM = [[
server {
  listen 127.0.0.1:%{upstream_port};
  location / {
    content_by_lua_block {
      if require("plugins").run("upstream") == nil then
        ngx.header["X-Upstream"] = "yes"
        ngx.print("upstream")
      end
    }
  }
}
]]


--- Writes the code of a case to files. Returns the header that names the case.
local function prepare(self, case)
  local codes = { content = case.content, upstream = case.upstream }
  for _, name in ipairs { "one", "two", "three", "other" } do
    for phase, code in pairs(case[name] or {}) do
      codes[name .. "." .. phase] = code
    end
  end
  return "Case: " .. stages.store(self, codes)
end


--- Sends one request, and waits for its log phase. A case has the fields of `server:request`, and
-- code. `r.notes` has the notes, and `r.log` has the new lines of nginx's log.
local function run(self, case)
  local header = prepare(self, case)
  self:clear_log()
  local r = self:request(stages.merge(case, {
    headers = { header, unpack(case.headers or {}) },
  }))
  r.ended = self:wait_log("ended <<" .. self.cases .. ">>", 3) ~= nil
  r.log = self:log()
  r.notes = {}
  for note in r.log:gmatch("noted <<(.-)>>") do
    r.notes[#r.notes + 1] = note
  end
  return r
end


local _M = {
  --- The directives of a location with the plugins.
  HANDLERS = HANDLERS,
}


--- Makes a case in which all three plugins have the same code for a phase.
function _M.all(phase, code)
  return { one = { [phase] = code }, two = { [phase] = code }, three = { [phase] = code } }
end


--- Starts a server, with the options of `nginx.start`.
function _M.start(options)
  local settings = stages.merge(options or {})
  settings.init = (settings.init or "") .. INIT
  settings.locations = LOCATIONS .. (settings.locations or "")
  settings.servers = UPSTREAM .. (settings.servers or "")
  settings.files = stages.merge({
    ["plugins.lua"] = PLUGINS, ["phase_code.lua"] = nginx.read "phase_code.lua",
  }, settings.files)

  local server = nginx.start(settings)
  server.prepare, server.run = prepare, run
  return server
end


return _M
