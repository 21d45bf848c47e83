---@meta kong.response.lifecycle

---@class kong.response.lifecycle
local lifecycle = {}

---A plugin: a method for each of its phases.
---@class kong.response.Plugin
---@field PRIORITY? number plugins with a higher one run first; 0 by default
---@field VERSION? string
---@field init_worker? fun(self: table)
---@field configure? fun(self: table, configs: table[])
---@field rewrite? fun(self: table, config: table)
---@field access? fun(self: table, config: table)
---@field response? fun(self: table, config: table) after the whole response of the upstream has arrived
---@field header_filter? fun(self: table, config: table)
---@field body_filter? fun(self: table, config: table)
---@field log? fun(self: table, config: table)

---The objects that a plugin is bound to. Its handlers find their ids in the config.
---@class kong.response.Row
---@field route? { id: string }
---@field service? { id: string }
---@field consumer? { id: string }
---@field instance_name? string

---@class kong.response.lifecycle.Entry
---@field plugin kong.response.Plugin|string the plugin, its name, or the name of its module
---@field config? table the argument of its methods; the schema sets defaults; an empty table by default
---@field name? string the name in the log; the default is the plugin's name, or the file of its handlers
---@field schema? table|string the schema of the config, or its module; the default is the file next to `handler`
---@field row? kong.response.Row the objects that the plugin is bound to; needs a schema

---The values of `kong` for the node and for a request.
---@class kong.response.pdk.Description
---@field balancer? boolean whether `balancer_by_lua*` of the upstream calls `balancer`
---@field buffering? boolean|string|function the internal location that asks the upstream for buffered answers
---@field cache_size? integer the maximum number of entries in `kong.cache`; 10000 by default
---@field configuration? table the values of `kong.configuration`
---@field consumer? table
---@field consumers? table[] for `kong.client.load_consumer`
---@field credential? table
---@field node? { id: string?, hostname: string? }
---@field resolves? boolean whether the balancer accepts host names
---@field route? table
---@field service? table
---@field upstreams? table<string, string[]> `"address:port"` by name
---@field version? string

---The functions to call in the phases of nginx, one in each.
---@class kong.response.lifecycle.Lifecycle
local phases = {}


---For `init_worker_by_lua*`: calls the handlers `init_worker` and `configure` of each plugin once.
function phases.init_worker() end


---For `balancer_by_lua*` of the upstream: uses the server that `kong.service` has chosen.
function phases.balancer() end


---For `rewrite_by_lua*`. If a handler makes a response, no later handler of this phase or of access
---runs, and the client gets the response.
function phases.rewrite() end


---For `access_by_lua*`; see `rewrite`. If a plugin has a response phase, this sends the response.
function phases.access() end


---For `header_filter_by_lua*`. After an exit, the other handlers still run. If one fails, the rest does not
---run, and the client gets a 500.
function phases.header_filter() end


---For `body_filter_by_lua*`. It sends `ngx.ctx.response_body` instead of the body. If a handler
---fails, the response breaks off.
function phases.body_filter() end


---For `log_by_lua*`. If a handler fails, the log says so, and the next one runs.
function phases.log() end


---For `content_by_lua*` of an internal location that `error_page` names: answers with
---`kong.response.error` and nginx's status.
function phases.error_page() end


---Returns the functions that run a list of plugins. Call it once, in `init_by_lua*`. It sets the
---missing parts of the global `kong`.
---
---**Errors:**
---* `plugins must be a table, got <type>`
---* `plugins must be an array without holes`
---* `plugins[<i>] must be a table, got <type>`
---* `plugins[<i>]: unknown field "<name>"`
---* `plugins[<i>].<field> must be a <type>, got <type>`
---* `plugins[<i>]: PRIORITY must be a number, got <value>`
---* `plugins[<i>]: <phase> must be a function, got <type>`
---* `plugins[<i>] has a method "<name>", which is not a phase: did you mean "<phase>"?`
---* `plugins[<i>] has only phases that need a gateway: <phases>`
---* `plugins[<i>]: <name> plugin is enabled but not installed;`
---* `plugins[<i>]: plugin "<name>" cannot be loaded: …`
---* `plugins[<i>]: the module "<name>" must return a table, got <type>`
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
