-- The phases of a plugin have the same results in the kit and in nginx.

local nginx = require "spec.support.nginx"
local testing = require "kong.response.testing"
local served = require "spec.support.served"


local CHUNKED = { status = 200, headers = { ["X-Up"] = "1" }, body = { "one ", "two" } }
local PLAIN = { status = 200, headers = { ["Content-Type"] = "text/plain" }, body = "upstream" }

-- Answers that break off: the kit's, and what the upstream of nginx sends before it closes.
local BROKEN = {
  ["BROKEN-PLAIN"] = {
    upstream = {
      headers = { ["Content-Type"] = "text/plain" }, body = "upstream", failure = "cut_off",
    },
    bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nupst",
  },
  ["BROKEN-CHUNKED"] = {
    upstream = { headers = { ["X-Up"] = "1" }, body = { "one ", "two" }, failure = "cut_off" },
    bytes = "HTTP/1.1 200 OK\r\nX-Up: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none \r\n",
  },
}

local READ = [[
  local body = kong.response.get_raw_body()
  if body then kong.response.set_raw_body(body:upper()) end
]]

-- The code of handlers, by phase. What they note has to be the same, too.
local CASES = {
  ["nothing"] = {},
  ["exit in access"] = { access = "kong.response.exit(403, 'no', { A = 'b' }) note 'ran on'" },
  ["exit in rewrite"] = { rewrite = "kong.response.exit(403, { a = 1 }) note 'ran on'" },
  ["exit without a body"] = { access = "kong.response.exit(404, nil, { ETag = 'x', A = 'b' })" },
  ["exit 200 without a body"] = { access = "kong.response.exit(200)" },
  ["exit 201 without a body"] = { access = "kong.response.exit(201)" },
  ["exit 204"] = { access = "kong.response.exit(204)" },
  ["exit 204 with a body"] = { access = "kong.response.exit(204, 'x')" },
  ["exit 301"] = { access = "kong.response.exit(301, nil, { Location = '/x' })" },
  ["exit 304"] = { access = "kong.response.exit(304)" },
  ["exit 418 without a body"] = { access = "kong.response.exit(418)" },
  ["exit 500 without a body"] = { access = "kong.response.exit(500)" },
  ["exit with an empty body"] = { access = "kong.response.exit(403, '')" },
  ["exit with another length"] = {
    access = "kong.response.exit(200, 'abc', { ['Content-Length'] = 7 })",
  },
  ["error"] = { access = "kong.response.error(404)" },
  ["exit in header_filter"] = {
    header_filter = "kong.response.exit(403, 'no') note 'ran on'",
  },
  ["exit in header_filter without a body"] = { header_filter = "kong.response.exit(403)" },
  ["exit in header_filter with a length"] = {
    header_filter = "kong.response.exit(403, nil, { ['Content-Length'] = 7 })",
  },
  ["error in header_filter"] = { header_filter = "kong.response.error(503)" },
  ["exit in both"] = {
    access = "kong.response.exit(403, 'no', { A = 'b' })",
    header_filter = "kong.response.exit(402, 'other')",
  },
  ["exit in both, without a body in access"] = {
    access = "kong.response.exit(403, nil, { A = 'b' })",
    header_filter = "kong.response.exit(402, 'other')",
  },
  ["status and headers in access"] = {
    access = "kong.response.set_status(404) kong.response.set_header('A', 'b')",
  },
  ["headers in header_filter"] = {
    header_filter = [[
      kong.response.set_headers { Server = "x", ["Content-Type"] = "a/b", C = { "1", "2" } }
      kong.response.clear_header("X-Up")
      kong.response.set_status(299)
    ]],
  },
  ["204 in header_filter"] = { header_filter = "kong.response.set_status(204)" },
  ["body transformed"] = {
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = READ,
  },
  ["body of an exit transformed"] = {
    access = "kong.response.exit(200, 'abc')",
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = READ,
  },
  ["nginx's own page transformed"] = {
    access = "kong.response.exit(404)",
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = READ,
  },
  ["empty body set"] = {
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = "if kong.response.get_raw_body() then kong.response.set_raw_body('') end",
  },
  ["length left in place"] = {
    body_filter = [[
      if kong.response.get_raw_body() then kong.response.set_raw_body("much longer than that") end
    ]],
  },
  ["chunks dropped"] = {
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = "if ngx.arg[1] == 'one ' then ngx.arg[1] = nil end",
  },
  ["end set early"] = {
    header_filter = "kong.response.clear_header('Content-Length')",
    body_filter = "ngx.arg[2] = true ngx.arg[1] = 'x'",
  },
  ["boom in rewrite"] = { rewrite = "error 'boom'" },
  ["boom in access"] = { access = "kong.response.set_header('A', 'b') error 'boom'" },
  ["boom in header_filter"] = { header_filter = "error 'boom'" },
  ["boom in log"] = { log = "error 'boom'" },
  ["wrong phase"] = {
    access = "note(select(2, pcall(kong.response.get_status)))",
    header_filter = "note(select(2, pcall(kong.response.get_raw_body)))",
    log = "note(select(2, pcall(kong.response.exit, 403)))",
  },
  ["late writes"] = {
    body_filter = "ngx.header.A = 'b' ngx.status = 404",
    log = "ngx.header.A = 'b' ngx.status = 404",
  },
  ["nginx's own functions"] = {
    access = "ngx.status = 202 ngx.header.A = { 'b', 'c' } ngx.say('x', 1) ngx.exit(202)",
  },
  ["nginx's exit"] = { access = "ngx.header.A = 'b' ngx.exit(403)" },
}

