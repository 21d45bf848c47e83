--- The global `kong` of servers without a gateway.

local contexts = require "kong.response.lifecycle.contexts"
local kong_ctx = require "kong.response.pdk.ctx"
local pdk = require "kong.response.pdk"


local error = error
local fmt = string.format
local getmetatable = getmetatable
local pairs = pairs
local rawget = rawget
local rawset = rawset
local setmetatable = setmetatable
local type = type


-- The parts of `kong`, and the functions that a server calls in the phases of a request. They need
-- nginx.
local parts, requests


local function make_parts()
  local ngx = rawget(_G, "ngx")
  if not parts and type(ngx) == "table" and ngx.config.subsystem == "http" then
    parts, requests = pdk.new(nil, ngx, contexts.current)
  end
  return parts or { ctx = kong_ctx { find_ctx = contexts.current } }
end


local _M = {}


--- Makes the global `kong`, or adds its missing parts.
-- @treturn table
-- @treturn ?table the functions that a server calls in the phases of a request; nil outside of
--   nginx
-- @raise `the global kong must be a table, got <type>`
function _M.prepare()
  local kong = rawget(_G, "kong")
  if kong == nil then
    kong = {}
    rawset(_G, "kong", kong)
  elseif type(kong) ~= "table" then
    error(fmt("the global kong must be a table, got %s", type(kong)), 0)
  end

  if kong.response == nil then
    rawset(kong, "response", require "kong.response")
  end

  local own = make_parts()
  local ctx = kong.ctx
  if type(ctx) == "table" and ctx ~= own.ctx and getmetatable(ctx) == nil then
    setmetatable(ctx, { __index = getmetatable(own.ctx).__index })
  end
  for name, part in pairs(own) do
    if kong[name] == nil then
      rawset(kong, name, part)
    end
  end
  -- The metatable makes `kong.log` the log of the plugin that runs.
  if kong.log == nil and getmetatable(kong) == nil then
    setmetatable(kong, getmetatable(own))
  end
  return kong, requests
end


return _M
