-- Sends a record of each request to a collector, from a timer, so that no client waits for it.

local cjson = require "cjson"
local http = require "resty.http"

local kong = kong
local ngx = ngx
local fmt = string.format
local timer_at = ngx.timer.at


local AuditLog = {
  PRIORITY = 12,
  VERSION = "2.0.1",
}


local function send(premature, conf, body)
  if premature then
    return
  end
  local client = http.new()
  client:set_timeout(conf.timeout)
  local res, err
  for attempt = 1, conf.retry_count + 1 do
    res, err = client:request_uri(conf.http_endpoint, {
      method = conf.method,
      body = body,
      headers = {
        ["Content-Type"] = "application/json",
        ["X-Signature"] = conf.secret
          and ngx.encode_base64(ngx.hmac_sha1(conf.secret, body)) or nil,
      },
    })
    if res and res.status < 500 then
      break
    end
    kong.log.warn(fmt("attempt %d failed: %s", attempt, err or res.status))
  end
  if not res then
    kong.log.err("the record is lost: ", err)
  elseif res.status >= 300 then
    kong.log.err(fmt("the collector answered %d: %s", res.status, res.body))
  end
end


function AuditLog:access(conf)
  kong.ctx.plugin.path = kong.request.get_path()
  if conf.log_body then
    local body, err = kong.request.get_raw_body()
    if body then
      kong.log.set_serialize_value("request.body", body:sub(1, conf.max_body_size))
    else
      kong.log.info("the body is not logged: ", err)
    end
  end
  for name, value in pairs(conf.custom_fields) do
    kong.log.set_serialize_value("custom." .. name, value)
  end
end


function AuditLog:header_filter(conf)
  kong.log.set_serialize_value("response.source", kong.response.get_source())
end


local function is_logged(conf, message)
  if conf.only_errors and message.response.status < 400 then
    return false
  end
  for _, prefix in ipairs(conf.ignored_paths) do
    if kong.ctx.plugin.path and kong.ctx.plugin.path:sub(1, #prefix) == prefix then
      return false
    end
  end
  return true
end


function AuditLog:log(conf)
  local message = kong.log.serialize()
  if not is_logged(conf, message) then
    return
  end
  for _, name in ipairs(conf.redacted_headers) do
    if message.request.headers[name:lower()] then
      message.request.headers[name:lower()] = "REDACTED"
    end
  end
  message.node = kong.node.get_hostname() ~= "" and conf.node_name or nil

  local ok, err = timer_at(0, send, conf, cjson.encode(message))
  if not ok then
    kong.log.err("cannot start a timer: ", err)
  end
end


return AuditLog
