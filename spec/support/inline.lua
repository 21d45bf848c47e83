--- Lua for the phases of a request, written in the spec beside its expectation.
--
--     server = nginx.start(inline.options {
--       locations = inline.location("= /content", inline.phase "content"),
--     })
--     local r, notes = inline.ask(server, "/content", {
--       content = [[ngx.print("a")]],
--       body_filter = [[note(response.get_raw_body())]],
--     })
--
-- The code travels in the query string, so that it also reaches an upstream and subrequests. It
-- sees `response` (the library) and `note`, which collects values for the spec: strings as they
-- are, anything else as "(nil)", "(true)" ... Errors name the phase: `body_filter.lua:1:`.

local nginx = require "spec.support.nginx"


local concat = table.concat
local format = string.format


local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }


local SERVER_SIDE = [==[
local phase_code = require "phase_code"
local response = require "kong.response"


local notes = {}

local _M = {}


function _M.note(...)
  phase_code.add_notes(notes, ...)
end


function _M.run(phase)
  local code = ngx.var["arg_" .. phase]
  phase_code.inline(phase, code and ngx.unescape_uri(code), response, _M.note)
end


function _M.take()
  for i, value in ipairs(notes) do
    notes[i] = string.format("%q", value)
  end
  local text = "return {" .. table.concat(notes, ",") .. "}"
  notes = {}
  return text
end


return _M
]==]


local _M = {}


local function escape(text)
  return (text:gsub("[^%w_.]", function(char)
    return format("%%%02x", char:byte())
  end))
end


--- A path with the code of the phases in its query string.
function _M.path(path, phases)
  local arguments = {}
  for phase, code in pairs(phases) do
    arguments[#arguments + 1] = phase .. "=" .. escape(code)
  end
  table.sort(arguments)
  return path .. "?" .. concat(arguments, "&")
end


--- The directive that runs the code which came for `phase`.
function _M.phase(phase, directive)
  return format('%s_by_lua_block { require("phases").run("%s") }\n', directive or phase, phase)
end


--- A location in which all phases but content run the code that came for them.
function _M.location(match, directives)
  local lines = {}
  for _, phase in ipairs(PHASES) do
    lines[#lines + 1] = _M.phase(phase)
  end
  return "location " .. match .. " {\n" .. concat(lines) .. (directives or "") .. "\n}\n"
end


--- Completes the options of `nginx.start`.
function _M.options(options)
  options.files = options.files or {}
  options.files["phases.lua"] = SERVER_SIDE
  options.files["phase_code.lua"] = nginx.read "phase_code.lua"
  options.http = "large_client_header_buffers 4 32k;\n" .. (options.http or "")
  options.locations = (options.locations or "") .. [[
    location = /notes {
      content_by_lua_block { ngx.print(require("phases").take()) }
    }
  ]]
  return options
end


--- What was noted since the last time.
function _M.notes(server)
  return assert(loadstring(server:get("/notes").body))()
end


--- Sends a request with code for its phases; `options` are those of `server:request`. Returns the
-- response and the notes.
function _M.ask(server, path, phases, options)
  local spec = { path = _M.path(path, phases) }
  for name, value in pairs(options or {}) do
    spec[name] = value
  end
  local r = server:request(spec)
  return r, _M.notes(server)
end


--- Asks until `expected` notes are there: for code that runs after the response has been sent.
function _M.wait_notes(server, expected, seconds)
  local notes = {}
  nginx.wait_until(seconds or 5, function()
    for _, value in ipairs(_M.notes(server)) do
      notes[#notes + 1] = value
    end
    return #notes >= expected
  end)
  return notes
end


--- The lines of the error log that no spec wants to see.
function _M.alarms(server)
  local lines = {}
  for line in server:log():gmatch("[^\n]+") do
    if line:find("%[alert%]") or line:find("%[emerg%]") or line:find("%[crit%]")
      or line:find("exited on signal", 1, true) or line:find("unknown reason", 1, true)
      or line:find("panicked at", 1, true)
    then
      lines[#lines + 1] = line
    end
  end
  return lines
end


return _M
