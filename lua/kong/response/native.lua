--- Loads the library's native files, and checks that they belong to these Lua files.
--
-- The name of a native file contains the version and a checksum: `core-0.2.0-1a2b3c4d5e6f.so`.
-- `core.version` in the same folder names the current file. A loaded file stays in nginx's master
-- process, and the system identifies it by its name. So each new file needs a new name.

local error = error
local io = io
local package = package
local fmt = string.format


-- The version of the Lua files. Cargo.toml has the version of the native files.
local VERSION = "0.2.0"

local _M = { VERSION = VERSION }


-- Returns the path, or nil and the list of missing files. In version 0.1.0 the name was `core.so`.
local function find(name)
  local module = name:gsub("%.", "/")
  local missing = {}
  for template in package.cpath:gmatch("([^;]*%?[^;]*)%.so%f[;%z]") do
    local stem = template:gsub("%?", module)
    for _, suffix in ipairs { ".version", ".so" } do
      local file = io.open(stem .. suffix)
      if file then
        local build = suffix == ".version" and file:read("*l")
        file:close()
        return build and stem .. "-" .. build .. ".so" or stem .. ".so"
      end
      missing[#missing + 1] = fmt("\n\tno file '%s'", stem .. suffix)
    end
  end
  return nil, table.concat(missing)
end


local function refuse(...)
  error(fmt(...), 0)
end


--- Loads a native module.
-- @tparam string name
-- @treturn table the module, with the file's path in its field `path`
-- @raise if there is no such file, or if its version differs from that of the Lua files
function _M.load(name)
  local path, missing = find(name)
  if not path then
    refuse("kong.response %s does not find its native part %s in package.cpath"
           .. " (lua_package_cpath in nginx)%s", VERSION, name, missing)
  end

  local open, err = package.loadlib(path, "luaopen_" .. name:gsub("%.", "_"))
  if not open then
    refuse("kong.response %s cannot load its native part: %s", VERSION, err)
  end

  local module = open(name)
  local version = module.version or "0.1.0"
  if version ~= VERSION then
    refuse("kong.response: the version of the Lua files is %s and the version of the native part"
           .. " %s is %s: install one version, and name its folder in both lua_package_path and"
           .. " lua_package_cpath", VERSION, path, version)
  end
  module.path = path
  return module
end


return _M
