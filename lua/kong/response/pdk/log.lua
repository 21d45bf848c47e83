--- `kong.log`: lines in nginx's error log that name the plugin and its line.

local deprecations = require "kong.response.pdk.log.deprecation"
local formats = require "kong.response.pdk.log.format"
local inspections = require "kong.response.pdk.log.inspection"
local serializer = require "kong.response.pdk.log.serializer"


local concat = table.concat
local error = error
local getenv = os.getenv
local getinfo = debug.getinfo
local pairs = pairs
local pcall = pcall
local require = require
local select = select
local setmetatable = setmetatable
local tostring = tostring
local type = type


local LEVELS = {
  debug = "DEBUG", info = "INFO", notice = "NOTICE", warn = "WARN", err = "ERR", crit = "CRIT",
  alert = "ALERT", emerg = "EMERG",
}

-- The level of the plugin in `write_line`, because the functions of a log call it by a tail call.
local PLUGIN = 2


local function nothing()
end


-- Returns a function that writes a line, and a function that returns the highest level that nginx
-- writes. In nginx, `raw_log` writes lines without the prefix of `ngx.log`.
local function find_writer(ngx)
  local found, errlog = pcall(require, "ngx.errlog")
  if found and type(errlog) == "table" and pcall(errlog.get_sys_filter_level) then
    return errlog.raw_log, errlog.get_sys_filter_level
  end
  return function(level, text)
    ngx.log(level, text)
  end, function()
    return ngx.DEBUG
  end
end


--- Returns the arguments of a call as one string.
local function text_of(count, ...)
  local texts = { ... }
  for i = 1, count do
    texts[i] = tostring(texts[i])
  end
  return concat(texts, "", 1, count)
end


--- Makes the `kong.log` of code outside of plugins. Its function `new` makes the log of a plugin.
-- @tparam table pdk `ngx`, `check`, `kong`, `host_port`, `write_log`
-- @treturn table
return function(pdk)
  local ngx = pdk.ngx
  local write, filter_level = find_writer(ngx)
  local write_plain = pdk.write_log
  local serialize, set_serialize_value = serializer(pdk)
  local new


  --- Makes a log.
  -- @tparam ?string namespace the name of the plugin; nil for code outside of plugins
  -- @tparam ?string format
  local function make(namespace, format)
    local render = formats.compile(format or formats.first(namespace))
    local log = {
      new = new,
      serialize = serialize,
      set_serialize_value = set_serialize_value,
    }

    local function write_line(level, ...)
      local count = select("#", ...)
      if count == 0 then
        error("bad argument #1 to 'select' (index out of range)", PLUGIN)
      end
      if write_plain then
        return write_plain(level, text_of(count, ...))
      end
      write(level, render(getinfo(PLUGIN, "Sln"), namespace, text_of(count, ...)))
    end

    local function at(level)
      return function(...)
        if level > filter_level() then
          return
        end
        return write_line(level, ...)
      end
    end

    for name, constant in pairs(LEVELS) do
      log[name] = at(ngx[constant])
    end
    log.trace = getenv("KONG_IS_TESTING") == "1" and log.debug or nothing
    log.inspect = inspections(namespace, function(text)
      write(ngx.NOTICE, text)
    end)
    log.deprecation = deprecations(log.warn)

    function log.set_format(text)
      if text ~= nil and type(text) ~= "string" then
        error("format must be a string", 2)
      end
      render = formats.compile(text or formats.DEFAULT)
    end

    local notice = log.notice
    return setmetatable(log, {
      __call = function(_, ...)
        return notice(...)
      end,
    })
  end


  function new(namespace, format)
    if type(namespace) ~= "string" then
      error("namespace must be a string", 2)
    elseif namespace == "" then
      error("namespace cannot be an empty string", 2)
    elseif format ~= nil and type(format) ~= "string" then
      error("format must be a string if specified", 2)
    elseif format == "" then
      error("format cannot be an empty string if specified", 2)
    end
    return make(namespace, format)
  end


  return make()
end
