---@meta

---What the client has sent.
---
---Each function raises, at the plugin's line, `function cannot be called in <phase> phase (only in: <phases>)`
---and, in a timer, `no phase in ngx.ctx.KONG_PHASE, (need one of <phases>)`.
---@class kong.request
local request = {}


---The scheme, in lower case.
---
---**Phases:** every phase of a request
---@return string scheme
function request.get_scheme() end


---The host, in lower case and without the port.
---
---**Phases:** every phase of a request
---@return string host
function request.get_host() end


---The port of the server.
---
---**Phases:** every phase but init_worker
---@return integer port
function request.get_port() end


---As `get_scheme`, or X-Forwarded-Proto of a trusted proxy.
---
---**Phases:** every phase of a request
---@return string scheme
function request.get_forwarded_scheme() end


---As `get_host`, or the host in X-Forwarded-Host of a trusted proxy.
---
---**Phases:** every phase of a request
---@return string host
function request.get_forwarded_host() end


---As `get_port`, or the port in X-Forwarded-Port or X-Forwarded-Host of a trusted proxy.
---
---**Phases:** every phase of a request
---@return integer port
function request.get_forwarded_port() end


---As `get_path`, or X-Forwarded-Path of a trusted proxy.
---
---**Phases:** every phase of a request
---@return string path
function request.get_forwarded_path() end


---X-Forwarded-Prefix of a trusted proxy, or what the router has stripped from the path.
---
---**Phases:** every phase of a request
---@return string? prefix
function request.get_forwarded_prefix() end


---1.0, 1.1 or 2.
---
---**Phases:** every phase of a request
---@return number? version
function request.get_http_version() end


---The method, in upper case.
---
---**Phases:** every phase of a request
---@return string method
function request.get_method() end


---The path in its normal form, without the query.
---
---**Phases:** every phase of a request
---@return string path
function request.get_path() end


---The path as the client has sent it, without the query.
---
---**Phases:** every phase of a request
---@return string path
function request.get_raw_path() end


---The path and the query as the client has sent them.
---
---**Phases:** every phase of a request
---@return string path
function request.get_path_with_query() end


---The query without its `?`; `""` if there is none.
---
---**Phases:** every phase of a request
---@return string query
function request.get_raw_query() end


---The first value of an argument; true if it has no `=`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `query argument name must be a string`
---@param name string
---@return string|true|nil value
function request.get_query_arg(name) end


---The arguments of the query. `err` is `"truncated"` if there are more than `max_args`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `max_args must be a number`
---* `max_args must be >= 1`
---* `max_args must be <= 1000`
---@param max_args? integer 100 by default
---@return table<string, string|true|(string|true)[]> args
---@return "truncated"? err
function request.get_query(max_args) end


---The first value of a header. The name matches in any case, and `_` stands for `-`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `header name must be a string`
---@param name string
---@return string? value
function request.get_header(name) end


---The headers, with names in lower case. `err` is `"truncated"` if there are more than
---`max_headers`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? integer 100 by default
---@return table<string, string|string[]> headers
---@return "truncated"? err
function request.get_headers(max_headers) end


---The body. If nginx has it in a file, you need a limit: `err` says so.
---
---**Phases:** rewrite, access, response, error, admin_api
---@param max_allowed_file_size? integer the size up to which a file is read; 0 is any
---@return string? body
---@return string? err
function request.get_raw_body(max_allowed_file_size) end


---The values of a body: JSON, a form, or multipart. A repeated name gives an array.
---
---**Phases:** rewrite, access, response, error, admin_api
---
---**Errors:**
---* `max_args must be a number`
---* `max_args must be >= 1`
---* `max_args must be <= 1000`
---@param mimetype? string in place of the client's Content-Type
---@param max_args? integer for forms; 100 by default
---@param max_allowed_file_size? integer as for `get_raw_body`
---@return table? body
---@return string? err
---@return string? mime the type without its parameters
function request.get_body(mimetype, max_args, max_allowed_file_size) end


---When the request began, in milliseconds.
---
---**Phases:** every phase of a request
---@return number time
function request.get_start_time() end


---What the route's path has captured.
---
---**Phases:** every phase of a request
---@param ctx? table in place of `ngx.ctx`
---@return { unnamed: table<integer, string>, named: table<string, string> } captures
function request.get_uri_captures(ctx) end


return request
