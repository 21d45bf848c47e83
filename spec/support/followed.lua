--- Follows the documents like a new user: saves the files and runs the commands. But it uses a
-- temporary folder, free ports, and the tested library.

local assert = require "luassert"

local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"


local ATTEMPTS = 5


local _M = {}


--- Runs a shell command. Returns its output and its exit code.
local function capture(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; printf '\\nexit %d' $?"))
  local output = pipe:read("*a")
  pipe:close()
  local text, exit = output:match("^(.*)\nexit (%d+)$")
  return text, tonumber(exit)
end


local binary = os.getenv("NGINX")
  or capture("command -v nginx || echo /usr/sbin/nginx"):gsub("\n", "")


--- Changes a command to behave as in a reader's terminal: without the variable NGINX, from which
-- nginx reads inherited sockets, and without curl's progress meter.
local function in_folder(dir, command)
  return capture("cd " .. dir .. " && unset NGINX && export CURL_HOME=$PWD && " .. command)
end
_M.in_folder = in_folder


--- Returns a configuration of a document with the paths of this machine: the modules of nginx, the
-- temporary files, and the user of the workers.
local function fit(text, dir)
  local modules = capture(binary .. " -V"):match("%-%-modules%-path=(%S+)") or ""
  text = text:gsub("load_module [^\n]*/([^/\n]+);\n", function(module)
    local path = modules .. "/" .. module
    return documents.text(path) and "load_module " .. path .. ";\n" or ""
  end)
  local temporary = {}
  for _, name in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
    temporary[#temporary + 1] = name .. "_temp_path " .. dir .. "/" .. name .. ";"
  end
  text = text:gsub("\nhttp {\n", "\nhttp {\n" .. table.concat(temporary, "\n") .. "\n")
  return (capture("id -u") == "0\n" and "user root;\n" or "") .. text
end


local function save(dir, files, change)
  for name, text in pairs(files) do
    capture("mkdir -p " .. dir .. "/" .. (name:match("^(.*)/") or ""))
    local file = assert(io.open(dir .. "/" .. name, "wb"))
    file:write(change(name, text))
    file:close()
  end
end


local function with_library(text)
  return (text:gsub("/usr/local/share/lua/5%.1", nginx.lualib))
end


--- Saves the files, starts nginx with the command of the document, and calls `use(own, dir)`. `own`
-- replaces the document's ports and library with those of the test.
function _M.with_nginx(document, files, start, use)
  local dir = capture("mktemp -d"):gsub("\n", "")
  files[".curlrc"] = 'silent\nshow-error\nnoproxy = "*"\nmax-time = 10\n'
  local started, output, own
  for _ = 1, ATTEMPTS do
    os.remove(dir .. "/error.log")
    local gateway, upstream = nginx.free_ports(2)
    function own(text)
      return (with_library(text):gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. gateway)
        :gsub("127%.0%.0%.1:8081", "127.0.0.1:" .. upstream))
    end
    save(dir, files, function(name, text)
      return own(name == "nginx.conf" and fit(text, dir) or text)
    end)
    local exit
    output, exit = in_folder(dir, start:gsub("^%l+", binary))
    started = exit == 0
    if started or not output:find("Address already in use", 1, true) then
      break
    end
  end
  local ok, err = pcall(function()
    assert.is_true(started, document.path .. ": " .. output)
    use(own, dir)
  end)
  if started then
    in_folder(dir, "kill $(cat nginx.pid)")
    -- nginx removes this file at its end.
    in_folder(dir, "for i in $(seq 100); do [ -e nginx.pid ] || break; sleep 0.05; done")
  end
  local log = documents.text(dir .. "/error.log")
  capture("rm -rf " .. dir)
  if not ok then
    error(err, 0)
  end
  -- The example of docs/nginx.md logs the status of each request.
  assert.equal("", ((log or ""):gsub("[^\n]* log%(%): the client got %d+ [^\n]*\n", "")))
end


--- Runs the commands that the document shows after `$`, and expects the output that it shows.
function _M.run_commands(document, pattern, own, dir)
  local count = 0
  for _, shown in ipairs(documents.commands(document)) do
    if shown.command:find(pattern) then
      count = count + 1
      local output = in_folder(dir, own(shown.command))
      -- The document always shows a newline at the end of the output.
      output = output:gsub("([^\n])$", "%1\n")
      assert.equal(shown.output, output, document.path .. ":" .. shown.line)
    end
  end
  return count
end


--- Runs the commands that the document shows after `$ busted`, and expects success and the shown
-- line.
function _M.run_busted(document, own, dir)
  local count = 0
  for _, shown in ipairs(documents.commands(document)) do
    if shown.command:find("^busted") then
      count = count + 1
      local output, exit = in_folder(dir, own(shown.command))
      assert.equal(0, exit, output)
      assert.matches(shown.output:gsub("\n$", ""), output, 1, true)
    end
  end
  return count
end


--- Returns the configuration with a part replaced: from one line to the end of another.
function _M.replace(conf, from, to, text)
  local first = assert(conf:find(from, 1, true), from)
  local _, last = conf:find(to, first, true)
  return conf:sub(1, first - 1) .. text .. conf:sub(last + 1)
end


return _M
