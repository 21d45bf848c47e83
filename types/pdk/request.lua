---@meta

---The request of the client.
---
---In a wrong phase, each function raises `function cannot be called in <phase> phase (only in: <phases>)` at the
---plugin's line. In a timer, it raises `no phase in ngx.ctx.KONG_PHASE, (need one of <phases>)`.
---@class kong.request
local request = {}


---Returns the scheme, in lower case.
---
---**Phases:** every phase of a request
---@return string scheme
function request.get_scheme() end


---Returns the host, in lower case and without the port.
---
---**Phases:** every phase of a request
---@return string host
function request.get_host() end


---Returns the port of the server.
---
---**Phases:** every phase except init_worker
---@return integer port
function request.get_port() end


---Returns X-Forwarded-Proto of a trusted proxy, otherwise the result of `get_scheme`.
---
---**Phases:** every phase of a request
---@return string scheme
function request.get_forwarded_scheme() end


---Returns the host in X-Forwarded-Host of a trusted proxy, otherwise the result of `get_host`.
---
---**Phases:** every phase of a request
---@return string host
function request.get_forwarded_host() end


---Returns the port in X-Forwarded-Port or X-Forwarded-Host of a trusted proxy. Otherwise it returns the port that
---clients use: the result of `get_port`, or the port for it in `host_ports` of the configuration.
---
---**Phases:** every phase of a request
---@return integer port
function request.get_forwarded_port() end


---Returns X-Forwarded-Path of a trusted proxy, otherwise the result of `get_path`.
---
---**Phases:** every phase of a request
---@return string path
function request.get_forwarded_path() end


---Returns X-Forwarded-Prefix of a trusted proxy, otherwise the part of the path that the router has removed. It is
---`""` in rewrite, before the router has run.
---
---**Phases:** every phase of a request
---@return string? prefix
function request.get_forwarded_prefix() end


---Returns the version of HTTP: 1.0, 1.1, 2 or 3.
---
---**Phases:** every phase of a request
---@return number? version
function request.get_http_version() end


---Returns the method, in upper case.
---
---**Phases:** every phase of a request
---@return string method
function request.get_method() end


---Returns the path in its normal form, without the query.
---
---**Phases:** every phase of a request
---@return string path
function request.get_path() end


---Returns the path as the client has sent it, without the query.
---
---**Phases:** every phase of a request
---@return string path
function request.get_raw_path() end


---Returns the path and the query as the client has sent them.
---
---**Phases:** every phase of a request
---@return string path
function request.get_path_with_query() end


---Returns the query without `?`, or `""` without a query.
---
---**Phases:** every phase of a request
---@return string query
function request.get_raw_query() end


---Returns the first value of an argument. It is true if the argument has no `=`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `query argument name must be a string`
---@param name string
---@return string|true|nil value
function request.get_query_arg(name) end


---Returns the arguments of the query. `err` is `"truncated"` if there are more than `max_args`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `max_args must be a number`
---* `max_args must be >= 1`
---* `max_args must be <= 1000`
---@param max_args? integer the default is `lua_max_uri_args` of the configuration, or 100
---@return table<string, string|true|(string|true)[]> args
---@return "truncated"? err
function request.get_query(max_args) end


---Returns the first value of a header. The name matches in any case, and `_` stands for `-`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `header name must be a string`
---@param name string
---@return string? value
function request.get_header(name) end


---Returns the headers, with names in lower case. `err` is `"truncated"` if there are more than `max_headers`.
---
---**Phases:** every phase of a request
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? integer the default is `lua_max_req_headers` of the configuration, or 100
---@return table<string, string|string[]> headers
---@return "truncated"? err
function request.get_headers(max_headers) end


---Returns the body. If nginx has it in a file, you must pass a limit. Otherwise the result is nil and an error.
---
---**Phases:** rewrite, access, response, error, admin_api
---@param max_allowed_file_size? integer the maximum size of the file, in bytes; 0 means no maximum
---@return string? body
---@return string? err
function request.get_raw_body(max_allowed_file_size) end


---Returns the values of a body in JSON, of a form, or of multipart. The value of a repeated name is an array.
---
---**Phases:** rewrite, access, response, error, admin_api
---
---**Errors:** for forms
---* `max_args must be a number`
---* `max_args must be >= 1`
---* `max_args must be <= 1000`
---@param mimetype? string instead of the client's Content-Type
---@param max_args? integer for forms; the default is `lua_max_post_args` of the configuration, or 100
---@param max_allowed_file_size? integer as for `get_raw_body`
---@return table? body
---@return string? err
---@return string? mime the supported type, or the other type without its parameters
function request.get_body(mimetype, max_args, max_allowed_file_size) end


---Returns the time at which the request began, in milliseconds since 1970.
---
---**Phases:** every phase of a request
---@return number time
function request.get_start_time() end


---Returns the captures of the route's path.
---
---**Phases:** every phase of a request
---@param ctx? table instead of `ngx.ctx`
---@return { unnamed: table<integer, string>, named: table<string, string> } captures
function request.get_uri_captures(ctx) end


return request
