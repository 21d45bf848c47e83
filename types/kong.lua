---@meta

---What `kong.response.lifecycle` makes, and what a gateway and the test kit have besides other
---parts.
---@class kong
---@field response kong.response
---@field ctx kong.ctx

---@class kong.ctx
---@field shared table one per request
---@field plugin table one per request and plugin; nil outside of a plugin

---@type kong
kong = {}
