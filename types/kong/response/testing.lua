---@meta kong.response.testing

---Runs plugins through the phases of a gateway, in plain LuaJIT.
---@class kong.response.testing
local testing = {}

---@class kong.response.testing.Client
---@field ip? string `127.0.0.1` by default
---@field port? number
---@field forwarded_ip? string
---@field forwarded_port? number
---@field consumer? table
---@field credential? table

---Headers by name, with an array for a header that occurs several times; or an ordered list of `{ name, value }`.
---@alias kong.response.testing.Headers
---| table<string, kong.response.HeaderValue>
---| { [1]: string, [2]: string|number|boolean }[]

---@class kong.response.testing.Request
---@field method? string `GET` by default
---@field path? string with its query; `/` by default
---@field headers? kong.response.testing.Headers
---@field http_version? number 1.0, 1.1 (by default), 2 or 3
---@field scheme? string `http` by default
---@field host? string the default is the header Host, or `localhost`
---@field port? number
---@field body? string
---@field id? string the request id
---@field client? kong.response.testing.Client
---@field variables? table<string, string> nginx's variables, for `ngx.var`

---@class kong.response.testing.Upstream
---@field status? number 200 by default
---@field headers? kong.response.testing.Headers a string as the body also sets Content-Length
---@field body? string|string[] each string of a list is one chunk
---@field failure? "timeout"|"refused"|"cut_off" `cut_off`: without the last chunk, or half a string

---@class kong.response.testing.Entry
---@field plugin kong.response.Plugin|string the plugin, its name, or the name of its module
---@field config? table
---@field name? string the name in the log; the default is the name in `plugin`
---@field schema? table|string the schema of the config, or its module; the default is the file next to `handler`
---@field row? kong.response.Row the objects that the plugin is bound to; needs a schema

---@class kong.response.testing.Case
---@field plugin? kong.response.Plugin|string the plugin, its name, or the name of its module (see `load`)
---@field config? table the argument of its methods; the schema sets defaults
---@field name? string the name in the log; the default is the name in `plugin`
---@field schema? table|string the schema of the config, or its module; the default is the file next to `handler`
---@field row? kong.response.Row the objects that the plugin is bound to; needs a schema
---@field plugins? kong.response.testing.Entry[] instead of these; a higher `PRIORITY` runs first
---@field request? kong.response.testing.Request
---@field upstream? kong.response.testing.Upstream
---@field configuration? table `kong.configuration`
---@field default_type? string the Content-Type of a response without one; none by default
---@field client_body_buffer_size? integer a larger request body is in a temporary file; 8192 bytes by default
---@field kong? table other parts of `kong`
---@field ngx? table other parts of `ngx`
---@field clock? number the time for `ngx.now`, which then stands still; the default is the time of the system
---@field shared? table<string|integer, string> dictionaries of `ngx.shared`: names, or sizes by name (`"1m"`)
---@field services? table<string, kong.response.testing.Answer|kong.response.testing.AnswerFunction> by URL, or by path
---@field modules? table<string, any> the results of `require` in this test
---@field nginx_version? string the nginx that the test imitates; `1.30.6` by default
---@field route? table the result of `kong.router.get_route`
---@field service? table the result of `kong.router.get_service`
---@field consumers? table[] for `kong.client.load_consumer`
---@field upstreams? table<string, string[]> for `kong.service.set_upstream`: targets by name
---@field node? table `id` and `hostname`, for `kong.node`
---@field version? string `kong.version`
---@field strict? boolean fail for mistakes that nginx accepts silently; true by default
---@field gateway? boolean false runs the plugins under the life cycle; true by default

---A request to another service.
---@class kong.response.testing.ServiceRequest
---@field method string
---@field url string with the query
---@field path string
---@field query? string
---@field headers table<string, string> by name, in any case
---@field body string

---The answer of another service.
---@class kong.response.testing.Answer
---@field status? number 200 by default
---@field reason? string
---@field headers? table<string, string>
---@field body? string

---Answers a request. With nil and an error, the connection fails.
---@alias kong.response.testing.AnswerFunction
---| fun(request: kong.response.testing.ServiceRequest): kong.response.testing.Answer?, string?

---The request that the upstream gets.
---@class kong.response.testing.SentRequest
---@field method string
---@field path string with the query
---@field headers table an ordered list of `{ name, value }`; by name, in any case, the value, or an array of them
---@field body string
---@field scheme string
---@field host string the host of the Service, or of a plugin's call
---@field port number

---@class kong.response.testing.Additions
---@field kong? table other parts of `kong`
---@field ngx? table other parts of `ngx`

