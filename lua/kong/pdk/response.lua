--- Replaces the gateway's module of this name, if this folder comes first in `lua_package_path`.
-- The functions look up other parts of the PDK at each call, because a gateway makes some of them
-- after this part, and tests replace them.

local instance = require "kong.response.instance"


local error = error
local fmt = string.format
local getenv = os.getenv
local rawget = rawget
local setmetatable = setmetatable
local tonumber = tonumber
local type = type

-- These options are environment variables, because a gateway ignores unknown settings in its own
-- configuration.
local MAX_BODY_SIZE = "KONG_RESPONSE_MAX_BODY_SIZE"
local WARNINGS = "KONG_RESPONSE_WARNINGS"


-- A gateway makes its PDK in nginx's master process, which has the whole environment.
local function max_body_size()
  local text = getenv(MAX_BODY_SIZE)
  if not text or text == "" then
    return nil
  end
  local size = text:find("^%d+$") and tonumber(text)
  if not size or size < 1 or size > 2^53 then
    error(fmt("%s must be a positive whole number, got %q", MAX_BODY_SIZE, text), 0)
  end
  return size
end


local function warnings()
  local text = getenv(WARNINGS)
  if not text or text == "" or text == "on" then
    return true
  elseif text == "off" then
    return false
  end
  error(fmt("%s must be on or off, got %q", WARNINGS, text), 0)
end


local function configuration_of(pdk)
  local configuration = pdk.configuration
  if type(configuration) ~= "table" then
    local kong = rawget(_G, "kong")
    configuration = type(kong) == "table" and kong.configuration
  end
  return type(configuration) == "table" and configuration or nil
end


local function new(pdk)
  pdk = pdk or {}

  return instance.new {
    max_body_size = max_body_size(),
    warnings = warnings(),

    log = function(level, message)
      local log = pdk.log
      local write = type(log) == "table" and (level == ngx.WARN and log.warn or log.err)
      if write then
        write(message)
      else
        ngx.log(level, message)
      end
    end,

    worker_events = {
      poll = function()
        local events = pdk.worker_events
        local poll = type(events) == "table" and events.poll
        if poll then
          poll()
        end
      end,
    },

    error_templates = setmetatable({}, {
      __index = function(_, document)
        local configuration = configuration_of(pdk)
        return configuration and configuration["error_template_" .. document]
      end,
    }),
  }
end


return {
  --- Makes an independent table of the thirteen functions.
  -- @tparam[opt] table pdk the gateway's PDK. The functions use `log.warn`, `log.err`,
  --   `worker_events.poll` and `configuration.error_template_json`, `_html`, `_xml` and `_plain`,
  --   if they exist.
  -- @treturn table
  -- @raise `KONG_RESPONSE_MAX_BODY_SIZE must be a positive whole number, got "<value>"`;
  --   `KONG_RESPONSE_WARNINGS must be on or off, got "<value>"`;
  --   `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
  new = new,
}
