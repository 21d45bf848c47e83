--- `kong.vault`: secrets from environment variables, `{vault://env/NAME}`.
--
-- nginx's workers see only the environment variables that its directive `env` names.

local json = require "kong.response.pdk.json"


local error = error
local find = string.find
local fmt = string.format
local getenv = os.getenv
local gmatch = string.gmatch
local gsub = string.gsub
local match = string.match
local pairs = pairs
local sub = string.sub
local tonumber = tonumber
local tostring = tostring
local type = type
local upper = string.upper


local START = "{vault://"


local function is_reference(reference)
  return type(reference) == "string" and sub(reference, 1, #START) == START
         and sub(reference, -1) == "}"
end


-- Reads settings such as `prefix=SSL_&ttl=10`.
local function read_settings(text)
  local settings = {}
  for name, value in gmatch(text, "([^&=]+)=([^&]*)") do
    settings[name] = value
  end
  return settings
end


local function parse(reference)
  if not is_reference(reference) then
    return nil, fmt("not a reference [%s]", tostring(reference))
  end
  local text = sub(reference, #START + 1, -2)
  local version, settings
  local body, fragment = match(text, "^(.-)#(.*)$")
  if body then
    version = tonumber(fragment)
    if not version then
      return nil, fmt("reference url has invalid version [%s]", reference)
    end
    text = body
  end
  local before, query = match(text, "^(.-)%?(.*)$")
  if before then
    text, settings = before, read_settings(query)
  end

  local name, path = match(text, "^([^/]*)/?(.*)$")
  if not find(text, "/", 1, true) then
    return nil, fmt("reference url is missing path [%s]", reference)
  elseif path == "" then
    return nil, fmt("reference url has empty path [%s]", reference)
  end
  local resource, key = match(path, "^([^/]+)/(.+)$")
  return {
    name = name,
    resource = resource or path,
    key = key,
    config = settings,
    version = version,
  }
end


--- Returns the string under a key of a secret in JSON, or nil.
local function subfield(secret, key)
  local values = json.decode(secret)
  local value = type(values) == "table" and values[key]
  return type(value) == "string" and value or nil
end


local function fetch(parsed)
  local prefix = parsed.config and parsed.config.prefix or ""
  local variable = upper((gsub(prefix .. parsed.resource, "-", "_")))
  local secret = getenv(variable)
  if secret and parsed.key then
    secret = subfield(secret, parsed.key)
  end
  return secret
end


--- Makes `kong.vault`.
return function()
  local vault = {}

  vault.is_reference = is_reference
  vault.parse_reference = parse


  function vault.get(reference)
    local parsed, err = parse(reference)
    if not parsed then
      return nil, err
    elseif parsed.name ~= "env" then
      return nil, fmt("could not find vault (%s) [%s]", parsed.name, reference)
    end
    local secret = fetch(parsed)
    if not secret then
      return nil, fmt("unable to load value (%s) from vault (env): not found [%s]",
                      parsed.resource, reference)
    end
    return secret
  end


  -- Replaces references with their secrets, at any depth. Returns whether it has found references.
  local function update(options, seen)
    if seen[options] then
      return false
    end
    seen[options] = true
    local found = false
    for field, reference in pairs(options["$refs"] or {}) do
      found = true
      if type(reference) == "table" then
        local values = type(options[field]) == "table" and options[field] or {}
        for i, one in pairs(reference) do
          values[i] = vault.get(one) or ""
        end
        options[field] = values
      else
        options[field] = vault.get(reference) or ""
      end
    end
    for name, value in pairs(options) do
      if name ~= "$refs" and type(value) == "table" and update(value, seen) then
        found = true
      end
    end
    return found
  end


  function vault.update(options)
    if type(options) ~= "table" then
      error("options must be a table", 2)
    end
    update(options, {})
    return options
  end


  -- The arguments after `options` are the results of the first call.
  local function try_again(callback, options, result, ...)
    if result then
      return result, ...
    end
    update(options, {})
    return callback(options)
  end


  function vault.try(callback, options)
    local has_references = type(options) == "table" and update(options, {})
    if not has_references then
      return callback(options)
    end
    return try_again(callback, options, callback(options))
  end


  return vault
end
