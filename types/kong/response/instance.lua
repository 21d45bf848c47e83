---@meta kong.response.instance

---@class kong.response.instance
---@field _VERSION string the version of the Lua files
---@field _NATIVE_VERSION string the version of the native library that serves
local instance = {}

---Paths of files that replace the built-in documents. In a file, the first `%s` becomes the message,
---the second `%s` becomes the request id, and `%%` becomes `%`.
---@class kong.response.instance.ErrorTemplates
---@field json? string
---@field html? string
---@field xml? string
---@field plain? string

---@class kong.response.instance.WorkerEvents
---@field poll fun() `exit` and `error` call it, only in nginx's content phase

---@class kong.response.instance.Options
---@field log? fun(level: integer, message: string) the default is nginx's error log; `ngx.log` works
---@field request_id? fun(): string? returns the id for error documents
---@field error_templates? kong.response.instance.ErrorTemplates
---@field worker_events? kong.response.instance.WorkerEvents
---@field max_body_size? integer bytes; `get_raw_body` does not buffer a larger body. The default is no limit
---@field warnings? boolean false: the log gets nothing at the level warn; the default is true


---Returns a new table of the thirteen functions, independent of `require "kong.response"`.
---
---**Errors:**
---* `options must be a table, got <type>`
---* `unknown option "<name>"`
---* `unknown option "error_templates.<name>"`
---* `option "<name>" must be a function, got <type>`
---* `option "error_templates.<name>" must be a string, got <type>`
---* `option "worker_events.poll" must be a function, got <type>`
---* `option "max_body_size" must be a positive whole number, got <number>`
---* `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
---@param options? kong.response.instance.Options
---@return kong.response
function instance.new(options) end


return instance
