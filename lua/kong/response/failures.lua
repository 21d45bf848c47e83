--- The lines that the life cycle logs for failed handlers.

local request_ids = require "kong.response.request_ids"
local has_errlog, errlog = pcall(require, "ngx.errlog")


local pcall = pcall
local tostring = tostring
local type = type
local xpcall = xpcall
local fmt = string.format
local getinfo = debug.getinfo
local traceback = debug.traceback


-- The maximum length of a logged error. nginx truncates lines of more than 2048 bytes.
local MAX_BYTES = 1000

local _M = {}


local function noop() end


local function text_of(err)
  local ok, text = pcall(tostring, err)
  if not ok or type(text) ~= "string" then
    return "(error object is a " .. type(err) .. " value)"
  end
  return #text > MAX_BYTES and text:sub(1, MAX_BYTES) .. " ..." or text
end


--- Makes a failure: the raised error as text, and a traceback.
-- @param err any value
-- @tparam[opt] string trace a traceback that starts with a newline
function _M.new(err, trace)
  return { text = text_of(err), trace = trace or "" }
end


local function with_traceback(err)
  return _M.new(err, traceback("", 2))
end


--- Calls a function. Returns true, or false and a failure.
function _M.call(f, ...)
  local ok, failure = xpcall(f, with_traceback, ...)
  if ok then
    return true
  end
  -- On a stack overflow, LuaJIT returns a message of its own instead of the failure.
  return false, type(failure) == "table" and failure or _M.new(failure)
end


--- The request's id in error pages, for the log. Returns nil if it is not known yet.
-- @tparam[opt=false] boolean decide whether the next page must get the returned id
function _M.request_id(kong, ctx, decide)
  local id = ctx.KONG_RESPONSE_REQUEST_ID
  if id then
    return id
  end
  local get_id = request_ids[kong.response]
  local ok, given = pcall(get_id or noop)
  if get_id and not (ok and given == false) then
    id = ok and type(given) == "string" and given or ""
  else
    -- Unless the configuration uses this variable, each read returns another id.
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


--- Returns a line for the log: first the raised error, then what has failed.
-- @tparam table failure
-- @tparam string what
-- @tparam[opt] string id the id of the request
function _M.line(failure, what, id)
  return fmt("%s (%s%s)%s", failure.text, what, id and ", request_id: " .. id or "", failure.trace)
end


--- The text for a failed handler. If the error has no position, for example after a tail call
-- (`return kong.response.exit("400")`), the text has the position of the handler.
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


--- Logs a line. `ngx.log` would add a position in this file, so `raw_log` logs it if possible.
function _M.log(failure, what, id)
  local line = _M.line(failure, what, id)
  if has_errlog then
    errlog.raw_log(ngx.ERR, line)
  else
    ngx.log(ngx.ERR, line)
  end
end


return _M
