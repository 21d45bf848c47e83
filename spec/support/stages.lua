--- A server that runs the Lua code of a spec in each phase. So a spec has the code and the expected
-- results next to each other.
--
--     local r = server:run {
--       access = "response.exit(403)",
--       header_filter = "return response.get_source()",
--       headers = { "Accept: text/html" },
--     }
--     assert.equal(403, r.status)
--     assert.same({ "exit" }, r.seen.header_filter)
--
-- A case has the fields of `server:request` (see `nginx.lua`) and code: rewrite, access, content,
-- balancer, header_filter, body_filter, log, and upstream, which answers as the upstream.
--
-- The code sees `response` (the library), `note(...)`, which records values, and `fails(f, ...)`,
-- which returns the error of f, or false. The values that the code returns are also recorded.
-- Messages name the file `plugin.lua`, and the first line of the code is line 1.
--
-- `r.seen[phase]` has the recorded values of a phase. `r.notes` has those of all phases in their
-- order, with the string "(nil)" for nil. `r.errors[phase]` has the error of a phase, which nginx
-- also gets. `run` fails for an error, unless the case has `raises = true`.
--
-- Paths: the code for `content` answers `/`. The upstream answers `/proxied`, `/balanced` and
-- `/underscores`, where names keep underscores. The upstream of `/broken` refuses connections. A
-- case without a path has the path `/` if it has code for `content`, otherwise `/balanced`. Specs
-- can add locations.

local nginx = require "spec.support.nginx"


local PHASES = {
  "set", "rewrite", "access", "content", "balancer", "header_filter", "body_filter", "log",
  "upstream",
}

local DRIVER = [==[
local phase_code = require "phase_code"

local response = require "kong.response"
local gateway = rawget(_G, "kong") ~= nil

local _M = {}

local function ignore()
end

local function path_of(case)
  return "%{dir}/case." .. case .. "."
end

function _M.run(phase)
  local case = ngx.var.arg_case
  local code, record = nil, ignore
  if case then
    code = phase_code.read(path_of(case) .. phase)
    -- The records of a subrequest belong to the main request.
    record = phase_code.recorder(path_of(ngx.var.request_uri:match("[?&]case=(%d+)") or case))
  end
  phase_code.run(phase, code, response, record, gateway and phase ~= "upstream")
end

function _M.log()
  local ok, err = pcall(_M.run, "log")
  local case = ngx.var.arg_case
  if case then
    phase_code.finish(path_of(case))
  end
  if not ok then
    error(err, 0)
  end
end

return _M
]==]


--- Returns the directive that runs the code of a case for `phase`.
local function phase_directive(phase, directive)
  return ('%s_by_lua_block { require("stages").run("%s") }\n'):format(directive or phase, phase)
end


local HTTP = [[
large_client_header_buffers 4 128k;
upstream balanced {
  server 0.0.0.1;
  balancer_by_lua_block {
    require("stages").run("balancer")
    assert(require("ngx.balancer").set_current_peer("127.0.0.1", %{upstream_port}))
  }
}
]]

local LOCATIONS = "location / {\n" .. phase_directive "content" .. "}\n" .. [[
location /proxied {
  proxy_http_version 1.1;
  proxy_pass http://127.0.0.1:%{upstream_port};
}
location /balanced {
  proxy_http_version 1.1;
  proxy_pass http://balanced;
}
location /underscores {
  lua_transform_underscores_in_response_headers off;
  proxy_http_version 1.1;
  proxy_pass http://balanced;
}
location /broken {
  proxy_pass http://127.0.0.1:%{refused_port};
}
]] .. phase_directive "rewrite" .. phase_directive "access" .. phase_directive "header_filter"
  .. phase_directive "body_filter" .. [[log_by_lua_block { require("stages").log() }]] .. "\n"

local UPSTREAM = [[
server {
  listen 127.0.0.1:%{upstream_port};
  default_type text/plain;
  %{upstream_directives}
  location / {
    # not those of the level http
    add_header X-Empty "";
    ]] .. phase_directive("upstream", "content") .. [[
  }
}
]]


local _M = {
  --- The directive that runs the code of a phase: `stages.phase "content"` for a location.
  phase = phase_directive,
}


--- A location: `stages.location("= /x", "return 204;")`.
function _M.location(match, directives)
  return "location " .. match .. " {\n" .. directives .. "\n}\n"
end


