--- Runs commands and compares folders, for specs about installing.

local nginx = require "spec.support.nginx"


local _M = { root = nginx.root }


--- Returns the output of a shell command. If the command fails, raises the output as an error.
function _M.run(command)
  local pipe = assert(io.popen("cd '" .. _M.root .. "' && { " .. command
    .. "; } 2>&1; echo \":$?\""))
  local output = pipe:read("*a")
  pipe:close()
  local text, exit = output:match("^(.*):(%d+)\n$")
  if exit ~= "0" then
    error(command .. "\nended with " .. tostring(exit) .. ":\n" .. tostring(text), 2)
  end
  return text
end


--- Makes a new folder, and returns its path.
function _M.temporary()
  return (_M.run("mktemp -d"):gsub("\n", ""))
end


function _M.remove(dir)
  _M.run("rm -rf '" .. dir .. "'")
end


--- Returns the checksums of the files in a folder and its subfolders, by path.
function _M.files(dir)
  local found = {}
  local list = _M.run("[ ! -d '" .. dir .. "' ] || { cd '" .. dir
    .. "' && find . ! -type d -exec sha256sum {} +; }")
  for sum, path in list:gmatch("(%x+)  %./([^\n]+)\n") do
    found[path] = sum
  end
  return found
end


--- Returns the subfolders of a folder, at any depth.
function _M.folders(dir)
  local found = {}
  for path in _M.run("cd '" .. dir .. "' && find . -mindepth 1 -type d"):gmatch("%./([^\n]+)") do
    found[path] = true
  end
  return found
end


--- Returns the current native file in a folder, and the file that names it, as paths of `files`.
-- `name` is `testing/native` for the kit's.
function _M.native(dir, name)
  name = "kong/response/" .. (name or "core")
  local version = name .. ".version"
  local build = _M.run("cat '" .. dir .. "/" .. version .. "'"):match("^(%S+)\n$")
  return name .. "-" .. build .. ".so", version
end


--- Runs LuaJIT with the library in `lua_dir` and its native part in `clib_dir`, and no other paths.
-- Returns its output.
function _M.luajit(source, lua_dir, clib_dir)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(("package.path = %q package.cpath = %q\n"):format(lua_dir .. "/?.lua",
    (clib_dir or lua_dir) .. "/?.so"), source)
  file:close()
  local ok, output = pcall(_M.run, "cd / && /usr/bin/luajit " .. script)
  os.remove(script)
  if not ok then
    error(output, 2)
  end
  return output
end


--- Runs a plugin in memory, and shows the response.
_M.IN_MEMORY = [[
  local plugin = {}
  function plugin:access(config)
    return kong.response.exit(403, { message = config.message })
  end
  local result = require("kong.response.testing").run {
    plugin = plugin, config = { message = "no coffee" },
  }
  io.write(result.status, " ", result.body)
]]


--- Answers a request in nginx with the library of `lua_dir` and `clib_dir`. Returns the response,
-- and the files of the loaded library.
function _M.in_nginx(lua_dir, clib_dir)
  local response, files
  nginx.once({
    lua_dir = lua_dir,
    clib_dir = clib_dir,
    init = [[kong = { response = require "kong.response" }]],
    locations = [[
      location = /files {
        content_by_lua_block {
          ngx.say(package.searchpath("kong.response.instance", package.path))
          ngx.say(require("kong.response.core").path)
        }
      }
      location = /raises {
        content_by_lua_block {
          local ok, err = pcall(function() kong.response.set_status(99) end)
          ngx.print(tostring(ok), " ", err)
        }
      }
      location / {
        access_by_lua_block { kong.response.error(404, "no coffee") }
      }
    ]],
  }, function(server)
    files = server:get("/files").body
    assert(server:get("/raises").body:find("code must be a number between 100 and 599", 1, true))
    response = server:get("/coffee", { "Accept: text/plain" })
  end)
  return response, files
end


return _M
