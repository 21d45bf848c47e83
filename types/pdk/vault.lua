---@meta

---Secrets from environment variables: `{vault://env/NAME}`.
---@class kong.vault
local vault = {}


---Returns whether a value is a reference such as `{vault://env/NAME}`.
---@param reference any
---@return boolean is_reference
function vault.is_reference(reference) end


---Returns the parts of a reference, or nil and an error.
---@param reference string
---@return { name: string, resource: string, key: string?, config: table?, version: integer? }? parsed
---@return string? err
function vault.parse_reference(reference) end


---Returns the secret of a reference, or nil and an error.
---@param reference string
---@return string? secret
---@return string? err
function vault.get(reference) end


---Replaces references with their secrets, at any depth.
---
---**Errors:**
---* `options must be a table`
---@param options table its `$refs` has the references, by the names of the fields
---@return table options
function vault.update(options) end


---Calls a function with a table, after it has replaced the references in the table. If the function returns nothing, it
---reads the secrets and calls the function again.
---@param callback fun(options: table): ...any
---@param options table
---@return any ... the results of the last call
function vault.try(callback, options) end


return vault
