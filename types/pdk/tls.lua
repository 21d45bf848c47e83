---@meta

---The client's certificate.
---@class kong.client.tls
local tls = {}


---Sets the result of the check of the client's certificate.
---
---**Phases:** rewrite, access, balancer, response
---
---**Errors:**
---* `unknown client verify value: <value> accepted values are: "SUCCESS", "NONE" or "FAILED:<reason>"`
---@param value string `SUCCESS`, `NONE` or `FAILED:<reason>`
function tls.set_client_verify(value) end


---Needs a gateway.
---
---**Phases:** certificate
function tls.request_client_certificate() end


---Needs a gateway.
---
---**Phases:** certificate
function tls.disable_session_reuse() end


---Needs a gateway.
---
---**Phases:** rewrite, access, balancer, response, log
function tls.get_full_client_certificate_chain() end


return tls
