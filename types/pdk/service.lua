---@meta

---Chooses the server for the request. These functions need a balancer: `balancer = true` in the description, and
---`balancer_by_lua*` in the upstream. Without it, they raise `kong.service.<function> needs a balancer: …`.
---@class kong.service
---@field request kong.service.request
---@field response kong.service.response
local service = {}


---Sends the request to a server of an upstream. Requests use the servers in turn. If the description has no such
---upstream, it returns nil and an error.
---
---**Phases:** access
---
---**Errors:**
---* `host must be a string`
---@param host string the name of the upstream
---@return true? ok
---@return string? err
function service.set_upstream(host) end


---Sends the request to a server.
---
---**Phases:** rewrite, access, balancer
---
---**Errors:**
---* `host must be a string`
---* `port must be an integer`
---* `port must be an integer between 0 and 65535: given <n>`
---* `kong.service.set_target: "<host>" is not an IP address, and the balancer cannot resolve names`
---@param host string an IP address or `localhost`; a name if the description has `resolves = true`
---@param port integer
function service.set_target(host, port) end


---Sets a function that the balancer calls before it tries another server.
---
---**Phases:** access
---
---**Errors:**
---* `retry_callback must be a function`
---@param retry_callback fun()
function service.set_target_retry_callback(retry_callback) end


---Sets the number of further attempts after a server has failed.
---
---**Phases:** access
---
---**Errors:**
---* `retries must be an integer`
---* `retries must be an integer between 0 and 32767: given <n>`
---@param retries integer
function service.set_retries(retries) end


---Sets the timeouts of the connection to the upstream, in milliseconds.
---
---**Phases:** access
---
---**Errors:**
---* `connect_timeout must be an integer`
---* `connect_timeout must be an integer between 1 and 2147483646: given <n>`
---* the same for `write_timeout` and `read_timeout`
---@param connect_timeout integer
---@param write_timeout integer
---@param read_timeout integer
function service.set_timeouts(connect_timeout, write_timeout, read_timeout) end


---Needs a gateway.
---
---**Phases:** rewrite, access, balancer, preread
---
---**Errors:**
---* `chain must be a parsed cdata object`
---* `key must be a parsed cdata object`
---@param chain ffi.cdata*
---@param key ffi.cdata*
function service.set_tls_cert_key(chain, key) end


---Needs a gateway.
---
---**Phases:** rewrite, access, balancer, preread
---
---**Errors:**
---* `argument must be a boolean`
---@param on boolean
function service.set_tls_verify(on) end


---Needs a gateway.
---
---**Phases:** rewrite, access, balancer, preread
---
---**Errors:**
---* `argument must be a number`
---@param depth integer
function service.set_tls_verify_depth(depth) end


---Needs a gateway.
---
---**Phases:** rewrite, access, balancer, preread
---
---**Errors:**
---* `argument must be a resty.openssl.x509.store object`
---@param store table
function service.set_tls_verify_store(store) end


return service
