--- The `kong` of a test: `kong.response.pdk` makes it with the kit's `ngx`.

local instance = require "kong.response.instance"
local lacking = require "kong.response.testing.lacking"
local pdk = require "kong.response.pdk"
local running = require "kong.response.testing.running"


local caches = require "kong.response.pdk.cache"

local current = running.current
local getmetatable = getmetatable
local keep = running.keep
local pairs = pairs
local setmetatable = setmetatable
local type = type


-- The fields of a case that describe the gateway.
local DESCRIBED = { "route", "service", "consumers", "upstreams", "node", "version" }

local ROUTE = {
  id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001", name = "route", protocols = { "http", "https" },
}

local SERVICE = {
  id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d002", name = "service", protocol = "http",
  host = "upstream", port = 80,
}


local _M = {}


--- The options of `kong.response`. The table itself also identifies `kong.response` among
-- instances.
_M.OPTIONS = {}


--- Returns the description of `kong` for a case.
-- @tparam table case
-- @tparam[opt=true] boolean has_gateway true adds a default route and a default service
function _M.description_of(case, has_gateway)
  local given, client = case.given, case.request.client
  local description = {
    route = has_gateway ~= false and ROUTE or nil,
    service = has_gateway ~= false and SERVICE or nil,
    balancer = true, buffering = true, resolves = true,
    configuration = case.configuration or {},
    consumer = client.consumer, credential = client.credential,
  }
  for i = 1, #DESCRIBED do
    local name = DESCRIBED[i]
    description[name] = given[name] or description[name]
  end
  return description
end


-- Makes `kong.cache`. It calls the cache of the current worker. The table itself never changes,
-- because plugins may store it.
local function make_cache(ngx)
  return setmetatable({}, {
    __index = function(cache, name)
      local session = current()
      local worker = session.worker
      if not worker.cache then
        worker.cache = caches {
          ngx = ngx, description = {},
          callback_failed = function(err)
            current():passed_on(err)
          end,
        }
      end
      local method = worker.cache[name]
      if method == nil then
        lacking.note("kong.cache", name, worker.cache)
        return nil
      end
      return function(self, ...)
        if self ~= cache then
          session:called_with_dot(name)
        end
        return method(self, ...)
      end
    end,
  })
end


-- Makes `kong.ctx`. `read(ctx, name)` returns a table of the request.
local function make_ctx(read)
  return setmetatable({}, {
    __index = function(ctx, name)
      local value = read(ctx, name)
      if value == nil then
        lacking.note("kong.ctx", name, { shared = true })
      end
      return value
    end,
  })
end


-- Wraps a function of `kong` to find calls with a colon. It ends in a tail call, so that errors
-- name the line of the caller.
local function watch_colon(path, name, part, code)
  return function(...)
    local session = running.session
    if (...) == part and session then
      session:called_with_colon(path, name)
    end
    return code(...)
  end
end


--- Makes the global `kong` of tests.
-- @tparam table ngx
-- @treturn table kong
-- @treturn function restores the table after a test
-- @treturn table the functions that a server calls in the phases of a request, and `start(case)`,
--   which is called before the first phase
function _M.new(ngx)
  local kong, requests = pdk.new(nil, ngx, function()
    -- Without a test, the code of a module is loading.
    return running.session and ngx.ctx
  end, running.log)

  local log = kong.log
  setmetatable(kong, nil)
  kong.log = log
  kong.response = instance.for_tests(_M.OPTIONS)
  kong.cache = make_cache(ngx)
  kong.ctx = make_ctx(getmetatable(kong.ctx).__index)

  local get_raw_body = kong.service.response.get_raw_body
  function kong.service.response.get_raw_body()
    local session = current()
    if session.strict and (session.ngx.ctx.buffered_body or "") ~= "" then
      session.strict:read_service_body()
    end
    return get_raw_body()
  end

  local to_upstream = kong.service.request
  for _, name in pairs { "set_header", "add_header", "set_headers" } do
    local set = to_upstream[name]
    to_upstream[name] = function(...)
      local session = current()
      if session.strict then
        session.strict:before_service_call(name, ...)
      end
      return set(...)
    end
  end

  local keeps = { keep(kong) }
  local function watch(path, part)
    for name, value in pairs(part) do
      if type(value) == "table" and type(name) == "string" then
        watch(path .. "." .. name, value)
      elseif type(value) == "function" and part ~= kong.response then
        part[name] = watch_colon(path, name, part, value)
      end
    end
    keeps[#keeps + 1] = keep(part)
    local metatable = getmetatable(part) or {}
    metatable.__index = metatable.__index or lacking.index(path, part)
    setmetatable(part, metatable)
  end
  for name, part in pairs(kong) do
    if type(part) == "table" and name ~= "configuration" then
      watch("kong." .. name, part)
    end
  end
  setmetatable(kong, { __index = lacking.index("kong", kong) })
  lacking.kong = kong

  local configuration = kong.configuration

  function requests.start(case)
    requests.describe(_M.description_of(case))
    kong.configuration = configuration
  end

  return kong, function()
    for i = 1, #keeps do
      keeps[i]()
    end
  end, requests
end


return _M
