--- Runs plugins in the phases of nginx, as a gateway runs them, where there is no gateway.
--
--     init_by_lua_block {
--       lifecycle = require("kong.response.lifecycle").new {
--         { plugin = require "plugins.keys", config = { header = "apikey" } },
--         { plugin = require "plugins.tidy" },
--       }
--     }
--
--     rewrite_by_lua_block { lifecycle.rewrite() }
--     access_by_lua_block { lifecycle.access() }
--     header_filter_by_lua_block { lifecycle.header_filter() }
--     body_filter_by_lua_block { lifecycle.body_filter() }
--     log_by_lua_block { lifecycle.log() }
--
-- A plugin is a table with a method for each phase it takes part in: `plugin:access(config)`. Those
-- with a higher `PRIORITY` run first.
--
-- nginx drops `ngx.ctx` on an internal redirect (`error_page`, `try_files`, `ngx.exec`). The phases
-- find it again, so that `get_source`, `kong.ctx` and everything else in it survive. That needs
-- `lua_code_cache on`, nginx's default.

local failures = require "kong.response.failures"
local core = require "kong.response.core"
local names = require "kong.response.names"


local coroutine = coroutine
local error = error
local getmetatable = getmetatable
local ipairs = ipairs
local pairs = pairs
local pcall = pcall
local rawget = rawget
local rawset = rawset
local setmetatable = setmetatable
local tostring = tostring
local type = type
local fmt = string.format
local sort = table.sort
local getinfo = debug.getinfo
local traceback = debug.traceback


-- The bits of `ngx.ctx.KONG_PHASE`.
local BITS = core.phases

local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }

-- The same as keys, and the methods that only a gateway calls.
local METHODS = {}
for _, phase in ipairs(PHASES) do
  METHODS[phase] = true
end
local ELSEWHERE = { response = true, init_worker = true, configure = true, certificate = true }

local FIELDS = { plugin = "table", config = "table", name = "string" }

-- Answers that nginx keeps of a service which it does not ask again.
local FROM_CACHE = { HIT = true, STALE = true, UPDATING = true, REVALIDATED = true }

local CHANGES_OF_CTX = "kong.ctx cannot be changed, only kong.ctx.shared and kong.ctx.plugin"


-- Where the state of a request is in its `ngx.ctx`: no name of a plugin's can be in the way.
local STATE = {}

-- The `ngx.ctx` of each request. The values are weak: what keeps them is nginx, until the request
-- ends, however it ends. A stale one is never found, because a key is never used again.
local contexts = setmetatable({}, { __mode = "v" })


-- nginx numbers its connections, and the requests on each. A subrequest has the numbers of its
-- parent, and a context of its own.
local function key_of_request()
  if ngx.is_subrequest then
    return nil
  end
  local var = ngx.var
  return var.connection .. ":" .. var.connection_requests
end


--- `ngx.ctx` and the state in it: found, found again, or made.
local function current()
  local ctx = ngx.ctx
  local state = rawget(ctx, STATE)
  if state then
    return ctx, state
  end

  -- Timers have an `ngx.ctx` too, but no connection.
  local ok, key = pcall(key_of_request)
  key = ok and key or nil

  local kept = key and contexts[key]
  if kept then
    for name, value in pairs(ctx) do
      kept[name] = value
    end
    -- The phase that would have sent a delayed response was left.
    kept.delay_response = nil
    ngx.ctx = kept
    return kept, kept[STATE]
  end

  state = {
    key = key,
    shared = {}, -- kong.ctx.shared
    own = {}, -- kong.ctx.plugin, by plugin
    running = nil, -- the plugin whose handler runs
    progress = {}, -- by lifecycle
    replaced = false, -- whether a 500 took the place of the response in header_filter
  }
  ctx[STATE] = state
  if key then
    contexts[key] = ctx
  end
  return ctx, state
end


local function enter(phase)
  local ctx, state = current()
  ctx.KONG_PHASE = BITS[phase]
  return ctx, state
end


--- Runs a filter. nginx does so inside of the phase that prints, whose handler then goes on: it
-- finds its own phase again.
local function filter(phase, run)
  local ctx, state = current()
  local outer, delays = ctx.KONG_PHASE, ctx.delay_response
  ctx.KONG_PHASE, ctx.delay_response = BITS[phase], nil
  local failed = run(ctx, state)
  ctx.KONG_PHASE, ctx.delay_response = outer, delays
  return failed
end


local function read_kong_ctx(_, name)
  if name == "shared" then
    local _, state = current()
    return state.shared

  elseif name == "plugin" then
    local _, state = current()
    local running = state.running
    if not running then
      return nil
    end
    local own = state.own[running]
    if not own then
      own = {}
      state.own[running] = own
    end
    return own
  end
