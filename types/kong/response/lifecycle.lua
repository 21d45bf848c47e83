---@meta kong.response.lifecycle

---@class kong.response.lifecycle
local lifecycle = {}

---A plugin: a method for each phase that it takes part in.
---@class kong.response.Plugin
---@field PRIORITY? number plugins with a higher one run first; 0 by default
---@field VERSION? string
---@field init_worker? fun(self: table)
---@field configure? fun(self: table, configs: table[])
---@field rewrite? fun(self: table, config: table)
---@field access? fun(self: table, config: table)
---@field response? fun(self: table, config: table) once the whole answer of the upstream is there
---@field header_filter? fun(self: table, config: table)
---@field body_filter? fun(self: table, config: table)
---@field log? fun(self: table, config: table)

---@class kong.response.lifecycle.Entry
---@field plugin kong.response.Plugin|string the plugin, its name, or the name of its module
---@field config? table what its methods get, filled in by the schema; an empty table by default
---@field name? string for the log; by default the name, or the file of its handlers
---@field schema? table|string the schema of the config, or its module; by default the one beside `handler`

---What plugins find in `kong` of the node and of a request.
---@class kong.response.pdk.Description
---@field balancer? boolean whether the upstream runs `balancer`
---@field buffering? boolean|string|function the internal location that asks the upstream
---@field cache_size? integer the number of entries that `kong.cache` keeps
---@field configuration? table what `kong.configuration` has
---@field consumer? table
---@field consumers? table[] for `kong.client.load_consumer`
---@field credential? table
---@field node? { id: string?, hostname: string? }
---@field route? table
---@field service? table
---@field upstreams? table<string, string[]> `"address:port"` by name
---@field version? string

---The functions to call in the phases of nginx, one in each.
---@class kong.response.lifecycle.Lifecycle
local phases = {}


---For `init_worker_by_lua*`. It calls the handlers `init_worker` and `configure` of each plugin once.
function phases.init_worker() end


---For the `balancer_by_lua*` of the upstream: it takes the server that `kong.service` has chosen.
function phases.balancer() end


---For `rewrite_by_lua*`. When a handler makes a response, no later one of this phase or of access
---runs, and the response is sent.
function phases.rewrite() end


---For `access_by_lua*`; see `rewrite`. If a plugin has a response phase, the response is sent from here.
function phases.access() end


---For `header_filter_by_lua*`. After an exit the handlers run on. When one fails, the rest is left
---out, and a 500 takes the place of the response.
function phases.header_filter() end


---For `body_filter_by_lua*`. It sends `ngx.ctx.response_body` in place of the body. When a handler
---fails, the response breaks off.
function phases.body_filter() end


---For `log_by_lua*`. When a handler fails, the log says so, and the next one runs.
function phases.log() end


---For the `content_by_lua*` of an internal location that `error_page` names: answers with
---`kong.response.error` and the status that nginx found.
function phases.error_page() end


---Makes the functions that run a list of plugins. Call it once, in `init_by_lua*`. It sets what is
---missing of the global `kong`.
---
---**Errors:**
---* `plugins must be a table, got <type>`
---* `plugins must be an array without holes`
---* `plugins[<i>] must be a table, got <type>`
---* `plugins[<i>]: unknown field "<name>"`
---* `plugins[<i>].<field> must be a <type>, got <type>`
---* `plugins[<i>]: PRIORITY must be a number, got <value>`
---* `plugins[<i>]: <phase> must be a function, got <type>`
---* `plugins[<i>] has a method "<name>", which is no phase: did you mean "<phase>"?`
---* `plugins[<i>] has only phases that need a gateway: <phases>`
---* `plugins[<i>]: <name> plugin is enabled but not installed; …`
---* `plugins[<i>]: plugin "<name>" cannot be loaded: …`
---* `plugins[<i>]: the module "<name>" must give a table, got <type>`
---* `plugins[<i>]: schema violation (…)`
---* `the response phase of plugin "<name>" needs buffering = "<location>" in the description`
---* `the global kong must be a table, got <type>`
---* `the description of kong must be a table, got <type>`
---* `the description of kong has an unknown field "<name>"`
---* `the description of kong: <field> must be a <type>, got <type>`
---@param plugins kong.response.lifecycle.Entry[]
---@param description? kong.response.pdk.Description
---@return kong.response.lifecycle.Lifecycle
function lifecycle.new(plugins, description) end


return lifecycle
