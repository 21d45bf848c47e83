--- `gateway = false`: the client gets the same response as from nginx with the configuration of
-- docs/lifecycle.md. This spec has the cases in which nginx redirects to the error page, or closes
-- the connection.

local lifecycle = require "spec.support.lifecycle"
local served = require "spec.support.served"
local testing = require "kong.response.testing"


local PAGES = [[
  default_type "";
  proxy_http_version 1.1;
  error_page 403 500 502 503 504 @error_page;
  location @error_page {
    content_by_lua_block { lifecycle.error_page() }
  }
]]

local UPSTREAM = [[
  ngx.header.ETag, ngx.header["Content-Type"] = '"1"', "text/plain"
  local text = ngx.req.get_headers()["X-Size"] and ("u"):rep(2000) or "upstream"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
  return true
]]

local PIECES = [[
  ngx.header["Content-Type"] = "text/plain"
  for _ = 1, 2 do
    ngx.print("piece")
    ngx.flush(true)
    ngx.sleep(0.05)
  end
  return true
]]

local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }

-- What a plugin sees of the response that replaces nginx's page.
local NOTES = {
  header_filter = [[
    note("header_filter", kong.response.get_source(), ngx.status, ngx.ctx.KONG_PHASE,
         kong.ctx.shared.own, kong.response.get_header("Content-Type"))
  ]],
  log = [[
    note("log", kong.response.get_source(), ngx.status, ngx.ctx.KONG_EXITED, ngx.ctx.own)
  ]],
}

-- Fails when the body filter runs for the n-th time.
local function fails_at(n)
  return ([[
    ngx.ctx.n = (ngx.ctx.n or 0) + 1
    if ngx.ctx.n == %d then
      error("no beans")
    end
  ]]):format(n)
end

local BIG_HEAD = "kong.response.set_header('X-Big', ('x'):rep(1460))"


-- Each case has the code of the phases, and fields of a request.
local CASES = {}

for _, phase in ipairs { "rewrite", "access", "header_filter" } do
  for _, code in ipairs {
    "kong.response.exit(403)", "kong.response.exit(404)", "kong.response.exit(500)",
    "kong.response.exit(502)", "kong.response.exit(503)", "kong.response.exit(504)",
    "kong.response.exit(204)", "kong.response.exit(302)", "kong.response.exit(413)",
    "kong.response.exit(403, '')", "kong.response.error(503, 'no')", "error('boom')",
    "ngx.exit(403)", "ngx.exit(404)", "ngx.exit(500)", "ngx.exit(502)", "ngx.exit(413)",
    [[kong.response.exit(403, nil, { ["Content-Type"] = "text/x", ETag = "1", ["X-A"] = "2" })]],
  } do
    CASES[code .. " in " .. phase] = {
      [phase] = "ngx.ctx.own, kong.ctx.shared.own = 1, 2 return " .. code, notes = true,
    }
  end
  for name, request in pairs {
    ["a HEAD request"] = { method = "HEAD" },
    ["a POST request"] = { method = "POST", body = "beans" },
    ["a client of HTTP/1.0"] = { http_version = "1.0" },
    ["a client that closes the connection"] = { headers = { "Connection: close" } },
    ["a client that wants HTML"] = { headers = { "Accept: text/html" } },
  } do
    for _, status in ipairs { 403, 500 } do
      local case = { [phase] = ("return kong.response.exit(%d)"):format(status), notes = true }
      for field, value in pairs(request) do
        case[field] = value
      end
      CASES[("exit with %d in %s for %s"):format(status, phase, name)] = case
    end
  end
end

for name, code in pairs {
  ["exits with the same status"] = "kong.response.exit(403)",
  ["exits with a page of its own"] = "kong.response.exit(502)",
  ["exits with a body"] = "kong.response.exit(502, 'no')",
  ["makes nginx exit"] = "ngx.exit(404)",
  ["makes nginx exit with a page"] = "ngx.exit(502)",
  ["fails"] = "error('boom')",
  ["changes the headers"] = "kong.response.set_headers { ['X-A'] = '1', ['Content-Type'] = 'a/b' }",
} do
  CASES["the header filter of an error page that " .. name] = {
    access = "return kong.response.exit(403)", header_filter = "return " .. code,
  }
end

