-- Every line that is logged at the level of warnings, and the option that turns them off.

local hosts = require "spec.support.hosts"


local GRPC = { http2 = true, headers = { "Content-Type: application/grpc" } }

-- Calls of the functions of `own`, by the beginning of the only line in the log.
local CASES = {
  ["manually setting Transfer-Encoding. Ignored."] = {
    { access = "own.set_header('Transfer-Encoding', 'chunked')" },
    { access = "own.add_header('transfer_encoding', 'chunked')" },
    { access = "own.set_headers({ ['Transfer-Encoding'] = 'chunked' })" },
    { header_filter = "own.set_header('Transfer-Encoding', 'chunked')" },
    { access = "own.exit(200, 'x', { ['Transfer-Encoding'] = 'chunked' })" },
    { access = "own.error(400, 'x', { ['Transfer-Encoding'] = 'chunked' })" },
    { access = [[
      ngx.ctx.delay_response = true
      coroutine.wrap(own.exit)(200, "x", { ["Transfer-Encoding"] = "chunked" })
      ngx.ctx.delay_response = nil
      ngx.ctx.delayed_response_callback(ngx.ctx)
    ]] },
  },
  ["changing Content-Length before the response is made. Ignored."] = {
    { access = "own.set_header('Content-Length', 5)" },
    { access = "own.add_header('Content-Length', 5)" },
    { access = "own.set_headers({ ['Content-Length'] = 5 })" },
    { access = "own.clear_header('Content-Length')" },
  },
  ["Content-Length 5 does not match the body's 1 bytes: corrected"] = {
    { access = "own.exit(200, 'x', { ['Content-Length'] = 5 })" },
    { content = "own.exit(200, 'x', { ['Content-Length'] = 5 })" },
  },
  ["body was removed because table body encoding with gRPC is not supported"] = {
    { access = "own.exit(200, {})", request = GRPC },
    { content = "own.exit(200, {})", request = GRPC },
  },
  ["get_raw_body lets the body pass: body is larger than max_body_size (4 bytes)"] = {
    { content = "ngx.print('12345')", body_filter = "own.get_raw_body()" },
  },
  ["get_raw_body read a body with Content-Encoding: gzip"] = {
    {
      content = "ngx.header.content_encoding = 'gzip' ngx.print('\\31\\139..')",
      body_filter = "own.get_raw_body()",
    },
  },
  ["Content-Encoding: gzip was left in place, and set_raw_body replaced the body"] = {
    {
      upstream = "ngx.header.content_encoding = 'gzip' ngx.print('1')",
      body_filter = "own.set_raw_body('2')",
    },
  },
  ["Content-Length: 1 was left in place, and set_raw_body made the body 2 bytes"] = {
    {
      content = "ngx.header.content_length = 1 ngx.print('1')",
      body_filter = "own.set_raw_body('22')",
    },
  },
}

-- The instances, one for each set of options. In memory, each request makes new ones.
local OWN = [[
  own = rawget(_G, %q)
  if not own then
    own = require("kong.response.instance").new { max_body_size = 4, warnings = %s, log = %s }
    rawset(_G, %q, own)
  end
]]

local LOG = "function(level, text) ngx.log(ngx.NOTICE, level, ' told: ', text) end"


hosts.each("warnings", {
  both_bindings = true,
  locations = { ["= /content"] = {}, ["= /proxy"] = { upstream = true } },
}, function(server)
  local PHASES = { "access", "content", "header_filter", "body_filter" }

  -- Runs a case with an instance of these options. Returns its warnings in the log.
  local function told(case, name, warnings, log)
    local phases = { upstream = case.upstream, content = "ngx.print('1')" }
    for _, phase in ipairs(PHASES) do
      if case[phase] then
        -- The log has each warning once for each line, so each log function gets another line.
        phases[phase] = "local own " .. OWN:format(name, warnings, log, name)
          .. ("\n"):rep(#log) .. case[phase]
      end
    end
    local request = {}
    for key, value in pairs(case.request or {}) do
      request[key] = value
    end
    request.headers = { "Connection: close", unpack(request.headers or {}) }
    request.max_time = 5
    server:clear_log()
    request.path = case.upstream and "/proxy" or "/content"
    local r = server:run(phases, request)
    local lines = {}
    for line in server:log():gmatch("[^\n]+") do
      local text = line:match("5 told: (.*)") or line:match("%[warn%](.*)")
      if text then
        lines[#lines + 1] = text
      end
    end
    return lines, r
  end

  for text, cases in pairs(CASES) do
    for i, case in ipairs(cases) do
      it(("name the line and obey the option warnings: %s (%d)"):format(text, i), function()
        -- The gateway sends a delayed response.
        local is_delayed = (case.access or ""):find("delayed_response_callback", 1, true)
        for _, log in ipairs { "nil", LOG } do
          local lines, r = told(case, "telling" .. #log, true, log)
          assert.equal(1, #lines, table.concat(lines, "\n"))
          local at = lines[1]:find(text, 1, true)
          assert.truthy(at, lines[1])
          local has_line = lines[1]:sub(1, at - 1):find("plugin%.lua:%d+: $") ~= nil
          assert.equal(not is_delayed, has_line, lines[1])
          local none, silent = told(case, "silent" .. #log, false, log)
          assert.same({}, none)
          assert.equal(r.status, silent.status)
          assert.equal(#r.body, #silent.body)
        end
      end)
    end
  end
end)
