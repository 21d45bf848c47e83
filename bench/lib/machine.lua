--- Describes the machine and the versions of programs, without names of hosts and without paths.

local _M = {}


local function read(path)
  local file = io.open(path)
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end


local function output(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("*a"):gsub("%s+$", "")
  pipe:close()
  return text
end


local function package(name)
  local version = output("dpkg-query -W -f '${Version}' " .. name)
  return name .. " " .. (version ~= "" and version or "(not of a package)")
end


-- The load average of the last minute.
local function load_average()
  return tonumber(read("/proc/loadavg"):match("^%S+"))
end


--- Whether other programs use more than half a core. The bench itself needs two cores.
function _M.is_loaded()
  return (load_average() or 0) > 0.5
end


--- @treturn table lines
function _M.describe()
  local cpu = read("/proc/cpuinfo"):match("model name%s*:%s*([^\n]+)") or jit.arch
  local cores = output("nproc")
  local memory = (read("/proc/meminfo"):match("MemTotal:%s*(%d+)") or 0) / 1048576
  local system = read("/etc/os-release"):match('PRETTY_NAME="([^"]+)"') or jit.os
  local load = load_average() or "unknown"
  return {
    ("Machine: %s, %s cores, %.0f GB"):format(cpu, cores, memory),
    ("System: %s, Linux %s"):format(system, read("/proc/sys/kernel/osrelease"):match("^[%d.]+")),
    "Versions: " .. table.concat({
      package "nginx", package "libnginx-mod-http-lua", package "lua-resty-core",
      package "libluajit2-5.1-2", package "lua-cjson",
      output("rustc --version"):match("^rustc %S+"),
    }, ", "),
    "Load of the machine at the start: " .. load,
  }
end


return _M
