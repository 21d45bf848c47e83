-- Refuses requests whose query, headers or body look like an attack, or are not what the API takes.

local kong = kong
local ngx = ngx
local ipairs = ipairs
local pairs = pairs
local tonumber = tonumber
local type = type

local re_find = ngx.re.find
local unescape = ngx.unescape_uri


local RequestFirewall = {
  PRIORITY = 2100,
  VERSION = "0.7.0",
}

local SETS = {
  sql = [[\bunion\b.{1,100}?\bselect\b|\bor\b\s+['"\d]+\s*=\s*['"\d]+|;\s*drop\s+table\b]],
  script = [[<\s*script\b|javascript\s*:|\bon(?:error|load)\s*=]],
  traversal = [[(?:^|[\\/])\.\.(?:[\\/]|$)]],
}


local function looks_bad(conf, text)
  for _, name in ipairs(conf.rules) do
    local from, _, err = re_find(text, SETS[name], "ijo")
    if err then
      kong.log.err("rule ", name, ": ", err)
    elseif from then
      return name
    end
  end
  for _, pattern in ipairs(conf.patterns) do
    if re_find(text, pattern, "ijo") then
      return "custom"
    end
  end
end


local function check_values(conf, values)
  for name, value in pairs(values) do
    local list = type(value) == "table" and value or { name, value }
    for _, item in pairs(list) do
      if type(item) == "table" then
        local found = check_values(conf, item)
        if found then
          return found
        end
      elseif type(item) == "string" then
        local found = looks_bad(conf, item)
        if found then
          return found
        end
      end
    end
  end
end


local function block(conf, where, rule)
  kong.log.warn("blocked: rule ", rule, " in the ", where, " of ", kong.request.get_method(), " ",
                kong.request.get_path(), " from ", kong.client.get_ip())
  if conf.log_only then
    kong.ctx.shared.firewall = rule
    return
  end
  return kong.response.error(conf.status, "Request blocked")
end


local function check_size(conf)
  local length = tonumber(kong.request.get_header("content-length"))
  if length and length > conf.max_body_size then
    return kong.response.error(413)
  end
end


function RequestFirewall:access(conf)
  if conf.allowed_methods[1] and not conf.allowed_methods[kong.request.get_method()] then
    return kong.response.exit(405, { message = "Method not allowed" }, {
      Allow = table.concat(conf.allowed_methods, ", "),
    })
  end
  check_size(conf)

  local rule = looks_bad(conf, unescape(kong.request.get_raw_path()))
  if rule then
    return block(conf, "path", rule)
  end
  local query, err = kong.request.get_query(conf.max_args)
  if err == "truncated" then
    return kong.response.error(400, "Too many arguments")
  end
  rule = check_values(conf, query)
  if rule then
    return block(conf, "query", rule)
  end
  for _, name in ipairs(conf.checked_headers) do
    local value = kong.request.get_header(name)
    rule = value and looks_bad(conf, value)
    if rule then
      return block(conf, "header " .. name, rule)
    end
  end

  if not conf.check_body then
    return
  end
  local content_type = kong.request.get_header("content-type")
  if not content_type then
    return
  end
  local body, failure = kong.request.get_body()
  if body then
    rule = check_values(conf, body)
    if rule then
      return block(conf, "body", rule)
    end
  elseif failure == "invalid json body" then
    return kong.response.error(400, "The body is no JSON")
  end
end


return RequestFirewall
