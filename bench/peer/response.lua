--- The peer of `kong.response` in the measurements: its thirteen functions in plain Lua on `ngx.*`,
-- with the same checks, as fast as we could make them. Without options, templates and
-- `worker_events`, because these would only cost time.

local accept = require "bench.peer.accept"
local answer = require "bench.peer.answer"
local document = require "bench.peer.document"
local headers = require "bench.peer.headers"
local phase = require "bench.peer.phase"
local add_header = require("ngx.resp").add_header

local error = error
local ngx = ngx
local type = type
local find = string.find
local fmt = string.format
local gsub = string.gsub
local lower = string.lower


local READ, WRITE = phase.READ, phase.WRITE
local check_phase = phase.check
local APART = headers.APART
local check_one = headers.check_one
local set = headers.set
local header = ngx.header
local get_headers = ngx.resp.get_headers

local MAX_HEADERS_DEFAULT = 100

local _M = {}


function _M.get_status()
  check_phase(READ)
  return ngx.status
end


function _M.get_header(name)
  check_phase(READ)
  if type(name) ~= "string" then
    error("header name must be a string", 2)
  end
  -- The keys are lower-case names. This lookup is faster than nginx's metatable.
  local all = get_headers(0)
  name = lower(name)
  local value = all[name]
  if value == nil and find(name, "_", 1, true) then
    value = all[gsub(name, "_", "-")]
  end
  if type(value) == "table" then
    return value[1]
  end
  return value
end


function _M.get_headers(max)
  check_phase(READ)
  if max == nil then
    local kong = kong
    local configuration = kong and kong.configuration
    max = configuration and configuration.lua_max_resp_headers or MAX_HEADERS_DEFAULT
  elseif type(max) ~= "number" then
    error("max_headers must be a number", 2)
  elseif max < 1 then
    error("max_headers must be >= 1", 2)
  elseif max > 1000 then
    error("max_headers must be <= 1000", 2)
  end
  return get_headers(max)
end


function _M.get_source(ctx)
  if ctx == nil then
    check_phase(READ)
    ctx = ngx.ctx
  elseif type(ctx) ~= "table" then
    error(fmt("ctx must be a table, got %s", type(ctx)), 2)
  end
  if ctx.KONG_UNEXPECTED then
    return "error"
  elseif ctx.KONG_EXITED then
    return "exit"
  elseif ctx.KONG_PROXIED then
    return "service"
  end
  return "error"
end


function _M.set_status(status)
  check_phase(WRITE)
  if ngx.headers_sent then
    error("headers have already been sent", 2)
  end
  if type(status) ~= "number" then
    error("code must be a number", 2)
  end
  if not (status >= 100 and status <= 599) then
    error("code must be a number between 100 and 599", 2)
  end
  ngx.status = status
end


function _M.set_header(name, value)
  check_phase(WRITE)
  if ngx.headers_sent then
    error("headers have already been sent", 2)
  end
  -- The fast path: nothing to check, nothing to change.
  if type(name) == "string" and type(value) == "string" and value ~= "" and not APART[#name] then
    header[name] = value
  elseif not check_one(name, value) then
    set(name, value)
  end
end


function _M.add_header(name, value)
  check_phase(WRITE)
  if ngx.headers_sent then
    error("headers have already been sent", 2)
  end
  if type(name) == "string" and type(value) == "string" and value ~= "" and not APART[#name] then
    add_header(name, value)
  elseif not check_one(name, value) then
    add_header(name, headers.addable(value))
  end
end


function _M.clear_header(name)
  check_phase(WRITE)
  if ngx.headers_sent then
    error("headers have already been sent", 2)
  end
  if type(name) ~= "string" then
    error("header name must be a string", 2)
  end
  header[name] = nil
end


function _M.set_headers(all)
  check_phase(WRITE)
  if ngx.headers_sent then
    error("headers have already been sent", 2)
  end
  if type(all) ~= "table" then
    error("headers must be a table", 2)
  end
  headers.check_all(all)
  headers.set_all(all)
end


local function check_answer(status, least)
  if ngx.headers_sent then
    error("headers have already been sent", 3)
  end
  if type(status) ~= "number" then
    error("code must be a number", 3)
  end
  if not (status >= least and status <= 599) then
    error(fmt("code must be a number between %d and 599", least), 3)
  end
end


function _M.exit(status, body, all)
  check_phase(WRITE)
  check_answer(status, 100)
  local kind = type(body)
  if body ~= nil and kind ~= "string" and kind ~= "table" then
    error("body must be a nil, string or table", 2)
  end
  local content_type, content_length
  if all ~= nil then
    if type(all) ~= "table" then
      error("headers must be a nil or table", 2)
    end
    content_type, content_length = headers.check_all(all)
  end
  return answer.send(status, body, all, content_type, content_length)
end


function _M.error(status, message, all)
  check_phase(WRITE)
  check_answer(status, 400)
  local kind = type(message)
  if kind == "table" then
    local reason
    message, reason = answer.encode(message)
    if not message then
      error("could not JSON encode the error message: " .. reason, 2)
    end
  elseif message ~= nil and kind ~= "string" then
    error("message must be a nil, a string or a table", 2)
  end
  local content_type, content_length
  if all ~= nil then
    if type(all) ~= "table" then
      error("headers must be a nil or table", 2)
    end
    content_type, content_length = headers.check_all(all)
    if type(content_type) == "table" then
      content_type = content_type[1]
    end
  end

  local kept = content_type
  local which
  if content_type then
    if find(content_type, "application/grpc", 1, true) == 1 then
      answer.set_grpc_message(message)
      return answer.send(status, nil, all, content_type, content_length, nil, true)
    end
    which = document.of_type(content_type)
  elseif answer.is_grpc_request() then
    answer.set_grpc_message(message)
    return answer.send(status, nil, all, content_type, content_length, "application/grpc", true)
  else
    which = accept(ngx.req.get_headers(0).accept)
    kept = document.TYPES[which]
  end
  message = message or document.default_message(status)
  local body = document.write(which, message, ngx.var.request_id or "")
  return answer.send(status, body, all, content_type, content_length, kept)
end


local body = require "bench.peer.body"
_M.get_raw_body = body.get
_M.set_raw_body = body.set


return _M
