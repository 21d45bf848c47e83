---@meta

---Who has sent the request.
---@class kong.client
---@field tls kong.client.tls
local client = {}


---The address of the connection's peer.
---
---**Phases:** every phase but init_worker
---@return string ip
function client.get_ip() end


---The address that nginx's realip module takes for the client's.
---
---**Phases:** every phase but init_worker
---@return string ip
function client.get_forwarded_ip() end


---**Phases:** every phase but init_worker
---@return integer port
function client.get_port() end


---**Phases:** every phase but init_worker
---@return integer? port
function client.get_forwarded_port() end


---**Phases:** access, response, header_filter, body_filter, log
---@return table? credential
function client.get_credential() end


---**Phases:** access, response, header_filter, body_filter, log
---@return table? consumer
function client.get_consumer() end


---Sets the consumer and the credential of the request. What is nil is removed.
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


---Finds a consumer in the list of the description.
---
---**Phases:** access, response, header_filter, body_filter, log
---
---**Errors:**
---* `consumer_id must be a string`
---* `cannot load a consumer with an id that is not a uuid`
---@param consumer_id string
---@param search_by_username? boolean
---@return table? consumer
function client.load_consumer(consumer_id, search_by_username) end


---The protocol of the route, or of the connection.
---
---**Phases:** access, response, header_filter, body_filter, log
---@param allow_terminated? boolean whether X-Forwarded-Proto of a trusted proxy counts
---@return string? protocol
---@return string? err
function client.get_protocol(allow_terminated) end


return client
