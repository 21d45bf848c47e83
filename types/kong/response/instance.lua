---@meta kong.response.instance

---@class kong.response.instance
---@field _VERSION string the version of the Lua files
---@field _NATIVE_VERSION string the version of the native library that serves: the same one
local instance = {}

---Paths of files that take the place of the built-in documents. Of each, the first `%s` becomes the
---message, the second the request id, and `%%` becomes `%`.
---@class kong.response.instance.ErrorTemplates
---@field json? string
---@field html? string
---@field xml? string
---@field plain? string

---@class kong.response.instance.WorkerEvents
---@field poll fun() called by `exit` and `error`, in nginx's content phase only

---@class kong.response.instance.Options
---@field log? fun(level: integer, message: string) nginx's error log by default; `ngx.log` is one
---@field request_id? fun(): string? the id in error documents
---@field error_templates? kong.response.instance.ErrorTemplates
---@field worker_events? kong.response.instance.WorkerEvents
---@field max_body_size? integer bytes; `get_raw_body` does not collect a larger body. No limit by default
---@field warnings? boolean whether anything is logged at the level warn; true by default


---Makes a table of the thirteen functions, independent of `require "kong.response"`.
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
