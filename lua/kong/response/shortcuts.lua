--- The small functions for Lua code that LuaJIT compiles: it calls the library through its FFI.
-- Each does the plain case. Whatever is to be refused, to be logged, or to be looked at more
-- closely goes to the native function of that name, with the same arguments, by a tail call: so
-- that errors name the caller's line. Interpreted, a call through the FFI costs twice as much as a
-- native one.

local core = require "kong.response.core"
local ffi = require "ffi"


local debug = debug
local getmetatable = getmetatable
local rawget = rawget
local type = type
local band = require("bit").band
local ffi_string = ffi.string
local globals = _G

local READ = core.read_phases

-- What stands for ngx.ctx.KONG_PHASE.
local EVERY_PHASE = 0xffffffff -- nothing has to be checked
local NO_PHASE = 0 -- the native function has to look

local FOUND = 1


ffi.cdef [[
  int kong_response_ctx_reference(void *request);
  int kong_response_get_status(void *request, double phase);
  int kong_response_set_status(void *request, double phase, double status);
  int kong_response_get_header(void *request, double phase, const char *name, size_t length,
                               const char **value, size_t *value_length);
  int kong_response_write_header(void *request, double phase, const char *name, size_t length,
                                 const char *value, size_t value_length, int add);
  int kong_response_clear_header(void *request, double phase, const char *name, size_t length);
]]


--- Makes the functions that stand before those of `native`.
-- @tparam table native
-- @tparam table ngx
-- @treturn table they, by name; empty where the JIT is off, or the library's file is not found
return function(native, ngx)
  local has_exdata, exdata = pcall(require, "thread.exdata")
  local path = package.searchpath("kong.response.core", package.cpath)
  if not jit.status() or not has_exdata or not path then
    return {}
  end

  local library = ffi.load(path)
  local registry = debug.getregistry()
  local found_value = ffi.new("const char *[1]")
  local found_length = ffi.new("size_t[1]")

  local native_get_status = native.get_status
  local native_get_header = native.get_header
  local native_get_source = native.get_source
  local native_set_status = native.set_status
  local native_set_header = native.set_header
  local native_add_header = native.add_header
  local native_clear_header = native.clear_header


  -- ngx.ctx, if it is there and where lua-nginx-module keeps it.
  local function ctx_of(request)
    local reference = library.kong_response_ctx_reference(request)
    local tables = registry.ngx_lua_ctx_tables
    if reference < 0 or type(tables) ~= "table" or rawget(ngx, "ctx") ~= nil then
      return nil
    end
    return tables[reference]
  end


  -- Whether the global `kong` and its `ctx` exist; nil if that is not plain to see.
  local function has_gateway()
    local kong = rawget(globals, "kong")
    if type(kong) == "table" then
      if rawget(kong, "ctx") ~= nil then
        return true
      end
      return getmetatable(kong) and nil
    end
    if kong == nil then
      local metatable = getmetatable(globals)
      if type(metatable) == "table" and type(rawget(metatable, "__index")) == "table" then
        return nil
      end
    end
    return false
  end


  local function phase_of(request)
    local gateway = has_gateway()
    if gateway == false then
      return EVERY_PHASE
    end
    local ctx = gateway and ctx_of(request)
    local phase = type(ctx) == "table" and rawget(ctx, "KONG_PHASE")
    return type(phase) == "number" and phase or NO_PHASE
  end


  local shortcuts = {}


  function shortcuts.get_status()
    local request = exdata()
    local status = library.kong_response_get_status(request, phase_of(request))
    if status < 0 then
      return native_get_status()
    end
    return status
  end


  function shortcuts.set_status(status)
    local request = exdata()
    if type(status) ~= "number"
      or library.kong_response_set_status(request, phase_of(request), status) ~= 0
    then
      return native_set_status(status)
    end
  end


  function shortcuts.get_header(name)
    if type(name) ~= "string" then
      return native_get_header(name)
    end
    local request = exdata()
    local found = library.kong_response_get_header(request, phase_of(request), name, #name,
                                                   found_value, found_length)
    if found == FOUND then
      return ffi_string(found_value[0], found_length[0])
    end
    if found ~= 0 then
      return native_get_header(name)
    end
    return nil
  end


  function shortcuts.set_header(name, value)
    local request = exdata()
    if type(name) ~= "string" or type(value) ~= "string"
      or library.kong_response_write_header(request, phase_of(request), name, #name,
                                            value, #value, 0) ~= 0
    then
      return native_set_header(name, value)
    end
  end


  function shortcuts.add_header(name, value)
    local request = exdata()
    if type(name) ~= "string" or type(value) ~= "string"
      or library.kong_response_write_header(request, phase_of(request), name, #name,
                                            value, #value, 1) ~= 0
    then
      return native_add_header(name, value)
    end
  end


  function shortcuts.clear_header(name)
    local request = exdata()
    if type(name) ~= "string"
      or library.kong_response_clear_header(request, phase_of(request), name, #name) ~= 0
    then
      return native_clear_header(name)
    end
  end


  function shortcuts.get_source(ctx)
    if ctx ~= nil then
      return native_get_source(ctx)
    end
    local found = ctx_of(exdata())
    if type(found) ~= "table" or getmetatable(found) then
      return native_get_source()
    end
    local gateway = has_gateway()
    if gateway ~= false then
      local phase = gateway and rawget(found, "KONG_PHASE")
      if type(phase) ~= "number" or phase <= 0 or band(phase, -1) ~= phase
        or band(phase, READ) == 0
      then
        return native_get_source()
      end
    end
    if found.KONG_UNEXPECTED then
      return "error"
    end
    if found.KONG_EXITED then
      return "exit"
    end
    return found.KONG_PROXIED and "service" or "error"
  end


  return shortcuts
end
