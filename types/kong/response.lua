---@meta kong.response

---The client-response part of Kong Gateway's plugin API.
---
---Every error is a string that begins with the position of the caller. A call that raises an error
---has changed nothing. In addition to its own errors, every one may raise:
---* `API disabled in the current context`: there is no request, or nginx cannot do this in its phase
---* `this coroutine belongs to another request`
---* `function cannot be called in <phase> phase (only in: <phases>)`
---* `no phase in ngx.ctx.KONG_PHASE, (need one of <phases>)`
---* `ngx.ctx.KONG_PHASE must be a number, got <type>`
---* `ngx.ctx must be a table, got <type>`
---* `kong.response has no request here: this process is not nginx with lua-nginx-module`
---* `kong.response: internal error: <text>`
---
---The functions check the phase only if the globals `kong` and `kong.ctx` exist.
---@class kong.response
local response = {}

---The value of a header. nginx sends the header once for each item of an array.
---@alias kong.response.HeaderValue string|number|boolean|string[]

---Values by name. Names match in any case, and `_` stands for `-`.
---@alias kong.response.Headers table<string, kong.response.HeaderValue?>

---A body that the client gets as JSON. `kong.response.json` has values for `null` and `[]`.
---@alias kong.response.JsonBody table<string|number, any>


---Returns the status of the response. Before any code has set a status, it returns 0.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---@return integer status
function response.get_status() end


---Returns the value of a header, or nil if the response has no such header. If the header occurs
---more than once, it returns the first value. It searches all headers, not only the first 100.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---
---**Errors:**
---* `header name must be a string`
---@param name string in any case, with `_` or `-`
---@return string? value
function response.get_header(name) end


---Returns a table of all headers. Its keys are lower-case names. A value is a string, or an array
---if the header occurs more than once. You can read a header by any spelling of its name: `X-Foo`,
---`x-foo` or `X_Foo`.
---
---`err` is `"truncated"` if the response has more than `max_headers`. A removed header still counts,
---because nginx keeps its slot.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? number from 1 to 1000; the default is `lua_max_resp_headers` of the gateway, or 100
---@return table<string, string|string[]> headers
---@return "truncated"? err
function response.get_headers(max_headers) end


---Returns where the response comes from: `"service"` (the upstream), `"exit"` (a plugin has called
---`exit` or `error`) or `"error"` (the gateway, or unknown).
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api. With `ctx`, there is no
---phase check.
---
---**Errors:**
---* `ctx must be a table, got <type>`
---@param ctx? table read instead of `ngx.ctx`
---@return "service"|"exit"|"error" source
function response.get_source(ctx) end


---Sets the status of the response.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `code must be a number`
---* `code must be a number between 100 and 599`
---@param status number from 100 to 599; the function drops a fraction
function response.set_status(status) end


---Sets a header and replaces its earlier values. An empty array removes the header. The client gets
---an empty string as one space.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `invalid header name "<name>": got <type>, expected string`
---* `invalid header value in array "<name>": got <type>, expected string`
---* `invalid header value for "<name>": got <type>, expected array of string, string, number or boolean`
---* `invalid header value for "Content-Length": got "<value>", expected a non-negative integer`
---@param name string
---@param value kong.response.HeaderValue
function response.set_header(name, value) end


---Adds a header and keeps its earlier values. If nginx holds that header only once, the new value
---replaces the old one. An empty array changes nothing.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `invalid header name "<name>": got <type>, expected string`
---* `invalid header value in array "<name>": got <type>, expected string`
---* `invalid header value for "<name>": got <type>, expected array of string, string, number or boolean`
---* `invalid header value for "Content-Length": got "<value>", expected a non-negative integer`
---@param name string
---@param value kong.response.HeaderValue
function response.add_header(name, value) end


---Removes every occurrence of a header. It also removes `Server` and `Date`, which nginx adds itself.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `header name must be a string`
---@param name string
function response.clear_header(name) end


