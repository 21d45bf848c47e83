---@meta

---The request that the upstream gets.
---@class kong.service.request
local request = {}


---Turns on buffering: the server reads the whole answer of the upstream before it sends anything to the client.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `kong.service.request.enable_buffering needs a server that buffers answers`
function request.enable_buffering() end


---Sets the scheme of the request to the upstream.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `scheme must be a string`
---* `invalid scheme: <scheme>`
---* `kong.service.request.set_scheme needs the variable $upstream_scheme: …`
---@param scheme "http"|"https"
function request.set_scheme(scheme) end


---Sets the path. It escapes bytes that a request line must not contain.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `path must be a string`
---* `path must start with /`
---* `kong.service.request.set_path needs the variable $upstream_uri: …`, for a path with encoded delimiters
---@param path string
function request.set_path(path) end


---Sets the query. `query` has no `?`.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `query must be a string`
---@param query string
function request.set_raw_query(query) end


---Sets the arguments of the query, sorted by name.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `args must be a table`
---* `arg keys must be strings`
---* `attempt to use <type> as query arg value`
---@param args table<string, string|number|boolean|(string|number|boolean)[]>
function request.set_query(args) end


---Removes all arguments with this name from the query.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `query argument name must be a string`
---@param name string
function request.clear_query_arg(name) end


---Sets the method of the request to the upstream.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `method must be a string`
---* `invalid method: <method>`
---@param method string in upper case
function request.set_method(method) end


---Sets a header, and replaces the headers with the same name. An empty array removes them.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `invalid header name "<name>": got <type>, expected string`
---* `invalid header value for "<name>": got <type>, expected array of string, string, number or boolean`
---* `invalid header value in array "<name>": got <type>, expected string`
---@param name string
---@param value kong.response.HeaderValue
function request.set_header(name, value) end


---Adds a header, and keeps the headers with the same name.
---
---**Phases:** rewrite, access
---
---**Errors:** those of `set_header`
---@param name string
---@param value kong.response.HeaderValue
function request.add_header(name, value) end


---Removes all headers with this name.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `header must be a string`
---@param name string
function request.clear_header(name) end


---Sets several headers, and replaces the headers with the same names. It checks all headers before it sets the first.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `headers must be a table`
---* `invalid header value for "<name>": got <type>, expected string, number, boolean or array of strings`
---@param headers kong.response.Headers
function request.set_headers(headers) end


---Sets the body, and Content-Length.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `body must be a string`
---@param body string
function request.set_raw_body(body) end


---Sets the body and Content-Type. It writes the values as JSON, as a form, or as multipart. If there is no media type,
---it returns nil and an error.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `args must be a table`
---* `mime must be a string`
---* `unsupported content type <mime>`
---* the errors of `set_query` for a form, and the reason if the values have no JSON form
---* `invalid value "<name>": got <type>, expected string, number or boolean`, for multipart
---@param args table
---@param mime? string instead of the client's Content-Type
---@return true? ok
---@return string? err
function request.set_body(args, mime) end


---Needs a gateway.
---
---**Phases:** balancer, preread
function request.disable_tls() end


---Needs a gateway.
---
---**Phases:** balancer, preread
function request.enable_tls() end


return request