end


--- The global `kong`, with what plugins need of it. What it has already stays.
local function prepare_kong()
  local kong = rawget(_G, "kong")
  if kong == nil then
    kong = {}
    rawset(_G, "kong", kong)
  elseif type(kong) ~= "table" then
    error(fmt("the global kong must be a table, got %s", type(kong)), 3)
  end

  if kong.response == nil then
    rawset(kong, "response", require "kong.response")
  end

  local ctx = kong.ctx
  if ctx == nil then
    rawset(kong, "ctx", setmetatable({}, {
      __index = read_kong_ctx,
      __newindex = function()
        error(CHANGES_OF_CTX, 2)
      end,
    }))
  elseif type(ctx) == "table" and getmetatable(ctx) == nil then
    setmetatable(ctx, { __index = read_kong_ctx })
  end
  return kong
end


-- Whether a table is what should be its field `plugin`.
local function is_plugin(entry)
  if entry.plugin ~= nil then
    return false
  end
  for _, phase in pairs(PHASES) do
    if entry[phase] ~= nil then
      return true
    end
  end
  return entry.PRIORITY ~= nil or entry.VERSION ~= nil
end


local function check_entry(i, entry)
  if type(entry) ~= "table" then
    error(fmt("plugins[%d] must be a table, got %s", i, type(entry)), 4)
  end
  if is_plugin(entry) then
    error(fmt("plugins[%d] is a plugin itself: write { plugin = ..., config = ... }", i), 4)
  end
  for field, value in pairs(entry) do
    local expected = FIELDS[field]
    if not expected then
      error(fmt("plugins[%d]: unknown field %q%s", i, tostring(field),
                names.suggestion(tostring(field), FIELDS)), 4)
    elseif type(value) ~= expected then
      error(fmt("plugins[%d].%s must be a %s, got %s", i, field, expected, type(value)), 4)
    end
  end

  local plugin = entry.plugin
  if not plugin then
    error(fmt("plugins[%d].plugin must be a table, got nil", i), 4)
  end
  local priority = plugin.PRIORITY
  if priority ~= nil and (type(priority) ~= "number" or priority ~= priority) then
    error(fmt("plugins[%d]: PRIORITY must be a number, got %s", i, tostring(priority)), 4)
  end
  for _, phase in pairs(PHASES) do
    local handler = plugin[phase]
    if handler ~= nil and type(handler) ~= "function" then
      error(fmt("plugins[%d]: %s must be a function, got %s", i, phase, type(handler)), 4)
    end
  end
  local name, meant = names.misspelt_phase(plugin, METHODS, ELSEWHERE)
  if name then
    error(fmt("plugins[%d] has a method %q, which is no phase: did you mean %q?", i, name, meant),
          4)
  end
  if plugin.response ~= nil then
    error(fmt("plugins[%d]: the response phase needs a gateway", i), 4)
  end
end


--- What the log calls a plugin that has no name: the file of its handlers.
local function default_name(i, plugin)
  for _, phase in ipairs(PHASES) do
    local handler = rawget(plugin, phase)
    local file = handler and getinfo(handler, "S").source:match("^@(.+)$")
    if file then
      return file
    end
  end
  return fmt("plugins[%d]", i)
end


--- The entries in the order in which they run; those of one priority as they were given.
local function in_order(plugins)
  if type(plugins) ~= "table" then
    error(fmt("plugins must be a table, got %s", type(plugins)), 3)
  end
  -- A hole would leave out the plugins behind it, and what they guard.
  for key in pairs(plugins) do
    if type(key) ~= "number" or key < 1 or key > #plugins or key % 1 ~= 0 then
      error("plugins must be an array without holes", 3)
    end
  end

  local entries = {}
  for i = 1, #plugins do
    local entry = plugins[i]
    check_entry(i, entry)
    entries[i] = {
      index = i,
      name = entry.name or default_name(i, entry.plugin),
      plugin = entry.plugin,
      config = entry.config or {},
      priority = entry.plugin.PRIORITY or 0,
    }
  end
  sort(entries, function(one, other)
    if one.priority ~= other.priority then
      return one.priority > other.priority
    end
    return one.index < other.index
  end)
  return entries
end


--- Calls a handler in a phase that nginx cannot interrupt.
local function call(state, entry, phase)
  local before = state.running
  state.running = entry
  local ok, failure = failures.call(entry.plugin[phase], entry.plugin, entry.config)
  state.running = before
  return ok, failure
end


