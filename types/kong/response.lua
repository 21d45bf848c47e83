---@meta kong.response

---The client-response part of Kong Gateway's plugin API.
---
---Every function raises a string that begins with the position of the caller, and a call that
---raises has changed nothing. Besides what is named with each function, every one may raise:
---* `API disabled in the current context`: there is no request, or nginx cannot do this here
---* `this coroutine belongs to another request`
---* `function cannot be called in <phase> phase (only in: <phases>)`
---* `no phase in ngx.ctx.KONG_PHASE, (need one of <phases>)`
---* `ngx.ctx.KONG_PHASE must be a number, got <type>`
---* `ngx.ctx must be a table, got <type>`
---* `kong.response has no request here: this process is not nginx with lua-nginx-module`
---* `kong.response: internal error: <text>`
---
---The phase is checked where the globals `kong` and `kong.ctx` exist.
---@class kong.response
local response = {}

---What a header is set to. An array sends the header once for each item.
---@alias kong.response.HeaderValue string|number|boolean|string[]

---Values by name. Names match in any case, and `_` stands for `-`.
---@alias kong.response.Headers table<string, kong.response.HeaderValue>

---A body that is sent as JSON; see `kong.response.json` for `null` and `[]`.
---@alias kong.response.JsonBody table<string|number, any>


---Returns the status of the response. It is 0 as long as nobody has set one.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---@return integer status
function response.get_status() end


---Returns the value of a header, or nil if there is none. If there are several of this name, it
---returns the first. It finds a header wherever it stands in the list, not only among the first
---100.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---
---**Errors:**
---* `header name must be a string`
---@param name string in any case, with `_` or `-`
---@return string? value
function response.get_header(name) end


---Returns all headers. Keys are lower-case names; a value is a string, or an array of strings where
---the header is repeated. The table finds `X-Foo`, `x-foo` and `X_Foo` alike.
---
---`err` is `"truncated"` if the response has more than `max_headers`. nginx keeps the place of a
---header that was removed, and that place counts.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api
---
---**Errors:**
---* `max_headers must be a number`
---* `max_headers must be >= 1`
---* `max_headers must be <= 1000`
---@param max_headers? number from 1 to 1000; 100 by default, or `lua_max_resp_headers` of a gateway
---@return table<string, string|string[]> headers
---@return "truncated"? err
function response.get_headers(max_headers) end


---Says where the response comes from: `"service"`, the upstream; `"exit"`, a plugin called `exit`
---or `error`; `"error"`, something went wrong, or nobody has said.
---
---**Phases:** response, header_filter, body_filter, log, error, admin_api. With `ctx`, no phase is
---checked.
---
---**Errors:**
---* `ctx must be a table, got <type>`
---@param ctx? table looked at in place of `ngx.ctx`
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
---@param status number from 100 to 599; a fraction is dropped
function response.set_status(status) end


---Sets a header, and replaces what was there under that name. An empty array removes the header. An
---empty string is sent as one space.
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


---Adds a header, and keeps those that are there under the same name, unless nginx holds that header
---only once. An empty array does nothing.
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


---Removes every occurrence of a header. `Server` and `Date` are removed, too, although nginx adds
---them itself.
---
---**Phases:** rewrite, access, balancer, response, header_filter, error, admin_api
---
---**Errors:**
---* `headers have already been sent`
---* `header name must be a string`
---@param name string
function response.clear_header(name) end


---Sets several headers; those that it does not name stay. They are sent in the order of their
---names, compared byte by byte in lower case, with `_` as `-`. The table is not changed.
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


---Collects the body. Every call takes the current chunk out of the response and returns nil; at the
---end of the body it returns the whole, and leaves it as the outgoing chunk. If the plugin changes
---its length, it has to remove the Content-Length in header_filter.
---
---**Phases:** body_filter
---
---**Errors:**
---* `API disabled in the current context`
---* `no memory for a body of <n> bytes`
---* `no memory`
---
---With the option `max_body_size` a larger body passes to the client, and at its end `err` is
---`body is larger than max_body_size (<n> bytes)`.
---@return string? body nil as long as there is more to come
---@return string? err
function response.get_raw_body() end


---Makes `body` the outgoing chunk and ends the response with it. In place of `""` a newline is
---sent. The Content-Length stays as it is.
---
---**Phases:** body_filter
---
---**Errors:**
---* `API disabled in the current context`
---* `body must be a string`
---@param body string
function response.set_raw_body(body) end


---Ends the current phase and answers the request. Later phases (header_filter, body_filter, log)
---still run. Use it with `return`: in header_filter and in balancer it returns, and code after it
---runs on.
---
---Content-Length becomes the length of the body. Without a body, nginx's own page answers for a
---status of 300 or more; to send no body at all, give `""`.
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
---In nginx's stream subsystem (L4) headers are ignored, and the status is one of 200, 400, 403,
---500, 502, 503.
---@param status number from 100 to 599; a fraction is dropped
---@param body? string|kong.response.JsonBody a string is sent as it is, a table as JSON
---@param headers? kong.response.Headers it is not changed
---@overload fun(status: number, body: string, headers?: kong.response.Headers)
---@overload fun(status: number, body: kong.response.JsonBody, headers?: kong.response.Headers)
---@overload fun(status: number, body: nil, headers: kong.response.Headers)
---@overload fun(status: number)
function response.exit(status, body, headers) end


---Answers the request with an error document in JSON, HTML, XML or plain text: by the Content-Type
---in `headers`, else by the request's Accept. Otherwise it behaves as `exit`.
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
---@param status number from 400 to 599; a fraction is dropped
---@param message? string|kong.response.JsonBody of a table, its JSON; the status's own message by default
---@param headers? kong.response.Headers it is not changed
---@overload fun(status: number, message: string, headers?: kong.response.Headers)
---@overload fun(status: number, message: kong.response.JsonBody, headers?: kong.response.Headers)
---@overload fun(status: number, message: nil, headers: kong.response.Headers)
---@overload fun(status: number)
function response.error(status, message, headers) end


return response
