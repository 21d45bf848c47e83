--- The sending part of `exit` and `error`.

local headers = require "bench.peer.headers"
local phase = require "bench.peer.phase"

local byte = string.byte
local coroutine = coroutine
local error = error
local find = string.find
local fmt = string.format
local gsub = string.gsub
local ngx = ngx
local tonumber = tonumber
local type = type


local HEADER_FILTER = phase.HEADER_FILTER
local set_all = headers.set_all
local header = ngx.header
local print = ngx.print

local JSON_TYPE = "application/json; charset=utf-8"

local encode = require("bench.peer.cjson").encode

local GRPC_STATUS = {
  [200] = 0, [400] = 3, [401] = 16, [403] = 7, [404] = 5, [409] = 6, [429] = 8, [499] = 1,
  [500] = 13, [501] = 12, [503] = 14, [504] = 4,
}
local GRPC_CLASS = { [2] = 0, [4] = 3, [5] = 13 }
local GRPC_NAMES = {
  [0] = "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
  "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
  "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
}

local _M = { encode = encode }


local function is_grpc_type(content_type)
  return type(content_type) == "string" and find(content_type, "application/grpc", 1, true) == 1
end


function _M.is_grpc_request()
  return is_grpc_type(ngx.var.content_type) and ngx.req.http_version() == 2
end


local function percent_encode(message)
  return (gsub(message, "[^ -$&-~]", function(char)
    return fmt("%%%02X", byte(char))
  end))
end


function _M.set_grpc_message(message)
  if message then
    header["grpc-message"] = percent_encode(message)
  end
end


-- Sets the status and the message of gRPC. Returns the body to send, which is never nil.
local function send_grpc(status, body, output, no_document)
  local added
  if not header["grpc-status"] then
    added = GRPC_STATUS[status] or GRPC_CLASS[math.floor(status / 100)] or 2
    header["grpc-status"] = added
  end
  if type(body) == "table" then
    if output then
      error("table body encoding with gRPC is not supported", 4)
    end
    if type(body.message) == "string" then
      body = body.message
    else
      ngx.log(ngx.WARN, "body was removed because table body encoding with gRPC is not supported")
      body = nil
    end
  end
  if not output and body and not no_document then
    if body ~= "" then
      header["grpc-message"] = percent_encode(body)
    end
    return ""
  end
  if added and not header["grpc-message"] then
    header["grpc-message"] = GRPC_NAMES[added]
  end
  return output and body or ""
end


local function finish(ctx, status, body)
  local current = ctx.KONG_PHASE
  if current == HEADER_FILTER or (current == nil and ngx.get_phase() == "header_filter") then
    ctx.response_body = body
    return ngx.exit(ngx.OK)
  end
  if body then
    print(body)
  end
  return ngx.exit(status)
end


local function flush(ctx, status, body, all, given_type, given_length, made_type, no_document)
  local encoded
  if type(body) == "table" then
    local output = given_type or header["Content-Type"]
    if not is_grpc_type(output) and (output or not _M.is_grpc_request()) then
      local reason
      encoded, reason = encode(body)
      if not encoded then
        error("body encoding failed while flushing response: " .. reason, 4)
      end
    end
  end

  ngx.status = status
  if all then
    set_all(all)
  end
  if made_type then
    header["Content-Type"] = made_type
  end

  local grpc
  if not encoded then
    local output = header["Content-Type"]
    if output then
      grpc = is_grpc_type(output)
    else
      grpc = _M.is_grpc_request()
    end
    if grpc then
      body = send_grpc(status, body, output, no_document)
    end
  elseif not given_type then
    header["Content-Type"] = JSON_TYPE
  end
  body = encoded or body

  if body then
    local length = #body
    if given_length and ngx.req.get_method() ~= "HEAD" and tonumber(given_length) ~= length then
      ngx.log(ngx.WARN, fmt("Content-Length %s does not match the body's %d bytes: corrected",
                            given_length, length))
      given_length = nil
    end
    if not given_length then
      header["Content-Length"] = length
    end
  elseif not given_length then
    if ctx.KONG_PHASE == HEADER_FILTER then
      body = ""
      header["Content-Length"] = 0
    elseif status < 300 then
      header["Content-Length"] = 0
    end
  end
  return finish(ctx, status, body)
end


--- @param status, body, all the checked arguments of the caller
-- @param given_type, given_length the Content-Type and Content-Length in the headers
-- @param made_type the Content-Type to send instead of that in the headers
-- @param no_document true if the response is gRPC's, so that it has no document
function _M.send(status, body, all, given_type, given_length, made_type, no_document)
  local ctx = ngx.ctx
  ctx.KONG_EXITED = true
  if ctx.delay_response and not ctx.delayed_response then
    ctx.delayed_response = { status_code = status, content = body, headers = all }
    ctx.delayed_response_callback = function(given)
      local delayed = (given or ngx.ctx).delayed_response
      return flush(given or ngx.ctx, delayed.status_code, delayed.content, delayed.headers,
                   given_type, given_length, made_type, no_document)
    end
    coroutine.yield()
    return
  end
  return flush(ctx, status, body, all, given_type, given_length, made_type, no_document)
end


return _M
