-- Answers a repeated request that has the same Idempotency-Key with the response of the first one.

local cjson = require "cjson.safe"

local kong = kong
local ngx = ngx
local type = type


local IdempotencyHandler = {
  PRIORITY = 780,
  VERSION = "1.0.0",
}

local PROCESSING = "processing"


local function dict_of(conf)
  local dict = ngx.shared[conf.dictionary_name]
  if not dict then
    kong.log.crit("the shared dictionary ", conf.dictionary_name, " is missing")
  end
  return dict
end


local function key_of(conf)
  local key = kong.request.get_header(conf.header_name)
  if not key or key == "" then
    return nil
  end
  local consumer = kong.client.get_consumer()
  local who = consumer and consumer.id or kong.client.get_forwarded_ip()
  return ngx.encode_base64(ngx.sha1_bin(who .. "|" .. kong.request.get_path() .. "|" .. key))
end


function IdempotencyHandler:access(conf)
  if not conf.methods[kong.request.get_method()] then
    return
  end
  local key = key_of(conf)
  if not key then
    if conf.is_required then
      return kong.response.exit(400, { message = conf.header_name .. " header is required" })
    end
    return
  end
  local dict = dict_of(conf)
  if not dict then
    return
  end

  local body = kong.request.get_raw_body()
  local fingerprint = ngx.md5(body or "")
  local ok, err = dict:add(key, PROCESSING, conf.processing_timeout)
  if ok then
    kong.ctx.plugin.key = key
    kong.ctx.plugin.fingerprint = fingerprint
    return
  end
  if err ~= "exists" then
    kong.log.err("cannot store the key: ", err)
    return
  end

  local stored = dict:get(key)
  if stored == PROCESSING then
    return kong.response.exit(409, { message = "A request with this key is being processed" })
  end
  local answer = cjson.decode(stored)
  if type(answer) ~= "table" then
    kong.log.warn("dropping an answer that cannot be read")
    dict:delete(key)
    return
  end
  if answer.fingerprint ~= fingerprint then
    return kong.response.exit(422, { message = "The key was used with another body" })
  end
  return kong.response.exit(answer.status, ngx.decode_base64(answer.body), {
    ["Content-Type"] = answer.content_type,
    ["Idempotent-Replayed"] = "true",
  })
end


function IdempotencyHandler:header_filter(conf)
  if kong.ctx.plugin.key then
    kong.ctx.plugin.status = kong.response.get_status()
    kong.ctx.plugin.content_type = kong.response.get_header("Content-Type")
  end
end


function IdempotencyHandler:body_filter(conf)
  local key = kong.ctx.plugin.key
  if not key then
    return
  end
  local body = kong.response.get_raw_body()
  if not body then
    return
  end

  local dict = dict_of(conf)
  if kong.ctx.plugin.status >= 500 or kong.response.get_source() ~= "service" then
    -- The client may try again.
    dict:delete(key)
    return
  end
  local ok, err = dict:set(key, cjson.encode {
    status = kong.ctx.plugin.status,
    content_type = kong.ctx.plugin.content_type,
    fingerprint = kong.ctx.plugin.fingerprint,
    body = ngx.encode_base64(body),
  }, conf.ttl)
  if not ok then
    kong.log.err("cannot store the answer: ", err)
  end
end


return IdempotencyHandler
