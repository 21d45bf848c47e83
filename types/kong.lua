---@meta

---The parts of `kong` that `kong.response.lifecycle` gives to plugins. A gateway has more parts.
---@class kong
---@field response kong.response
---@field request kong.request
---@field service kong.service
---@field client kong.client
---@field log kong.log
---@field ctx kong.ctx
---@field cache kong.cache
---@field configuration table<string, any> settings of the node, read-only
---@field ip kong.ip
---@field nginx kong.nginx
---@field node kong.node
---@field plugin kong.plugin
---@field router kong.router
---@field table kong.table
---@field vault kong.vault
---@field default_workspace string the id of the only workspace
---@field version string
---@field version_num integer

---@class kong.ctx
---@field shared table one per request
---@field plugin table one per request and plugin; nil outside of handlers

---@type kong
kong = {}
