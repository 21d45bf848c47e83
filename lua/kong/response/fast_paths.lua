--- The fast paths: the small functions for Lua code that LuaJIT compiles, over its FFI.
-- A fast path does the work if there is nothing to refuse, nothing to log, and no Lua function to
-- call. Otherwise it calls the native function of the same name, the slow path, with the same
-- arguments. This is a tail call, so that errors name the caller's line. If the JIT is off, plugins
-- call the native functions directly, because a call through the FFI then costs twice as much.

local core = require "kong.response.core"
local ffi = require "ffi"


local debug = debug
local getmetatable = getmetatable
local next = next
local rawget = rawget
local tostring = tostring
local type = type
local band = require("bit").band
local ffi_string = ffi.string
local globals = _G
local C = ffi.C

local READ = core.read_phases
local WRITE = core.write_phases
local STATUSES = core.statuses
local SOURCES = core.sources

-- What the functions of the library return.
local RESULTS = core.results
local DONE, FOUND = RESULTS.done, RESULTS.found
local LISTED, SYNTHESISED = RESULTS.listed, RESULTS.synthesised

-- The maximum number of headers for the fast path of `set_headers`.
local MAX_HEADERS = core.max_headers


ffi.cdef(core.declarations)


--- Makes the fast paths.
-- @tparam table native the native functions, by name
-- @tparam table ngx
-- @tparam userdata main the VM's main thread
-- @tparam userdata main_request the address of that thread's pointer to nginx's request
-- @tparam table services the Lua functions that the native functions call
-- @tparam function default_limit `default_limit() -> max`, which may raise an error
-- @treturn table the fast paths by name; empty if the JIT is off, or if the library has no file
return function(native, ngx, main, main_request, services, default_limit)
  local has_exdata, exdata = pcall(require, "thread.exdata")
  local has_exdata2, exdata2 = pcall(require, "thread.exdata2")
  if not jit.status() or not has_exdata or not has_exdata2 or not core.path then
    return {}
  end

  -- Upvalues that never change are constants for the compiler.
  local main_thread, served = ffi.cast("void *", main), ffi.cast("void **", main_request)

  local library = ffi.load(core.path)
  local registry = debug.getregistry()
  local found_value = ffi.new("const char *[1]")
  local found_length = ffi.new("size_t[1]")

  local names = ffi.new("const char *[?]", MAX_HEADERS)
  local lengths = ffi.new("size_t[?]", MAX_HEADERS)
  local values = ffi.new("const char *[?]", MAX_HEADERS)
  local value_lengths = ffi.new("size_t[?]", MAX_HEADERS)

  local all_headers, listed_header = services.all_headers, services.listed_header

  local native_get_status = native.get_status
  local native_get_header = native.get_header
  local native_get_headers = native.get_headers
  local native_get_source = native.get_source
  local native_set_status = native.set_status
  local native_set_header = native.set_header
  local native_add_header = native.add_header
  local native_clear_header = native.clear_header
  local native_set_headers = native.set_headers


  -- Returns the request of the running code, or nothing if this coroutine may belong to another
  -- request: then the native function raises the error. Filters run in the main thread. In other
  -- phases, lua-nginx-module gives its threads an `exdata2`, which their coroutines inherit.
  local function current_request()
    local request = exdata()
    if served[0] == request
      or exdata2() ~= nil and not library.kong_response_runs(main_thread)
    then
      return request
    end
  end


  -- Returns `ngx.ctx` without making it. Returns nil if the request has none yet, or if code has
  -- replaced the field `ctx` of `ngx`.
  local function ctx_of(request)
    local tables = registry.ngx_lua_ctx_tables
    if request ~= nil and type(tables) == "table" and rawget(ngx, "ctx") == nil then
      return tables[C.kong_response_ngx_ctx(request, nil, nil)]
    end
  end


  -- Whether the phase needs no check, because the globals `kong` and `kong.ctx` do not exist.
  local function has_no_gateway()
    local kong = rawget(globals, "kong")
    if type(kong) == "table" then
      return rawget(kong, "ctx") == nil and not getmetatable(kong)
    end
    if kong == nil then
      local metatable = getmetatable(globals)
      return type(metatable) ~= "table" or type(rawget(metatable, "__index")) ~= "table"
    end
    return true
  end


  -- Whether the phase is one of `phases`, or needs no check. False also means "unknown".
  local function may(phases, request)
    local ctx = ctx_of(request)
    local phase = type(ctx) == "table" and rawget(ctx, "KONG_PHASE")
    return type(phase) == "number" and band(phase, phases) ~= 0 or has_no_gateway()
  end


  -- Whether the fast path may change the response through nginx's own functions.
  local function may_change(request)
    return request ~= nil and may(WRITE, request)
           and C.kong_response_ngx_headers_sent(request) == 0
  end


  -- The status of the response, or nil if the native function must check this call.
  local function status_of(request)
    local status = request ~= nil and may(READ, request) and C.kong_response_ngx_status(request)
    return status and status >= 0 and status or nil
  end


  -- Returns a number or a boolean as a string, and any other value unchanged.
  local function text_of(value)
    local kind = type(value)
    if kind == "number" or kind == "boolean" then
      return tostring(value)
    end
    return value
  end


  local fast_paths = {}


  function fast_paths.get_status()
    local status = status_of(current_request())
    if not status then
      return native_get_status()
    end
    return status
  end


  function fast_paths.get_headers(max)
    if max == nil and status_of(current_request()) then
      local ok, limit = pcall(default_limit)
      if ok and type(limit) == "number" then
        return all_headers(limit)
      end
    end
    return native_get_headers(max)
  end


  function fast_paths.get_header(name)
    local request = current_request()
    if type(name) ~= "string" or not may(READ, request) then
      return native_get_header(name)
    end
    local found = library.kong_response_get_header(request, name, #name,
                                                   found_value, found_length)
    if found == FOUND then
      return ffi_string(found_value[0], found_length[0])
    elseif found == DONE then
      return nil
    elseif found == LISTED or found == SYNTHESISED then
      local ok, value = pcall(listed_header, name, found == SYNTHESISED)
      if ok and (value == nil or type(value) == "string") then
        return value
      end
    end
    return native_get_header(name)
  end


  function fast_paths.get_source(given)
    local ctx = given == nil and ctx_of(current_request())
    if type(ctx) ~= "table" or getmetatable(ctx) then
      return native_get_source(given)
    end
    local phase = ctx.KONG_PHASE
    if (type(phase) ~= "number" or band(phase, READ) == 0) and not has_no_gateway() then
      return native_get_source()
    end
    return SOURCES[(ctx.KONG_UNEXPECTED and 4 or 0) + (ctx.KONG_EXITED and 2 or 0)
                   + (ctx.KONG_PROXIED and 1 or 0)]
  end


  function fast_paths.set_status(status)
    local request = current_request()
    if not STATUSES[status] or not may_change(request)
      or C.kong_response_ngx_set_status(request, status) ~= 0
    then
      return native_set_status(status)
    end
  end


  -- Sets the header, or adds it if `add` is 1. Returns false if the native function must do this.
  local function write(name, value, add)
    local request = current_request()
    local text = text_of(value)
    return type(name) == "string" and type(text) == "string" and may(WRITE, request)
           and library.kong_response_write_header(request, name, #name, text, #text, add) == DONE
  end


  function fast_paths.set_header(name, value)
    if not write(name, value, 0) then
      return native_set_header(name, value)
    end
  end


  function fast_paths.add_header(name, value)
    if not write(name, value, 1) then
      return native_add_header(name, value)
    end
  end


  function fast_paths.clear_header(name)
    local request = current_request()
    if type(name) ~= "string" or not may(WRITE, request)
      or library.kong_response_clear_header(request, name, #name) ~= DONE
    then
      return native_clear_header(name)
    end
  end


  function fast_paths.set_headers(headers)
    local request = current_request()
    if type(headers) ~= "table" or not may(WRITE, request) then
      return native_set_headers(headers)
    end
    local count = 0
    -- The arrays hold pointers to the strings, which the table `headers` keeps alive.
    for name, value in next, headers do
      if count == MAX_HEADERS or type(name) ~= "string" or type(value) ~= "string" then
        return native_set_headers(headers)
      end
      names[count], lengths[count] = name, #name
      values[count], value_lengths[count] = value, #value
      count = count + 1
    end
    if library.kong_response_set_headers(request, count, names, lengths, values, value_lengths)
       ~= DONE
    then
      return native_set_headers(headers)
    end
  end


  return fast_paths
end
