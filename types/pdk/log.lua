---@meta

---Lines in nginx's error log. They name the plugin and its line. Calling `kong.log` itself writes a
---notice. Values are joined as `tostring` shows them.
---@class kong.log
---@overload fun(...: any)
---@field inspect kong.log.inspect
---@field deprecation kong.log.deprecation
local log = {}

---Writes values in a frame, for debugging.
---@class kong.log.inspect
---@overload fun(...: any)
---@field on fun()
---@field off fun()

---Warns that something will go. The last argument may be
---`{ after = "1.0", removal = "2.0", trace = true }`.
---@class kong.log.deprecation
---@overload fun(...: any)
---@field write fun(...: any)


---@param ... any
function log.debug(...) end


---@param ... any
function log.info(...) end


---@param ... any
function log.notice(...) end


---@param ... any
function log.warn(...) end


---@param ... any
function log.err(...) end


---@param ... any
function log.crit(...) end


---@param ... any
function log.alert(...) end


---@param ... any
function log.emerg(...) end


---Writes nothing, unless the environment variable KONG_IS_TESTING is 1.
---@param ... any
function log.trace(...) end


---Sets the format of this log's lines: `%file_src`, `%line_src`, `%func_name`, `%namespace` and
---`%message`.
---
---**Errors:**
---* `format must be a string`
---@param text? string the default format if it is nil
function log.set_format(text) end


---Makes a log of its own.
---
---**Errors:**
---* `namespace must be a string`
---* `namespace cannot be an empty string`
---* `format must be a string if specified`
---* `format cannot be an empty string if specified`
---@param namespace string
---@param format? string
---@return kong.log log
function log.new(namespace, format) end


---The request and the response as a table, for plugins that log.
---
---**Phases:** log
---@param options? { ngx: table?, kong: table? }
---@return table document
function log.serialize(options) end


---Has `serialize` return a value of the plugin's. A `.` in the key leads into a table.
---
---**Phases:** rewrite, access, response, header_filter, body_filter, log
---
---**Errors:**
---* `key must be a string`
---* `mode must be 'set', 'add' or 'replace'`
---@param key string
---@param value any
---@param options? { mode: "set"|"add"|"replace"|nil, ngx: table? }
function log.set_serialize_value(key, value, options) end


return log
