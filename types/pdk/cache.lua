---@meta

---A cache of the worker. `get` and `renew` load a missing value with the function `f`, which returns the value, an
---error and, optionally, the ttl in seconds.
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
---@field ttl? number the lifetime of a value, in seconds; 0, the default, is for ever
---@field neg_ttl? number the lifetime of nil, in seconds; 0, the default, is for ever
---@field resurrect_ttl? number the further lifetime of an expired value if loading fails, in seconds; 30 by default
---@field l1_serializer? fun(value: any): any returns the value to store
