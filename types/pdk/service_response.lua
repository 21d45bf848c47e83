---@meta

---The answer of the upstream, without the changes of plugins.
---@class kong.service.response
local response = {}


---Returns the status of the upstream's answer, or nil if the gateway has not asked an upstream.
---
---**Phases:** response, header_filter, body_filter, log
---@return integer? status
function response.get_status() end


---Returns the first value of a header.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `name must be a string`
---@param name string in any case, with `_` or `-`
---@return string? value
function response.get_header(name) end


---Returns the headers, with names in lower case. `err` is `"truncated"` if there are more than `max_headers`; a
---buffered answer has no `err`.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? integer the default is `lua_max_resp_headers` of the configuration, or 100
---@return table<string, string|string[]> headers
---@return "truncated"? err
function response.get_headers(max_headers) end


---Returns the body of a buffered answer.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)`
---@return string body
function response.get_raw_body() end


---Returns the values of the body of a buffered answer, like `kong.request.get_body`.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:** those of `get_raw_body`, and for forms those of `get_headers` with `max_args`
---@param mimetype? string instead of the answer's Content-Type
---@param max_args? integer for forms; 100 by default
---@return table? body
---@return string? err
---@return string? mime
function response.get_body(mimetype, max_args) end


return response
