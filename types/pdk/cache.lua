---@meta

---Values of a worker, and the functions that load them.
---@class kong.cache
---@field get fun(self: kong.cache, key: string, opts: kong.cache.Opts?, f: function?, ...: any): any, string?, integer?
---@field get_bulk fun(self: kong.cache, bulk: table, opts: kong.cache.Opts?): table
---@field invalidate fun(self: kong.cache, key: string)
---@field invalidate_local fun(self: kong.cache, key: string)
---@field probe fun(self: kong.cache, key: string): number?, string?, any
---@field purge fun(self: kong.cache)
---@field renew fun(self: kong.cache, key: string, opts: kong.cache.Opts?, f: function, ...: any): any, string?, number?
---@field safe_set fun(self: kong.cache, key: string, value: any): true

---@class kong.cache.Opts
---@field ttl? number seconds; 0, the default, is for ever
---@field neg_ttl? number the same for nil
---@field resurrect_ttl? number how long a stale value stays if loading fails; 30 by default
---@field l1_serializer? fun(value: any): any
