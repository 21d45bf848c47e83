--- What the life cycle logs of handlers that have failed.

local request_ids = require "kong.response.request_ids"
local has_errlog, errlog = pcall(require, "ngx.errlog")


local pcall = pcall
local tostring = tostring
local type = type
local xpcall = xpcall
local fmt = string.format
local getinfo = debug.getinfo
local traceback = debug.traceback


-- How much of what a handler raised is logged: nginx cuts off lines of more than 2048 bytes.
local MOST_BYTES = 1000

local _M = {}


local function noop() end


local function text_of(err)
  local ok, text = pcall(tostring, err)
  if not ok or type(text) ~= "string" then
    return "(error object is a " .. type(err) .. " value)"
  end
  return #text > MOST_BYTES and text:sub(1, MOST_BYTES) .. " ..." or text
end


--- A failure: what was raised as text, and the way to it.
-- @param err
-- @tparam[opt] string trace a traceback that begins with a new line
function _M.new(err, trace)
  return { text = text_of(err), trace = trace or "" }
end


local function with_traceback(err)
  return _M.new(err, traceback("", 2))
end


--- Calls a function; a failure takes the place of what it raises.
function _M.call(f, ...)
  local ok, failure = xpcall(f, with_traceback, ...)
  if ok then
    return true
  end
  -- For want of stack it is what LuaJIT says of that.
  return false, type(failure) == "table" and failure or _M.new(failure)
end


--- The request's id in error pages, for the log: nil where nobody can know which one that is.
-- @tparam[opt=false] boolean decide the next page gets the one that is returned
function _M.request_id(kong, ctx, decide)
  local id = ctx.KONG_RESPONSE_REQUEST_ID
  if id then
    return id
  end
  local ask = request_ids[kong.response]
  local ok, said = pcall(ask or noop)
  if ask and not (ok and said == false) then
    id = ok and type(said) == "string" and said or ""
  else
    -- Unless the configuration uses this variable, it is another one at every read.
    id = ngx.var.request_id
    if not decide and id ~= ngx.var.request_id then
      return nil
    end
  end
  if decide then
    ctx.KONG_RESPONSE_REQUEST_ID = id
  end
  return id
end


--- A line of the log: what was raised comes first, then what has failed by that.
-- @tparam table failure
-- @tparam string what
-- @tparam[opt] string id of the request
function _M.line(failure, what, id)
  return fmt("%s (%s%s)%s", failure.text, what, id and ", request_id: " .. id or "", failure.trace)
end


--- What has failed with a handler. For an error without a place, that of a tail call
-- (`return kong.response.exit("400")`) for instance, it has the handler's.
function _M.handler(failure, entry, phase)
  local place = ""
  if not failure.text:match("^[^\n]*"):find(":%d+: ") then
    local info = getinfo(entry.plugin[phase], "S")
    if info.what ~= "C" then
      place = fmt(" at %s:%d", info.source:match("^@(.+)$") or info.short_src, info.linedefined)
    end
  end
  return fmt("the %s handler%s of plugin \"%s\" failed", phase, place, entry.name)
end


--- Logs such a line as it is: `ngx.log` would put a line of this file before it.
function _M.log(failure, what, id)
  local line = _M.line(failure, what, id)
  if has_errlog then
    errlog.raw_log(ngx.ERR, line)
  else
    ngx.log(ngx.ERR, line)
  end
end


return _M
