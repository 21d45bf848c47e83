--- `kong.service.response`: the answer of the upstream, without the changes of plugins.

local bodies = require "kong.response.pdk.body"
local checks = require "kong.response.pdk.check"
local headers = require "kong.response.pdk.headers"
local phases = require "kong.response.pdk.phases"


local concat = table.concat
local error = error
local gsub = string.gsub
local lower = string.lower
local pairs = pairs
local rawget = rawget
local setmetatable = setmetatable
local sub = string.sub
local tonumber = tonumber
local type = type

local UPSTREAM_RESPONSE = phases.UPSTREAM_RESPONSE

local MAX_ARGS = 100
local MAX_HEADERS = 100

local NOT_BUFFERED = "service body is only available with buffered proxying"
  .. " (see: kong.service.request.enable_buffering function)"


local function dashed(name)
  return (gsub(lower(name), "_", "-"))
end


-- Finds headers in any case, and with `_` for `-`.
local buffered_mt = {
  __index = function(list, name)
    if type(name) == "string" then
      return rawget(list, dashed(name))
    end
  end,
}


--- Returns at most `max` of the buffered headers. Their names are in lower case.
local function buffered_headers(buffered, max)
  local list, count = setmetatable({}, buffered_mt), 0
  for name, value in pairs(buffered or {}) do
    if count >= max then
      break
    end
    list[dashed(name)] = value
    count = count + 1
  end
  return list
end


--- Makes `kong.service.response`.
-- @tparam table pdk `ngx`, `check`, `configuration`
-- @treturn table
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check
  local variable_of = headers.variables "upstream_http_"

  local response = {}


  --- Returns the upstream's value of a header. `sent` is its value in the response, which plugins
  -- may have changed. If plugins have not changed a list, the result is a list.
  local function upstream_value(name, sent)
    local value = ngx.var[variable_of(name)]
    if value == nil or type(sent) ~= "table" then
      return value
    end
    -- Before nginx 1.23, the variable has only the first value.
    if sent[1] == value or concat(sent, ", ") == value then
      return sent
    end
    return value
  end


  -- Also finds the upstream's headers that plugins have removed from the response.
  local headers_mt = {
    __index = function(list, name)
      if type(name) ~= "string" then
        return nil
      end
      local value = rawget(list, dashed(name))
      if value == nil then
        value = ngx.var[variable_of(name)]
      end
      return value
    end,
  }


  function response.get_status()
    check(UPSTREAM_RESPONSE)
    local status = ngx.ctx.buffered_status
    if status then
      return status
    end
    local statuses = ngx.var.upstream_status
    return statuses and tonumber(sub(statuses, -3)) or nil
  end


  function response.get_headers(max_headers)
    check(UPSTREAM_RESPONSE)
    if max_headers == nil then
      max_headers = pdk.configuration.lua_max_resp_headers or MAX_HEADERS
    else
      checks.limit("max_headers", max_headers)
    end
    local ctx = ngx.ctx
    if ctx.buffered_proxying then
      return buffered_headers(ctx.buffered_headers, max_headers)
    end

    local sent, err = ngx.resp.get_headers(max_headers)
    local list = setmetatable({}, headers_mt)
    for name, value in pairs(sent) do
      list[name] = upstream_value(name, value)
    end
    return list, err
  end


  function response.get_header(name)
    check(UPSTREAM_RESPONSE)
    if type(name) ~= "string" then
      error("name must be a string", 2)
    end
    local ctx = ngx.ctx
    local value
    if ctx.buffered_proxying then
      value = buffered_headers(ctx.buffered_headers, 1000)[name]
    else
      value = ngx.var[variable_of(name)]
      if value and headers.is_list(value) then
        value = upstream_value(name, ngx.resp.get_headers(0)[name])
      end
    end
    if type(value) == "table" then
      return value[1]
    end
    return value
  end


  function response.get_raw_body()
    check(UPSTREAM_RESPONSE)
    local ctx = ngx.ctx
    if not ctx.buffered_proxying then
      error(NOT_BUFFERED, 2)
    end
    return ctx.buffered_body or ""
  end


  function response.get_body(mimetype, max_args)
    check(UPSTREAM_RESPONSE)
    local ctx = ngx.ctx
    if not ctx.buffered_proxying then
      error(NOT_BUFFERED, 2)
    end
    local media_type = mimetype or response.get_header("Content-Type")
    if not media_type then
      return nil, "missing content type"
    end
    if max_args ~= nil and bodies.is_form(media_type) then
      checks.limit("max_args", max_args)
    end
    return bodies.read(media_type, function()
      return ngx.decode_args(ctx.buffered_body or "", max_args or MAX_ARGS)
    end, function()
      return ctx.buffered_body or ""
    end)
  end


  return response
end
