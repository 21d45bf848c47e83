---@meta

---What the upstream gets.
---@class kong.service.request
local request = {}


---Has the server read the whole answer before it goes to the client.
---
---**Phases:** rewrite, access, balancer
function request.enable_buffering() end


---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `scheme must be a string`
---* `invalid scheme: <scheme>`
---@param scheme "http"|"https"
function request.set_scheme(scheme) end


---Sets the path. Bytes that must not stand in a request line are escaped.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `path must be a string`
---* `path must start with /`
---@param path string
function request.set_path(path) end


---Sets the query, without a `?`.
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
---@param args table<string, string|number|boolean|(string|number|boolean)[]>
function request.set_query(args) end


---Removes an argument from the query.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `query argument name must be a string`
---@param name string
function request.clear_query_arg(name) end


---**Phases:** rewrite, access
---
---**Errors:**
---* `method must be a string`
---* `invalid method: <method>`
---@param method string in upper case
function request.set_method(method) end


---Sets a header in place of those of the same name. An empty array removes them.
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


---Adds a header to those of the same name.
---
---**Phases:** rewrite, access
---
---**Errors:** those of `set_header`
---@param name string
---@param value kong.response.HeaderValue
function request.add_header(name, value) end


---Removes all headers of a name.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `header must be a string`
---@param name string
function request.clear_header(name) end


---Sets headers in place of those of the same names. It checks all before it sets any.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `headers must be a table`
---* `invalid header value for "<name>": got <type>, expected string, number, boolean or array of strings`
---@param headers kong.response.Headers
function request.set_headers(headers) end


---Sets the body. Content-Length follows.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `body must be a string`
---@param body string
function request.set_raw_body(body) end


---Sets the body, and Content-Type: JSON, a form, or multipart.
---
---**Phases:** rewrite, access
---
---**Errors:**
---* `args must be a table`
---* `mime must be a string`
---* `unsupported content type <mime>`
---@param args table
---@param mime? string in place of the client's Content-Type
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
