-- Removes fields from JSON bodies, and adds fields. It refuses a body that it cannot read, for
-- example a compressed one, because it may contain fields that clients must not see.
--
--     { plugin = require "examples.json-transform.plugin", config = {
--         remove = { "internal" },
--         add = { served_by = "gateway" },
--     } }

local json = require "kong.response.json"


local JsonTransform = { PRIORITY = 800 }


local function is_json(content_type)
  local media_type = (content_type or ""):match("^%s*([^;%s]+)")
  media_type = media_type and media_type:lower()
  return media_type == "application/json" or media_type and media_type:match("%+json$") ~= nil
end


function JsonTransform:header_filter(config)
  if kong.response.get_source() ~= "service" then
    return
  end
  if not is_json(kong.response.get_header("Content-Type")) then
    return
  end
  local status = kong.response.get_status()
  if status == 204 then
    return -- there is no body
  elseif status == 304 then
    -- The client has the changed body: the ETag is that of the upstream's.
    return kong.response.clear_header("ETag")
  end

  local encoding = kong.response.get_header("Content-Encoding")
  if encoding and encoding:lower() ~= "identity" then
    kong.response.clear_header("Content-Encoding")
    kong.response.clear_header("ETag")
    return kong.response.exit(502, {
      message = "The upstream has answered with an encoding that is not understood: " .. encoding,
    })
  end

  kong.ctx.plugin.transform = true
  -- The body changes.
  kong.response.clear_header("Content-Length")
  kong.response.clear_header("ETag")
end


function JsonTransform:body_filter(config)
  if not kong.ctx.plugin.transform then
    return
  end

  local body = kong.response.get_raw_body()
  if not body then
    return -- before the end of the body
  end

  local object = json.decode(body)
  if type(object) ~= "table" then
    return kong.response.set_raw_body('{"message":"The upstream has not answered with JSON"}')
  end
  for _, name in ipairs(config.remove or {}) do
    object[name] = nil
  end
  for name, value in pairs(config.add or {}) do
    object[name] = value
  end
  kong.response.set_raw_body(json.encode(object))
end


return JsonTransform