local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }

-- The code before each handler: it notes what the handler can read.
local NOTES = {
  header_filter = "note('status', kong.response.get_status(), kong.response.get_source()) ",
  body_filter = "note('chunk', ngx.arg[1], ngx.arg[2]) ",
  log = "note('end', kong.response.get_status(), kong.response.get_source()) ",
}

local PLUGIN = [==[
local texts, note = ...
local plugin = {}
for phase, text in pairs(texts) do
  plugin[phase] = assert(loadstring("local note = ... return function() " .. text .. " end",
                                    "@" .. phase))(note)
end
return plugin
]==]


local function texts_of(case)
  local texts = {}
  for _, phase in ipairs(PHASES) do
    local text = (NOTES[phase] or "") .. (case[phase] or "")
    texts[phase] = text ~= "" and text or nil
  end
  return texts
end


local function source_of(texts)
  local items = {}
  for phase, text in pairs(texts) do
    items[#items + 1] = ("%s = %q"):format(phase, text):gsub("\n", "n")
  end
  return "{ " .. table.concat(items, ", ") .. " }"
end


local function start()
  local plugins = {}
  for name, case in pairs(CASES) do
    plugins[#plugins + 1] = ("[%q] = lifecycle.new { { plugin = build(%s, note) } },\n")
      :format(name, (source_of(texts_of(case))))
  end

  local proxies, broken = {}, {}
  for name, case in pairs(BROKEN) do
    proxies[#proxies + 1] = ("location /%s { proxy_pass http://127.0.0.1:%%{upstream_port}; %%s }")
      :format(name)
    local bytes = ("%q"):format(case.bytes):gsub("\r", "\\r"):gsub("\\\n", "\\n")
    local send = ("content_by_lua_block { ngx.req.socket(true):send(%s) }"):format(bytes)
    broken[#broken + 1] = ("location /%s { %s }"):format(name, send)
  end

  local phases = {}
  for _, phase in ipairs(PHASES) do
    phases[#phases + 1] = ("%s_by_lua_block { require('cases').run('%s') }"):format(phase, phase)
  end
  local run = table.concat(phases, "\n")

  return nginx.start {
    http = [[ default_type ""; proxy_http_version 1.1; server_tokens off; ]],
    files = {
      ["build.lua"] = "return function(...) " .. PLUGIN .. " end",
      ["cases.lua"] = [[
        local lifecycle = require "kong.response.lifecycle"
        local build = require "build"
        local function note(...)
          local notes = {}
          for i = 1, select("#", ...) do
            notes[i] = tostring((select(i, ...)))
          end
          local file = assert(io.open("%{dir}/notes", "ab"))
          file:write(table.concat(notes, " "), "\0")
          file:close()
        end
        local cases = {
          ]] .. table.concat(plugins) .. [[
        }
        local _M = {}
        function _M.run(phase)
          local case = cases[ngx.unescape_uri(ngx.var.arg_case or "")]
          if case then
            case[phase]()
          end
          if phase == "log" then
            assert(io.open("%{dir}/done", "ab")):close()
          end
        end
        return _M
      ]],
    },
    init = [[require "cases"]],
    locations = [[
      location /PLAIN { proxy_pass http://127.0.0.1:%{upstream_port}; ]] .. run .. [[ }
      location /CHUNKED { proxy_pass http://127.0.0.1:%{upstream_port}; ]] .. run .. [[ }
    ]] .. table.concat(proxies, "\n"):gsub("%%s", (run:gsub("%%", "%%%%"))),
    servers = [[
      server {
        listen 127.0.0.1:%{upstream_port};
        location /PLAIN {
          content_by_lua_block {
            ngx.header["Content-Type"] = "text/plain"
            ngx.header["Content-Length"] = 8
            ngx.print("upstream")
          }
        }
        location /CHUNKED {
          content_by_lua_block {
            ngx.header["X-Up"] = "1"
            ngx.print("one ")
            ngx.flush(true)
            ngx.sleep(0.01)
            ngx.print("two")
          }
        }
        ]] .. table.concat(broken, "\n") .. [[
      }
    ]],
  }
end


local function take(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  os.remove(path)
  return text
end


local function lines_of(headers)
  local lines = {}
  for _, header in ipairs(headers) do
    if header[1] ~= "Date" then
      lines[#lines + 1] = header[1] .. ": " .. header[2]
    end
  end
  return lines
end


local function without_id(text)
  return (text:gsub("%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x+", "<id>"))
end


served.describe("the phases", function()
  return start()
end, function(server)
  local function real(name, upstream, method)
    os.remove(server.dir .. "/done")
    os.remove(server.dir .. "/notes")
    local r = server:request {
      path = "/" .. upstream .. "?case=" .. name:gsub("%W", function(byte)
        return ("%%%02X"):format(byte:byte())
      end),
      method = method,
    }
    nginx.wait_until(2, function()
      local file = io.open(server.dir .. "/done")
      return file and file:close()
    end)
    return { r.status, lines_of(r.headers), without_id(r.body),
             without_id(take(server.dir .. "/notes")), r.exit ~= 0 }
  end

  local function memory(name, upstream, method)
    local notes = {}
    local function note(...)
      local texts = {}
      for i = 1, select("#", ...) do
        texts[i] = tostring((select(i, ...)))
      end
      notes[#notes + 1] = table.concat(texts, " ") .. "\0"
    end
    local result = testing.run {
      strict = false,
      plugin = loadstring(PLUGIN)(texts_of(CASES[name]), note),
      request = { method = method },
      upstream = upstream,
    }
    return { result.status, lines_of(result.headers), without_id(result.body),
             without_id(table.concat(notes)), result.truncated }
  end

  for name in pairs(CASES) do
    it("are those of nginx: " .. name, function()
      for _, method in ipairs { "GET", "HEAD" } do
        assert.same(real(name, "PLAIN", method), memory(name, PLAIN, method), method .. " plain")
        assert.same(real(name, "CHUNKED", method), memory(name, CHUNKED, method),
          method .. " chunked")
      end
    end)

    it("are those of nginx if the upstream breaks off: " .. name, function()
      for path, case in pairs(BROKEN) do
        assert.same(real(name, path, "GET"), memory(name, case.upstream, "GET"), path)
      end
    end)
  end
end)
