---@meta

---What the upstream has answered, whatever plugins have made of it.
---@class kong.service.response
local response = {}


---The status of the upstream's answer; nil if no upstream was asked.
---
---**Phases:** response, header_filter, body_filter, log
---@return integer? status
function response.get_status() end


---The first value of a header.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `name must be a string`
---@param name string in any case, with `_` or `-`
---@return string? value
function response.get_header(name) end


---The headers, with names in lower case. `err` is `"truncated"` if there are more than
---`max_headers`.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? integer 100 by default
---@return table<string, string|string[]> headers
---@return "truncated"? err
function response.get_headers(max_headers) end


---The body of a buffered answer.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:**
---* `service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)`
---@return string body
function response.get_raw_body() end


---The values of the body of a buffered answer, as `kong.request.get_body` reads them.
---
---**Phases:** response, header_filter, body_filter, log
---
---**Errors:** those of `get_raw_body`
---@param mimetype? string
---@param max_args? integer
---@return table? body
---@return string? err
---@return string? mime
function response.get_body(mimetype, max_args) end


return response