--- Calls a handler in a coroutine, which it leaves for good when it makes a response.
local function call_until_response(ctx, state, entry, phase)
  state.running = entry
  local handler = coroutine.create(entry.plugin[phase])
  local ok, err = coroutine.resume(handler, entry.plugin, entry.config)
  -- A handler that yields for another reason waits for its turn.
  while ok and not ctx.delayed_response and coroutine.status(handler) == "suspended" do
    coroutine.yield()
    ok, err = coroutine.resume(handler)
  end
  state.running = nil
  return ok, not ok and failures.new(err, traceback(handler, "")) or nil
end


--- Says where the response comes from, unless something has said so before.
local function tell_source(ctx)
  if ctx.KONG_UNEXPECTED or ctx.KONG_EXITED or ctx.KONG_PROXIED then
    return
  end

  local var = ngx.var
  if FROM_CACHE[var.upstream_cache_status] then
    ctx.KONG_PROXIED = true
    return
  end

  -- A time for each attempt, `-` for one that got no answer; ` : ` stands between what was asked
  -- before an internal redirect and after it.
  local times = var.upstream_header_time
  if not times then
    return
  end
  local answered = times:find("%d$") ~= nil
  local is_error_page = ngx.status >= 500 and times:find("- :", 1, true) ~= nil
  if answered and not is_error_page then
    ctx.KONG_PROXIED = true
  else
    ctx.KONG_UNEXPECTED = true
  end
end


--- Whether the upstream has accepted an upgrade. nginx opens the tunnel behind the header filter,
-- whatever the response has become.
local function switches_protocols()
  local statuses = ngx.var.upstream_status
  return statuses and statuses:find("101$") ~= nil
end


--- Replaces the response by the page of an unexpected error, in the client's format. The log gets
-- that error with the id of the page.
local function send_unexpected(kong, ctx, failure, what)
  ctx.KONG_UNEXPECTED = true
  local id = failures.request_id(kong, ctx, true)
  failures.log(failure, what, id)
  if switches_protocols() then
    return ngx.exit(ngx.ERROR)
  end
  local ok, err = pcall(kong.response.error, 500)
  if not ok then
    -- Too late for a page: the client must see that something is missing.
    failures.log(failures.new(err), "the page of an unexpected error cannot be sent", id)
    return ngx.exit(ngx.ERROR)
  end
end


--- Removes what the upstream and the plugins have put into the head of a response.
local function clear_headers()
  for name in pairs(ngx.resp.get_headers(0)) do
    -- nginx makes these two.
    if name ~= "connection" and name ~= "transfer-encoding" then
      ngx.header[name] = nil
    end
  end
end


local _M = {}


-- Many plugins take `kong` at their top, and are loaded for the list that `new` gets.
if rawget(_G, "kong") == nil then
  prepare_kong()
end


