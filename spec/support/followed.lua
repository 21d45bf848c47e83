--- Does what the documents tell a newcomer to do: saves the files and runs the commands as they
-- stand there, but in a folder and on ports of the test's own, with the library that is tested.

local assert = require "luassert"

local documents = require "spec.support.documents"
local nginx = require "spec.support.nginx"


local ATTEMPTS = 5


local _M = {}


--- What a shell command writes, and how it ends.
local function capture(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1; printf '\\nexit %d' $?"))
  local output = pipe:read("*a")
  pipe:close()
  local text, exit = output:match("^(.*)\nexit (%d+)$")
  return text, tonumber(exit)
end


local binary = os.getenv("NGINX")
  or capture("command -v nginx || echo /usr/sbin/nginx"):gsub("\n", "")


--- As a reader on a terminal has it: nginx takes no socket from a variable of this name, and curl
-- shows no meter.
local function in_folder(dir, command)
  return capture("cd " .. dir .. " && unset NGINX && export CURL_HOME=$PWD && " .. command)
end
_M.in_folder = in_folder


--- A configuration of a document, but for where nginx has its modules here, and for temporary files
-- and rights of workers, about which a reader who is root need not worry.
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


--- Saves the files, starts nginx with the command of the document, and calls `use(own, dir)`, where
-- `own` puts the test's ports and the library in place of the document's.
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
    -- it removes the file when it has ended
    in_folder(dir, "for i in $(seq 100); do [ -e nginx.pid ] || break; sleep 0.05; done")
  end
  local log = documents.text(dir .. "/error.log")
  capture("rm -rf " .. dir)
  if not ok then
    error(err, 0)
  end
  assert.equal("", log or "")
end


--- Runs what the document shows behind `$`, and expects what it shows below.
function _M.run_commands(document, pattern, own, dir)
  local count = 0
  for _, shown in ipairs(documents.commands(document)) do
    if shown.command:find(pattern) then
      count = count + 1
      local output = in_folder(dir, own(shown.command))
      -- what has no newline at the end is shown with one
      output = output:gsub("([^\n])$", "%1\n")
      assert.equal(shown.output, output, document.path .. ":" .. shown.line)
    end
  end
  return count
end


--- Runs what the document shows behind `$ busted`, and expects success and the line that is shown.
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


--- The configuration with a piece of it, from a line to the end of another, replaced.
function _M.replace(conf, from, to, text)
  local first = assert(conf:find(from, 1, true), from)
  local _, last = conf:find(to, first, true)
  return conf:sub(1, first - 1) .. text .. conf:sub(last + 1)
end


return _M
