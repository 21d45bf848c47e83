-- Puts a snippet into HTML pages, before the end of the head or of the body.

local kong = kong
local ngx = ngx
local find = string.find
local gsub = string.gsub
local lower = string.lower


local HtmlInjector = {
  PRIORITY = 700,
  VERSION = "1.0.4",
}


local function is_html(content_type)
  return content_type ~= nil and find(lower(content_type), "^text/html") ~= nil
end


-- `$` and what follows would be a group.
local function literal(text)
  return (gsub(text, "%$", "$$"))
end


local function fill_in(snippet)
  local filled = ngx.re.gsub(snippet, [[\{\{\s*(\w+)\s*\}\}]], function(m)
    if m[1] == "path" then
      return ngx.escape_uri(kong.request.get_path())
    elseif m[1] == "host" then
      return kong.request.get_host()
    end
    return ""
  end, "jo")
  return filled
end


function HtmlInjector:access(conf)
  -- A body that the service has compressed cannot be changed.
  if conf.force_identity then
    kong.service.request.clear_header("Accept-Encoding")
  end
end


function HtmlInjector:header_filter(conf)
  if kong.response.get_source() ~= "service" or kong.response.get_status() ~= 200 then
    return
  end
  if not is_html(kong.response.get_header("Content-Type")) then
    return
  end
  local encoding = kong.response.get_header("Content-Encoding")
  if encoding and encoding ~= "identity" then
    kong.log.warn("a page with Content-Encoding ", encoding, " stays as it is")
    return
  end

  kong.ctx.plugin.inject = true
  kong.response.clear_header("Content-Length")
  kong.response.clear_header("ETag")
  kong.response.clear_header("Accept-Ranges")
  if conf.content_security_policy then
    kong.response.add_header("Content-Security-Policy", conf.content_security_policy)
  end
end


function HtmlInjector:body_filter(conf)
  if not kong.ctx.plugin.inject then
    return
  end
  local body = kong.response.get_raw_body()
  if not body then
    return
  end

  local changed, count, err = ngx.re.sub(body, "</" .. conf.before .. "\\s*>",
                                         literal(fill_in(conf.snippet)) .. "$0", "ijo")
  if err then
    kong.log.err("cannot look for the place: ", err)
    return
  end
  if count == 0 then
    kong.log.debug("no place found in a page of ", #body, " bytes")
    if not conf.append then
      return
    end
    changed = body .. fill_in(conf.snippet)
  end
  for _, rule in ipairs(conf.replacements) do
    local flags = rule.ignore_case and "ijo" or "jo"
    local replaced, n, failure = ngx.re.gsub(changed, rule.regex, rule.replacement, flags)
    if replaced then
      changed = replaced
      kong.log.debug(n, " replacements of ", rule.regex)
    else
      kong.log.err("bad pattern ", rule.regex, ": ", failure)
    end
  end
  kong.response.set_raw_body(changed)
end


return HtmlInjector