--- Makes the functions that run a list of plugins.
-- Call it once, in `init_by_lua*`. It sets what is missing of the global `kong`, which loading this
-- module has made where there was none: `kong.response`, and `kong.ctx` with `kong.ctx.shared` (one
-- table per request) and `kong.ctx.plugin` (one per request and entry of the list; nil outside of a
-- plugin).
-- @tparam table plugins an array of
--   `{ plugin = <table>, config = <table, {} by default>, name = <string, for the log; by default
--   the file of its handlers> }`
-- @treturn table with the functions `rewrite`, `access`, `header_filter`, `body_filter`, `log` and
--   `error_page`
-- @raise `plugins must be a table, got <type>`, `plugins must be an array without holes`,
--   `plugins[<i>] must be a table, got <type>`, `plugins[<i>]: unknown field "<name>"`,
--   `plugins[<i>].<field> must be a <type>, got <type>`,
--   `plugins[<i>]: PRIORITY must be a number, got <value>`,
--   `plugins[<i>]: <phase> must be a function, got <type>`,
--   `plugins[<i>] has a method "<name>", which is no phase: did you mean "<phase>"?`,
--   `plugins[<i>]: the response phase needs a gateway`,
--   `the global kong must be a table, got <type>`
-- @usage
-- lifecycle = require("kong.response.lifecycle").new {
--   { plugin = require "plugins.keys", config = { header = "apikey" }, name = "keys" },
-- }
function _M.new(plugins)
  local entries = in_order(plugins)
  local kong = prepare_kong()

  local lists = {}
  for _, phase in pairs(PHASES) do
    local list = {}
    for i = 1, #entries do
      if entries[i].plugin[phase] then
        list[#list + 1] = entries[i]
      end
    end
    lists[phase] = list
  end

  local self = {}

  local function run_until_response(phase)
    local ctx, state = enter(phase)
    local progress = state.progress[self]
    if not progress then
      progress = {}
      state.progress[self] = progress
    elseif progress.over then
      return
    end

    ctx.delayed_response = nil
    ctx.delayed_response_callback = nil
    ctx.delay_response = true

    local list, failure, what = lists[phase], nil, nil
    for i = (progress[phase] or 0) + 1, #list do
      -- Should the handler leave for another location, that one goes on behind it.
      progress[phase] = i
      local entry = list[i]
      local ok, err = call_until_response(ctx, state, entry, phase)
      if not ok then
        failure, what = err, failures.handler(err, entry, phase)
      elseif ctx.delayed_response then
        what = fmt("the delayed response of plugin \"%s\" cannot be sent", entry.name)
      end
      if what then
        progress.over = true
        break
      end
    end
    ctx.delay_response = nil

    if what and not failure then
      -- It comes back only when it has failed.
      local ok, err = pcall(ctx.delayed_response_callback, ctx)
      failure = not ok and failures.new(err) or nil
    end
    if failure then
      return send_unexpected(kong, ctx, failure, what)
    end
  end


  --- For `rewrite_by_lua*`. When a handler makes a response, no later one of this phase or of
  -- access runs, and the response is sent; header_filter, body_filter and log follow. When one
  -- fails, the log says so and the client gets a 500, with `kong.response.error`.
  --
  -- A request runs each handler once, also where an internal redirect leads to a location that
  -- calls this function again.
  function self.rewrite()
    return run_until_response("rewrite")
  end


  --- For `access_by_lua*`; see `rewrite`.
  function self.access()
    return run_until_response("access")
  end


  local function filter_head(ctx, state)
    -- The body filter sets the end of the response first, so an empty body of an exit is one.
    ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true
    tell_source(ctx)

    local list = lists.header_filter
    for i = 1, #list do
      local ok, failure = call(state, list[i], "header_filter")
      if not ok then
        clear_headers()
        state.replaced = true
        return send_unexpected(kong, ctx, failure,
                               failures.handler(failure, list[i], "header_filter"))
      end
    end
  end


  --- For `header_filter_by_lua*`. nginx cannot interrupt this phase: after an exit the handlers
  -- run on, as they do on gateways. When one fails, the rest is left out and a 500 takes the place
  -- of the response, with none of its headers.
  function self.header_filter()
    filter("header_filter", filter_head)
  end


  local function filter_body(ctx, state)
    local body = ctx.response_body
    if body then
      -- The end first: after an empty chunk it would get lost.
      local arg = ngx.arg
      arg[2] = true
      arg[1] = body
    end

    local list = lists.body_filter
    for i = 1, #list do
      local ok, failure = call(state, list[i], "body_filter")
      if not ok then
        ctx.KONG_UNEXPECTED = true
        return failures.line(failure, failures.handler(failure, list[i], "body_filter"),
                             failures.request_id(kong, ctx))
      end
    end

    if body and state.replaced then
      -- Not all header filters have run: what the handlers make of this body might not fit.
      -- A chunk first, because the end needs one.
      local arg = ngx.arg
      arg[1] = "."
      arg[2] = true
      arg[1] = body
    end
  end


  --- For `body_filter_by_lua*`. It sends `ngx.ctx.response_body` in place of the body. When a
  -- handler fails, the error is raised again: nginx logs it and breaks the response off, so that no
  -- client takes half a body for a whole one. The 500 of a failed header filter is sent as it is.
  function self.body_filter()
    local failure = filter("body_filter", filter_body)
    if failure then
      error(failure, 0)
    end
  end


  --- For `log_by_lua*`. When a handler fails, the log says so, and the next one runs.
  function self.log()
    local ctx, state = enter("log")
    tell_source(ctx)

    local list = lists.log
    for i = 1, #list do
      local ok, failure = call(state, list[i], "log")
      if not ok then
        failures.log(failure, failures.handler(failure, list[i], "log"),
                     failures.request_id(kong, ctx))
      end
    end

    if state.key then
      contexts[state.key] = nil
    end
  end


  --- For the `content_by_lua*` of an internal location that `error_page` names: answers with
  -- `kong.response.error` and the status that nginx found, 500 where nginx hides that from the
  -- location (`error_page 504 = ...`).
  --
  -- The source is `error`, unless a plugin has called `exit` without a body and so asked for the
  -- page.
  function self.error_page()
    local ctx = enter("error")
    if not ctx.KONG_EXITED then
      ctx.KONG_UNEXPECTED = true
    end
    local status = ngx.status
    if status < 400 or status > 599 then
      status = 500
    end
    return kong.response.error(status)
  end


  return self
end


return _M
