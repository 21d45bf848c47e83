--- The checks of the functions of `kong`, with their messages.
--
-- Each check raises its error at the line of the plugin. The plugin calls a function such as
-- `kong.request.get_header`, and that function calls the check.

local phases = require "kong.response.pdk.phases"

local band = require("bit").band


local error = error
local ipairs = ipairs
local pairs = pairs
local tostring = tostring
local type = type
local fmt = string.format


-- The level of the plugin for `error`: 1 is the function that calls `error`, 2 is the function of
-- `kong`, 3 is the plugin. `refuse` and `fail` are called by tail calls, which add no level. Never
-- call `error` by a tail call: that removes a level.
local PLUGIN = 3

local LIST_VALUES = "array of string, string, number or boolean"
local SET_VALUES = "string, number, boolean or array of strings"


local _M = {}


--- Makes the two checks of the phase.
-- @tparam table ngx
-- @treturn function `check(allowed)` raises an error outside of these phases
-- @treturn function `check_except(forbidden)` raises an error in these phases
function _M.phase(ngx)
  local function refuse(allowed, phase)
    if phase == nil then
      if ngx.get_phase() == "content" and band(allowed, phases.BITS.admin_api) ~= 0 then
        return
      elseif ngx.get_phase() ~= "content" then
        error(fmt("no phase in ngx.ctx.KONG_PHASE, (need one of %s)", phases.names(allowed)),
              PLUGIN)
      end
      phase = phases.BITS.admin_api
    end
    error(fmt("function cannot be called in %s phase (only in: %s)", phases.name(phase),
              phases.names(allowed)), PLUGIN)
  end

  local function refuse_except(forbidden, phase)
    if phase == nil then
      error("no phase in ngx.ctx.KONG_PHASE", PLUGIN)
    end
    error(fmt("function cannot be called in %s phase (can be called in any phases except: %s)",
              phases.name(phase), phases.names(forbidden)), PLUGIN)
  end

  local function check(allowed)
    local phase = ngx.ctx.KONG_PHASE
    if phase == nil or band(phase, allowed) == 0 then
      return refuse(allowed, phase)
    end
  end

  local function check_except(forbidden)
    local phase = ngx.ctx.KONG_PHASE
    if phase == nil or band(phase, forbidden) ~= 0 then
      return refuse_except(forbidden, phase)
    end
  end

  return check, check_except
end


local function fail(message)
  error(message, PLUGIN)
end


--- Checks a limit such as `max_headers`.
function _M.limit(name, value)
  if type(value) ~= "number" then
    return fail(name .. " must be a number")
  elseif value < 1 or value ~= value then
    return fail(name .. " must be >= 1")
  elseif value > 1000 then
    return fail(name .. " must be <= 1000")
  end
end


--- Checks a whole number within a range.
function _M.integer(name, value, min, max)
  if type(value) ~= "number" or value % 1 ~= 0 then
    return fail(name .. " must be an integer")
  elseif value < min or value > max then
    return fail(fmt("%s must be an integer between %d and %d: given %s", name, min, max,
                    tostring(value)))
  end
end


--- Returns the error in the name or the value of a header, or nil.
local function header_mistake(name, value, values)
  if type(name) ~= "string" then
    return fmt("invalid header name %q: got %s, expected string", tostring(name), type(name))
  end
  local kind = type(value)
  if kind == "table" then
    for _, item in ipairs(value) do
      if type(item) ~= "string" then
        return fmt("invalid header value in array %q: got %s, expected string", name, type(item))
      end
    end
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    return fmt("invalid header value for %q: got %s, expected %s", name, kind, values)
  end
end


--- Checks the arguments of `set_header` and `add_header`.
function _M.header(name, value)
  local mistake = header_mistake(name, value, LIST_VALUES)
  if mistake then
    error(mistake, PLUGIN)
  end
end


--- Checks the argument of `set_headers`.
function _M.headers(headers)
  if type(headers) ~= "table" then
    error("headers must be a table", PLUGIN)
  end
  for name, value in pairs(headers) do
    local mistake = header_mistake(name, value, SET_VALUES)
    if mistake then
      error(mistake, PLUGIN)
    end
  end
end


return _M
