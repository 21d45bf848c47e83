--- Reads the arguments of functions that print and log, with the errors of nginx.

local json = require "kong.response.json"
local native = require("kong.response.testing.native").ngx


local concat = table.concat
local error = error
local fmt = string.format
local getmetatable = getmetatable
local select = select
local tonumber = tonumber
local tostring = tostring
local type = type


local NOT_PRINTED = "string, number, boolean, nil, ngx.null, or array table expected, but got "

local EXPECTED_IN_LOG = "string, number, boolean, or nil expected"

local PLAIN = { string = true, number = true, boolean = true, ["nil"] = true }


local _M = {}


--- Returns the text of the arguments of a function that prints, or nil and nginx's error.
function _M.printed(name, ...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    local value, argument = texts[i], fmt("#%d to '%s'", i, name)
    local kind = type(value)
    if kind == "table" then
      local ok, joined = native.join(value, argument, false)
      if not ok then
        return nil, joined
      end
      texts[i] = joined
    elseif value == json.null then
      texts[i] = "null"
    elseif PLAIN[kind] then
      texts[i] = tostring(value)
    else
      return nil, fmt("bad argument %s (%s%s)", argument, NOT_PRINTED, kind)
    end
  end
  return concat(texts)
end


--- Returns the text of the arguments of `ngx.log` after the level, or nil and nginx's error.
function _M.logged(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    local value = texts[i]
    local kind = type(value)
    if kind == "table" and not (getmetatable(value) or {}).__tostring then
      return nil, fmt("bad argument #%d to 'log' (expected table to have __tostring metamethod)", i)
    elseif value == json.null then
      texts[i] = "null"
    elseif PLAIN[kind] or kind == "table" then
      texts[i] = tostring(value)
    else
      return nil, fmt("bad argument #%d to 'log' (%s, got %s)", i, EXPECTED_IN_LOG, kind)
    end
  end
  return concat(texts)
end


--- Returns an argument as a number, or raises Lua's error at the line of a caller.
-- @tparam number number the number of the argument
-- @tparam string name the name of the function
-- @param value
-- @tparam[opt] number count the number of arguments
-- @tparam[opt=3] number level as for `error`
function _M.check_number(number, name, value, count, level)
  local checked = tonumber(value)
  if not checked or type(value) == "boolean" then
    error(fmt("bad argument #%d to '%s' (number expected, got %s)", number, name,
              count and count < number and "no value" or type(value)), level or 3)
  end
  return checked
end


return _M