for n = 1, 3 do
  for name, case in pairs {
    ["an exit"] = { access = "return kong.response.exit(403, 'no')" },
    ["a long exit"] = { access = "return kong.response.exit(403, ('x'):rep(2000))" },
    ["an exit with a long head"] = {
      access = "return kong.response.exit(403, 'no')", header_filter = BIG_HEAD,
    },
    ["an error page"] = { access = "return kong.response.exit(403)" },
    ["a page of nginx"] = { access = "return kong.response.exit(404)" },
    ["printed output"] = { access = "ngx.print('a') ngx.print('b') return ngx.exit(200)" },
    ["flushed output"] = {
      access = "ngx.print('a') ngx.flush() ngx.print('b') return ngx.exit(200)",
    },
    ["an upstream"] = {},
    ["an upstream with a long body"] = { headers = { "X-Size: 2000" } },
    ["an upstream with a long head"] = { header_filter = BIG_HEAD },
    ["an upstream with several chunks"] = { pieces = true },
    ["an upstream whose chunks change"] = {
      body_filter = "ngx.arg[1] = ngx.arg[1] .. '!'", pieces = true,
    },
  } do
    case.body_filter = (case.body_filter or "") .. " " .. fails_at(n)
    CASES[("%s with a body filter that fails in call %d"):format(name, n)] = case
  end
end

for name, code in pairs {
  ["ngx.exit(444)"] = "ngx.exit(444)", ["ngx.exit(ngx.ERROR)"] = "ngx.exit(ngx.ERROR)",
  ["an error"] = "error('boom')",
} do
  CASES[name .. " after output"] = { access = "ngx.print('a') " .. code }
  CASES[name .. " after flushed output"] = {
    access = "ngx.print('a') ngx.flush() ngx.print('b') " .. code,
  }
end


local function in_memory(case, codes)
  local notes, plugin, headers = {}, {}, {}
  local function note(...)
    local texts = { ... }
    for i = 1, select("#", ...) do
      texts[i] = tostring(texts[i])
    end
    notes[#notes + 1] = table.concat(texts, " ")
  end
  for phase, code in pairs(codes) do
    local chunk = assert(loadstring("local note = ... " .. code, "@" .. phase))
    plugin[phase] = function()
      return chunk(note)
    end
  end
  for i, line in ipairs(case.headers or {}) do
    headers[i] = { line:match("^(.-): (.*)$") }
  end
  local text = case.headers and case.headers[1] == "X-Size: 2000" and ("u"):rep(2000) or "upstream"
  local result = testing.run {
    gateway = false, strict = false, plugin = plugin, name = "one", nginx_version = "1.22.1",
    request = {
      method = case.method, body = case.body, headers = headers,
      http_version = tonumber(case.http_version),
    },
    upstream = case.pieces and {
      headers = { ["Content-Type"] = "text/plain", ["Transfer-Encoding"] = "chunked" },
      body = { "piece", "piece" },
    } or { headers = { ETag = '"1"', ["Content-Type"] = "text/plain" }, body = text },
  }
  return {
    status = not result.closed and result.status or nil, headers = result.headers,
    body = result.body, broken = result.closed or result.truncated, notes = notes,
  }
end


-- Returns an answer without the parts that always differ.
local function comparable(answer)
  local body = (answer.body or ""):gsub(("%x"):rep(32), "<id>"):gsub("nginx/[%d.]+", "nginx")
  local lines = {}
  for _, header in ipairs(answer.headers) do
    local name, value = header[1], header[2]
    -- nginx's page has its version.
    if name == "Content-Length" and body:find("<center>nginx</center>", 1, true) then
      value = "of nginx's page"
    end
    if name ~= "Server" and name ~= "Date" then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  table.sort(lines)
  return { answer.status, lines, body, answer.broken, answer.notes }
end


served.describe("without a gateway, the kit sends what nginx sends:", function()
  return lifecycle.start { locations = PAGES }
end, function(server)
  for name, case in pairs(CASES) do
    it(name, function()
      local codes = {}
      for _, phase in ipairs(PHASES) do
        local noted = case.notes and NOTES[phase]
        codes[phase] = (noted or case[phase]) and (noted or "") .. (case[phase] or "") or nil
      end
      local r = server:run {
        path = "/", method = case.method, body = case.body, headers = case.headers,
        http_version = case.http_version, one = codes,
        upstream = case.pieces and PIECES or UPSTREAM,
      }
      r.broken = r.exit ~= 0
      assert.same(comparable(r), comparable(in_memory(case, codes)))
    end)
  end
end)
