---@meta

---The sender of the request.
---@class kong.client
---@field tls kong.client.tls
local client = {}


---Returns the IP address from which the connection comes.
---
---**Phases:** every phase except init_worker
---@return string ip
function client.get_ip() end


---Returns the IP address of the client. With nginx's realip module, this is the address that a trusted proxy sends.
---
---**Phases:** every phase except init_worker
---@return string ip
function client.get_forwarded_ip() end


---Returns the port from which the connection comes.
---
---**Phases:** every phase except init_worker
---@return integer port
function client.get_port() end


---Returns the port of the client, as `get_forwarded_ip` does for the address.
---
---**Phases:** every phase except init_worker
---@return integer? port
function client.get_forwarded_port() end


---Returns the credential of the request.
---
---**Phases:** access, response, header_filter, body_filter, log
---@return table? credential
function client.get_credential() end


---Returns the consumer of the request.
---
---**Phases:** access, response, header_filter, body_filter, log
---@return table? consumer
function client.get_consumer() end


---Sets the consumer and the credential of the request. nil removes the old one.
---
---**Phases:** access
---
---**Errors:**
---* `consumer must be a table or nil`
---* `credential must be a table or nil`
---* `either credential or consumer must be provided`
---@param consumer? table
---@param credential? table
function client.authenticate(consumer, credential) end


---Returns a consumer from `consumers` of the description, by its id.
---
---**Phases:** access, response, header_filter, body_filter, log
---
---**Errors:**
---* `consumer_id must be a string`
---* `cannot load a consumer with an id that is not a uuid`
---@param consumer_id string
---@param search_by_username? boolean true also searches the names of users
---@return table? consumer
function client.load_consumer(consumer_id, search_by_username) end


---Returns the only protocol of the route, otherwise that of the connection. Without a route, it returns nil and an
---error.
---
---**Phases:** access, response, header_filter, body_filter, log
---@param allow_terminated? boolean true also accepts X-Forwarded-Proto of a trusted proxy
---@return string? protocol
---@return string? err
function client.get_protocol(allow_terminated) end


return client
