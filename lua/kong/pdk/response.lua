--- Stands in for the gateway's module of this name: put first on `lua_package_path`, it is what the
-- PDK loads.
-- What is the gateway's is looked up when it is used: parts of a PDK come later than this one, and
-- tests replace them.

local instance = require "kong.response.instance"


local rawget = rawget
local setmetatable = setmetatable
local type = type


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
  -- @tparam[opt] table pdk the gateway's PDK; of it `log.warn`, `log.err`, `worker_events.poll` and
  --   `configuration.error_template_json`, `_html`, `_xml`, `_plain` are used, where they are
  -- @treturn table
  -- @raise `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
  new = new,
}