---Sets several headers. Headers that the table does not name stay unchanged. nginx sends the headers
---in the order of their names, byte by byte, in lower case and with `_` as `-`. The function does not
---change the table.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `headers must be a table`
---* `invalid header name "<name>": got <type>, expected string`
---* `invalid header value in array "<name>": got <type>, expected string`
---* `invalid header value for "<name>": got <type>, expected string, number, boolean or array of strings`
---* `invalid header value for "Content-Length": got "<value>", expected a non-negative integer`
---@param headers kong.response.Headers
function response.set_headers(headers) end


---Buffers the body. Before the end of the body, each call moves the current chunk into a buffer and
---returns nil. At the end it returns the whole body, which also becomes the outgoing chunk. A plugin
---that changes the length of the body must remove Content-Length in header_filter.
---
---**Phases:** body_filter
---
---**Errors:**
---* `API disabled in the current context`
---* `no memory for a body of <n> bytes`
---* `no memory`
---
---With the option `max_body_size`, a larger body passes to the client. At its end, `err` is
---`body is larger than max_body_size (<n> bytes)`.
---@return string? body nil before the end of the body
---@return string? err
function response.get_raw_body() end


---Sends `body` instead of the rest of the upstream's body, and ends the response. If `body` is `""`,
---the client gets a newline. The function does not change Content-Length.
---
---**Phases:** body_filter
---
---**Errors:**
---* `API disabled in the current context`
---* `body must be a string`
---@param body string
function response.set_raw_body(body) end


---Sends a response to the client and ends the current phase. nginx still runs the later phases:
---header_filter, body_filter and log. Write `return kong.response.exit(…)`, because `exit` returns in
---header_filter and balancer, and the code after it runs.
---
---`exit` sets Content-Length to the length of the body. Without a body and with a status from 300,
---nginx's own page answers. To send an empty body, pass `""`.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `code must be a number`
---* `code must be a number between 100 and 599`
---* `body must be a nil, string or table`
---* `headers must be a nil or table`
---* those of the pairs of `set_headers`, and of Content-Length
---* `API disabled in the context of balancer_by_lua*`, with a body
---* `API disabled in the current context`, in phases of nginx that can neither print nor exit
---* `table body encoding with gRPC is not supported`
---* `body encoding failed while flushing response: <reason>`
---
---In nginx's stream subsystem (L4), `exit` ignores the headers, and the status is one of 200, 400,
---403, 500, 502, 503.
---@param status number from 100 to 599; the function drops a fraction; a status below 200 becomes 500
---@param body? string|kong.response.JsonBody the client gets a string unchanged, and a table as JSON
---@param headers? kong.response.Headers the function does not change it
---@overload fun(status: number, body: string, headers?: kong.response.Headers)
---@overload fun(status: number, body: kong.response.JsonBody, headers?: kong.response.Headers)
---@overload fun(status: number, body: nil, headers: kong.response.Headers)
---@overload fun(status: number)
function response.exit(status, body, headers) end


---Sends an error document in JSON, HTML, XML or plain text. The Content-Type in `headers` chooses the
---format, otherwise the request's Accept. Apart from the document, it behaves like `exit`.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `code must be a number`
---* `code must be a number between 400 and 599`
---* `message must be a nil, a string or a table`
---* `could not JSON encode the error message: <reason>`
---* `headers must be a nil or table`
---* those of the pairs of `set_headers`, and of Content-Length
---* `API disabled in the context of balancer_by_lua*`
---* `API disabled in the current context`, in phases of nginx that can neither print nor exit
---@param status number from 400 to 599; the function drops a fraction
---@param message? string|kong.response.JsonBody the JSON of a table; the default is the status's own message
---@param headers? kong.response.Headers the function does not change it
---@overload fun(status: number, message: string, headers?: kong.response.Headers)
---@overload fun(status: number, message: kong.response.JsonBody, headers?: kong.response.Headers)
---@overload fun(status: number, message: nil, headers: kong.response.Headers)
---@overload fun(status: number)
function response.error(status, message, headers) end


return response
