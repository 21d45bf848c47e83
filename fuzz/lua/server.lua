--- The functions of the library over a request in memory, and as much of `ngx` as they use.

local kit = require "kong.response.testing.native"
local http = require "kong.response.http"


-- The phases in which nginx allows Lua to print, and those in which it allows Lua to exit.
local PRINTS = { rewrite = true, server_rewrite = true, access = true, content = true }
local EXITS = {
  rewrite = true, server_rewrite = true, access = true, content = true, balancer = true,
  header_filter = true,
}


local Server = {}
Server.__index = Server


local function check_phase(server, allowed)
  local phase = server.host:get_phase()
  if not allowed[phase] then
    error("API disabled in the context of " .. phase .. "_by_lua*", 3)
  end
end


local function make_ngx(server)
  local host = server.host
  local ngx = {
    config = { ngx_lua_version = 10023 },
    OK = 0,
    req = {
      http_version = function()
        return server.version
      end,
    },
    resp = {
      get_headers = function(max, raw)
        return host:get_headers(max, raw)
      end,
    },
    var = { request_id = "4f2a" },
    header = setmetatable({}, {
      __index = function(_, name)
        return host:get_header(name)
      end,
    }),
    arg = setmetatable({}, {
      __index = function(_, index)
        return host:get_arg(index)
      end,
      __newindex = function(_, index, value)
        host:set_arg(index, value)
      end,
    }),
    get_phase = function()
      return host:get_phase()
    end,
    print = function(text)
      check_phase(server, PRINTS)
      server.printed = server.printed .. (type(text) == "table" and table.concat(text) or text)
    end,
    exit = function(code)
      check_phase(server, EXITS)
      server.exited = code
    end,
  }
  return setmetatable(ngx, {
    __index = function(_, key)
      return key == "ctx" and server.ctx or nil
    end,
  })
end


--- @tparam table request the argument of `memory_host`
-- @tparam[opt] table options
-- @treturn Server with the functions in `response`
local function open(request, options)
  local server = setmetatable({
    host = kit.memory_host(request),
    version = request.http_version or 1.1,
    ctx = {},
    printed = "",
  }, Server)
  server.response = http(options or {}, make_ngx(server), function(ngx, services)
    local native = kit.memory(server.host, ngx, services)
    server.flush = native.flush
    return native
  end)
  return server
end


-- Names for the tables and functions of a state.
local ids = setmetatable({ count = 0 }, {
  __mode = "k",
  __index = function(known, value)
    if value == nil then
      return "nil"
    end
    local count = rawget(known, "count") + 1
    rawset(known, "count", count)
    rawset(known, value, "#" .. count)
    return known[value]
  end,
})


--- Returns everything in the request that a call can change, as a string.
function Server:state()
  local host = self.host
  local state = { host:get_phase(), tostring(host:get_status()), tostring(host:headers_sent()) }
  -- Without `tostring`, because a field may have a hostile metatable.
  local function add(text)
    local kind = type(text)
    local plain = kind == "string" or kind == "number" or kind == "boolean"
    state[#state + 1] = plain and tostring(text) or ids[text] or kind
  end
  for name, value in pairs((host:get_headers(0, true))) do
    add(name)
    add(type(value) == "table" and table.concat(value, "\1") or value)
  end
  table.sort(state)
  local chunk, last = host:get_chunk()
  add(chunk)
  add(last)
  add(host:buffered())
  add(host:body_ended())
  add(self.printed)
  add(self.exited)
  for _, field in ipairs { "KONG_EXITED", "delayed_response", "delayed_response_callback",
                           "response_body" } do
    add(type(self.ctx) == "table" and rawget(self.ctx, field))
  end
  return table.concat(state, "\0")
end


return { open = open }
