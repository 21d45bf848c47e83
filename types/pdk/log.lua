---@meta

---Writes lines to nginx's error log. They name the plugin and its line. Each function joins its arguments with
---`tostring`. A call of `kong.log` itself logs at the level notice.
---@class kong.log
---@overload fun(...: any)
---@field inspect kong.log.inspect
---@field deprecation kong.log.deprecation
local log = {}

---Writes values in a frame, for debugging.
---@class kong.log.inspect
---@overload fun(...: any)
---@field on fun() turns it on again
---@field off fun() turns it off

---Warns about something that a later version removes. The last argument may be
---`{ after = "1.0", removal = "2.0", trace = true }`: the versions, and whether to log a traceback.
---@class kong.log.deprecation
---@overload fun(...: any)
---@field write fun(...: any)


---Logs at the level debug.
---@param ... any
function log.debug(...) end


---Logs at the level info.
---@param ... any
function log.info(...) end


---Logs at the level notice.
---@param ... any
function log.notice(...) end


---Logs at the level warn.
---@param ... any
function log.warn(...) end


---Logs at the level err.
---@param ... any
function log.err(...) end


---Logs at the level crit.
---@param ... any
function log.crit(...) end


---Logs at the level alert.
---@param ... any
function log.alert(...) end


---Logs at the level emerg.
---@param ... any
function log.emerg(...) end


---Logs at the level debug if the environment variable KONG_IS_TESTING is 1. Otherwise it does nothing.
---@param ... any
function log.trace(...) end


---Sets the format of this log's lines: `%file_src`, `%line_src`, `%func_name`, `%namespace` and
---`%message`.
---
---**Errors:**
---* `format must be a string`
---@param text? string the default format if it is nil
function log.set_format(text) end


---Returns a new log for a plugin or a part of it.
---
---**Errors:**
---* `namespace must be a string`
---* `namespace cannot be an empty string`
---* `format must be a string if specified`
---* `format cannot be an empty string if specified`
---@param namespace string the name in the lines
---@param format? string see `set_format`
---@return kong.log log
function log.new(namespace, format) end


---Returns the request and the response as a table, for plugins that log. Times are in milliseconds, sizes in bytes.
---The values of the headers Authorization and Proxy-Authorization are replaced with `REDACTED`.
---
---**Phases:** log
---
---**Errors:**
---* `value must be nil, a number, string, boolean or a non-self-referencial table …`
---* `The key '<key>' could not be used as a serialize value. Subkey '<part>' is not a table. It's <value>`
---@param options? { ngx: table?, kong: table? } used instead of the globals
---@return table document
function log.serialize(options) end


---Adds a value to the result of `serialize`. A `.` in the key separates the names of nested tables; write `\.` for a
---dot. The mode `add` sets only a missing value, and `replace` only an existing one.
---
---**Phases:** rewrite, access, response, header_filter, body_filter, log
---
---**Errors:**
---* `key must be a string`
---* `mode must be 'set', 'add' or 'replace'`
---@param key string
---@param value any
---@param options? { mode: "set"|"add"|"replace"|nil, ngx: table? } `set` is the default mode
function log.set_serialize_value(key, value, options) end


return log
