---@meta

---Secrets from environment variables: `{vault://env/NAME}`.
---@class kong.vault
local vault = {}


---@param reference any
---@return boolean is_reference
function vault.is_reference(reference) end


---@param reference string
---@return { name: string, resource: string, key: string?, config: table?, version: integer? }? parsed
---@return string? err
function vault.parse_reference(reference) end


---@param reference string
---@return string? secret
---@return string? err
function vault.get(reference) end


---Puts secrets in place of references, at any depth.
---@param options table fields by the references in its `$refs`
---@return table options
function vault.update(options) end


---Calls a function with a table that has its secrets, and once more if that gives nothing.
---@param callback fun(options: table): any, any
---@param options table
---@return any result
---@return any err
function vault.try(callback, options) end


return vault