--- Writes the code of a case to files of the server.
-- @tparam table codes the code by name
-- @treturn number the number of the case
function _M.store(server, codes)
  server.cases = (server.cases or 0) + 1
  for name, code in pairs(codes) do
    local file = assert(io.open(("%s/case.%d.%s"):format(server.dir, server.cases, name), "wb"))
    file:write(code)
    file:close()
  end
  return server.cases
end


--- Returns the code of a case, by phase.
function _M.codes_of(case)
  local codes = {}
  for _, phase in ipairs(PHASES) do
    codes[phase] = case[phase]
  end
  return codes
end


--- Waits for the end of the log phase of a case.
function _M.wait(server, number)
  nginx.wait_until(5, function()
    local done = io.open(("%s/case.%d.done"):format(server.dir, number), "rb")
    return done and done:close()
  end)
end


--- Calls `record(phase, ...)` for everything that a case has recorded.
function _M.read_report(server, number, record)
  local file = io.open(("%s/case.%d.report"):format(server.dir, number), "rb")
  if file then
    local chunk = assert(loadstring(file:read("*a")))
    file:close()
    setfenv(chunk, { record = record })()
  end
end


--- Returns the default path of a case.
function _M.path_of(case)
  return case.path or case.content and "/" or "/balanced"
end


--- Returns the path of a case, with its number in the query.
function _M.target_of(case, number)
  local path = _M.path_of(case)
  return path .. (path:find("?", 1, true) and "&" or "?") .. "case=" .. number
end


--- Returns the records of a case.
local Records = {}
Records.__index = Records


function _M.records()
  return setmetatable({ seen = {}, notes = {}, errors = {}, counts = {} }, Records)
end


function Records:add(phase, ...)
  local failed = phase:match("^error (.*)")
  if failed then
    self.errors[failed] = (...)
    return
  end
  local list, count = self.seen[phase] or {}, self.counts[phase] or 0
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    list[count + i] = value
    self.notes[#self.notes + 1] = value == nil and "(nil)" or value
  end
  self.seen[phase], self.counts[phase] = list, count + select("#", ...)
end


--- Adds the records to a response. Fails for errors, unless the case allows them.
function _M.finish(case, r, records)
  r.seen, r.notes, r.errors = records.seen, records.notes, records.errors
  local phase, err = next(r.errors)
  if phase and not case.raises then
    error(phase .. ": " .. tostring(err), 3)
  end
  return r
end


--- Returns the case with the fields of `more`.
function _M.merge(case, more)
  local merged = {}
  for key, value in pairs(case) do
    merged[key] = value
  end
  for key, value in pairs(more or {}) do
    merged[key] = value
  end
  return merged
end


--- Adds a case to the server. Returns the path and query of requests that run its code.
local function target(self, case)
  return _M.target_of(case, _M.store(self, _M.codes_of(case)))
end


local function records_of(self, number)
  local records = _M.records()
  _M.read_report(self, number, function(...)
    records:add(...)
  end)
  return records
end


--- Sends one request that runs the code of a case, and waits for the end of its log phase. `more`
-- has further fields.
local function run(self, case, more)
  local request = _M.merge(case, more)
  request.path = self:target(request)
  local number = self.cases
  local r = self:request(request)
  _M.wait(self, number)
  return _M.finish(request, r, records_of(self, number))
end


--- Waits until the last case has `count` (1) notes, and returns them. For code that runs after the
-- log phase.
local function noted(self, count)
  local notes
  nginx.wait_until(5, function()
    notes = records_of(self, self.cases).notes
    return #notes >= (count or 1)
  end)
  return notes
end


--- Starts a server with the options of `nginx.start`. `gateway = true` adds the global `kong` and,
-- in every phase except content, `ngx.ctx.KONG_PHASE`. `jit = false` turns the JIT off.
-- `upstream_directives` are for the upstream.
function _M.start(options)
  local settings = _M.merge(options or {})
  settings.http = HTTP .. (settings.http or "")
  settings.locations = LOCATIONS .. (settings.locations or "")
  settings.servers = UPSTREAM:gsub("%%{upstream_directives}", settings.upstream_directives or "")
    .. (settings.servers or "")
  settings.files = _M.merge(settings.files or {}, {
    ["stages.lua"] = DRIVER, ["phase_code.lua"] = nginx.read "phase_code.lua",
  })
  settings.init = (settings.jit == false and "jit.off() " or "")
    .. (settings.gateway and "kong = { ctx = {} } " or "") .. (settings.init or "")

  local server = nginx.start(settings)
  server.target, server.run, server.noted = target, run, noted
  return server
end


--- Starts a server, calls `use(server)` and stops the server, even after an error.
function _M.once(options, use)
  nginx.use(_M.start(options), use)
end


return _M
