--- Runs commands and compares folders, for specs about what is installed.

local nginx = require "spec.support.nginx"


local _M = { root = nginx.root }


--- What a shell command writes; raises that when it fails.
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


--- A new folder.
function _M.temporary()
  return (_M.run("mktemp -d"):gsub("\n", ""))
end


function _M.remove(dir)
  _M.run("rm -rf '" .. dir .. "'")
end


--- The files below a folder: their checksums, by path.
function _M.files(dir)
  local found = {}
  local list = _M.run("[ ! -d '" .. dir .. "' ] || { cd '" .. dir
    .. "' && find . ! -type d -exec sha256sum {} +; }")
  for sum, path in list:gmatch("(%x+)  %./([^\n]+)\n") do
    found[path] = sum
  end
  return found
end


--- The folders below a folder, itself excluded.
function _M.folders(dir)
  local found = {}
  for path in _M.run("cd '" .. dir .. "' && find . -mindepth 1 -type d"):gmatch("%./([^\n]+)") do
    found[path] = true
  end
  return found
end


--- The native file that is current below a folder, and the file that says so, as `files` has them.
-- `name` is `testing/native` for the kit's.
function _M.native(dir, name)
  name = "kong/response/" .. (name or "core")
  local version = name .. ".version"
  local build = _M.run("cat '" .. dir .. "/" .. version .. "'"):match("^(%S+)\n$")
  return name .. "-" .. build .. ".so", version
end


--- What a LuaJIT writes that finds the library in `lua_dir`, its native part in `clib_dir`, and
-- nothing else.
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


--- Runs a plugin in memory, and shows what came.
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


--- Answers in nginx with the library of `lua_dir` and `clib_dir`; returns the response, and the
-- files that it was loaded from.
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