---@class kong.response.testing.LogLine
---@field level string `err`, `warn` and so on
---@field message string
---@field phase string the phase of the line
---@field plugin? string the plugin of the line
---@field handler? string `<file>:<line>` of the method, for an error without a line

---A list of lines. By the name of a level, a list of messages.
---@class kong.response.testing.Log
---@field [integer] kong.response.testing.LogLine
---@field stderr string[]
---@field emerg string[]
---@field alert string[]
---@field crit string[]
---@field err string[]
---@field warn string[]
---@field notice string[]
---@field info string[]
---@field debug string[]

---`tostring` returns the HTTP/1.1 message that the client gets.
---@class kong.response.testing.Result
---@field status number
---@field headers table an ordered list of `{ name, value }`; by name, in any case, the value, or an array of them
---@field body string the body as the client reads it, with at most as many bytes as Content-Length says
---@field json fun(): any the body, read as JSON, arrays with `array_mt`; raises `the body is not JSON: <reason>`
---@field source "service"|"exit"|"error"
---@field exited boolean whether a plugin has answered
---@field phases string[] the phases that ran, in order
---@field log kong.response.testing.Log
---@field upstream_called boolean whether the gateway has asked the upstream
---@field upstream { request?: kong.response.testing.SentRequest } the request to the upstream; nil without one
---@field shared table `kong.ctx.shared` of the request
---@field services kong.response.testing.ServiceRequest[] the requests to other services, in order
---@field closed boolean whether the client gets no response
---@field truncated boolean whether the client does not get the whole body
---@field chunks string[] the chunks of the body
---@field ctx table the `ngx.ctx` of the request

---The assertions for a result. Each returns the value that it has found.
---@class kong.response.testing.Assertions
---@field status fun(status: number): number
---@field header fun(name: string, value?: kong.response.HeaderValue): string|string[]
---@field body fun(body: string): string
---@field jsonbody fun(body?: any): any
---@field logged fun(level: string, text?: string): string
---@field ctx fun(name: string, value?: any): any
---@field method fun(method: string): string
---@field path fun(path: string): string

---@class kong.response.testing.Assertion
---@field has kong.response.testing.Assertions
---@field has_no kong.response.testing.Assertions

---@class luassert
---@field response fun(result: kong.response.testing.Result): kong.response.testing.Assertion
---@field upstream fun(result: kong.response.testing.Result): kong.response.testing.Assertion


---Runs one request.
---
---**Errors:**
---* `a test is running already`
---* `unknown field "<name>" of <what>`
---* `<what>.<name> must be a <type>, got <type>`
---* `request.method must be in capitals, got "<method>"`
---* `request.path must start with a slash, got "<path>"`, `request.path must not leave the root, got "<path>"`
---* `<what>.headers["<name>"] must be a string or a list of strings, got <type>`
---* `<what>.headers["<name>"] is not a header name`, `<what>.headers[<number>] must be { name, value }`
---* `plugin must be the plugin's table or the name of its module, got <type>`
---* `request.http_version must be 1.0, 1.1, 2 or 3, got <number>`
---* `upstream.status must be a whole number from 100 to 599, got <number>`
---* `upstream.failure must be timeout, refused or cut_off, got "<value>"`
---* `a test has either plugin, config and name, or plugins`
---* `strict mode found:` with the mistakes and the response
---@param case kong.response.testing.Case
---@return kong.response.testing.Result result
function testing.run(case) end


---Returns a `run` with defaults. The fields of a case replace them one by one. It raises the errors of the defaults.
---@param defaults kong.response.testing.Case
---@return fun(case?: kong.response.testing.Case): kong.response.testing.Result run
function testing.with(defaults) end


---Returns a `run` with defaults. All its requests run in one worker, and share dictionaries, `kong.cache`, timers and
---the clock. Create a worker in each test.
---@param defaults kong.response.testing.Case `clock` and `shared` belong to the worker
---@return fun(case?: kong.response.testing.Case): kong.response.testing.Result run
function testing.worker(defaults) end


---Moves the clock, and runs the timers that become due. Their lines are in the log of the last result.
---
---**Errors:**
---* `advance needs a number of seconds, got <value>`
---@param seconds number
function testing.advance(seconds) end


---Works like `require`, with the globals `kong` and `ngx`, for modules that use them at their top.
---@param name string
---@param additions? kong.response.testing.Additions other parts that the module needs
---@return any plugin
function testing.load(name, additions) end


---Checks a config against a schema, and sets defaults.
---
---**Errors:**
---* `error initializing schema for plugin: error in definition of '<name>': <what>`
---@param schema table|string the schema, its module, or the name of a plugin
---@param config? table
---@param extra? table other fields of the plugin's row
---@return table? row fields without a value are `null`
---@return table? errors messages by field
function testing.validate(schema, config, extra) end


return testing
