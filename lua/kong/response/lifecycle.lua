--- Runs plugins in the phases of nginx, as a gateway runs them, where there is no gateway.
--
--     init_by_lua_block {
--       lifecycle = require("kong.response.lifecycle").new {
--         { plugin = "key-check", config = { header = "apikey" } },
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
-- `init_worker_by_lua_block { lifecycle.init_worker() }` and `balancer_by_lua_block {
-- lifecycle.balancer() }` are for plugins and locations that need them.
--
-- A plugin is a table with a method for each phase it takes part in: `plugin:access(config)`. Those
-- with a higher `PRIORITY` run first. A name finds `kong/plugins/NAME/handler.lua`, and the
-- `schema.lua` beside it.
--
-- nginx drops `ngx.ctx` on an internal redirect (`error_page`, `try_files`, `ngx.exec`). The phases
-- find it again, so that `get_source`, `kong.ctx` and everything else in it survive. That needs
-- `lua_code_cache on`, nginx's default.

local buffering = require "kong.response.lifecycle.buffering"
local contexts = require "kong.response.lifecycle.contexts"
local entries_of = require "kong.response.lifecycle.entries"
local failures = require "kong.response.failures"
local globals = require "kong.response.lifecycle.globals"
local handlers = require "kong.response.lifecycle.handlers"
local responses = require "kong.response.lifecycle.responses"
local stand_ins = require "kong.response.stand_ins"

local BITS = require("kong.response.pdk.phases").BITS
local PHASES = entries_of.PHASES


local call = handlers.call
local enter = contexts.enter
local error = error
local filter = contexts.filter
local fmt = string.format
local pcall = pcall
local rawget = rawget
local type = type


local _M = {}


stand_ins.install()

-- Many plugins take `kong` at their top, and are loaded for the list that `new` gets.
if rawget(_G, "kong") == nil then
  globals.prepare()
end


local function read_all(plugins)
  entries_of.check(plugins)
  local kong, requests = globals.prepare()
  local entries = entries_of.read(plugins, function(reference)
    local secret, err = kong.vault.get(reference)
    if not secret and rawget(_G, "ngx") then
      ngx.log(ngx.WARN, "the secret ", reference, " cannot be had: ", err)
    end
    return secret or ""
  end)
  return entries, kong, requests
end


--- The entries that have a handler, by phase.
local function by_phase(entries)
  local lists = {}
  for i = 1, #PHASES do
    local list = {}
    for j = 1, #entries do
      if entries[j].plugin[PHASES[i]] then
        list[#list + 1] = entries[j]
      end
    end
    lists[PHASES[i]] = list
  end
  return lists
end


--- Makes the functions that run a list of plugins.
-- Call it once, in `init_by_lua*`. It sets what is missing of the global `kong`, which loading this
-- module has made where there was none: `kong.response`, and the parts that `kong.response.pdk`
-- makes, with `kong.ctx.shared` (one table per request) and `kong.ctx.plugin` (one per request and
-- entry of the list; nil outside of a plugin).
-- @tparam table plugins an array of
--   `{ plugin = <table, or name>, config = <table, {} by default>, name = <string, for the log; by
--   default the name, or the file of its handlers>, schema = <table, or name of its module> }`
-- @tparam ?table description what the parts of `kong` say of the node and of these requests; see
--   `kong.response.pdk`
-- @treturn table with the functions `init_worker`, `rewrite`, `access`, `balancer`,
--   `header_filter`, `body_filter`, `log` and `error_page`
-- @raise `plugins must be a table, got <type>`, `plugins must be an array without holes`,
--   `plugins[<i>] must be a table, got <type>`, `plugins[<i>]: unknown field "<name>"`,
--   `plugins[<i>].<field> must be a <type>, got <type>`,
--   `plugins[<i>]: PRIORITY must be a number, got <value>`,
--   `plugins[<i>]: <phase> must be a function, got <type>`,
--   `plugins[<i>] has a method "<name>", which is not a phase: did you mean "<phase>"?`,
--   `plugins[<i>] has only phases that need a gateway: <phases>`,
--   `plugins[<i>]: Plugin "<name>" can't be loaded because …`,
--   `plugins[<i>]: <name> plugin is enabled but not installed; …`,
--   `plugins[<i>]: schema violation (…)`,
--   `the response phase of plugin "<name>" needs buffering = "<location>" in the description`,
--   `the global kong must be a table, got <type>`, and what `kong.response.pdk` says of a
--   description
-- @usage
-- lifecycle = require("kong.response.lifecycle").new {
--   { plugin = "key-check", config = { header = "apikey" } },
-- }
function _M.new(plugins, description)
  local done, entries, kong, requests = pcall(read_all, plugins)
  if not done then
    error(entries, 2)
  end
  if requests and description ~= nil then
    requests.describe(description)
  end
  -- Another list's route is not that of these requests.
  local of_requests = description or {}
  local lists = by_phase(entries)
  local buffered_by = type(of_requests.buffering) ~= "boolean" and of_requests.buffering or nil
  if lists.response[1] and not buffered_by then
    error(fmt("the response phase of plugin %q needs buffering = \"<location>\" in the description",
              lists.response[1].name), 2)
  end

  local self = {}

  --- For `init_worker_by_lua*`. It calls the handlers `init_worker`, and then `configure` with an
  -- array of the plugin's configs. When one fails, the log says so, and the next one runs.
  function self.init_worker()
    ngx.ctx.KONG_PHASE = BITS.init_worker
    handlers.start_worker(entries)
  end


  --- For the `balancer_by_lua*` of the upstream that a location's requests go to: it takes the
  -- server that `kong.service` has chosen, or that of the description's service.
  function self.balancer()
    return requests.balance()
  end


  local function run_until_response(phase)
    local ctx, state = enter(phase)
    if state.capture and ngx.is_subrequest then
      return
    end
    local progress = state.progress[self]
    if not progress then
      progress = {}
      state.progress[self] = progress
    elseif progress.over then
      return
    end

    if phase == "rewrite" then
      requests.rewrite(ctx, of_requests)
    elseif not ctx.KONG_ACCESS_START then
      requests.access(ctx, of_requests)
    end

    ctx.delayed_response = nil
    ctx.delayed_response_callback = nil
    ctx.delay_response = true

    local list, failure, what = lists[phase], nil, nil
    for i = (progress[phase] or 0) + 1, #list do
      -- Should the handler leave for another location, that one goes on behind it.
      progress[phase] = i
      local entry = list[i]
      local ok, err = handlers.call_until_response(requests, ctx, entry, phase)
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
      return responses.send_unexpected(kong, ctx, failure, what)
    end
    if phase == "access" then
      requests.proxy(ctx)
      if buffered_by and (lists.response[1] or ctx.buffered_proxying) and buffering.is_possible()
      then
        progress.over = true
        return buffering.answer(kong, requests, ctx, state, buffered_by, lists.response)
      end
      ctx.buffered_proxying = nil
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


  --- For `access_by_lua*`; see `rewrite`. If a plugin has a response phase, or one has asked for
  -- buffering, a subrequest asks the upstream, and the response is sent from here.
  function self.access()
    return run_until_response("access")
  end


  local function filter_head(ctx, state)
    if state.capture and ngx.is_subrequest then
      return buffering.note_answer(state.capture)
    end
    -- The body filter sets the end of the response first, so an empty body of an exit is one.
    ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true
    responses.tell_source(ctx)
    requests.header_filter(ctx)

    local list = lists.header_filter
    for i = 1, #list do
      local ok, failure = call(requests, state, list[i], "header_filter")
      if not ok then
        responses.clear_headers(ngx)
        state.replaced = true
        return responses.send_unexpected(kong, ctx, failure,
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
    if state.capture and ngx.is_subrequest then
      return
    end
    if ngx.arg[2] then
      requests.body_end(ctx)
    end

    local body = ctx.response_body
    if body then
      -- The end first: after an empty chunk it would get lost.
      local arg = ngx.arg
      arg[2] = true
      arg[1] = body
    end

    local list = lists.body_filter
    for i = 1, #list do
      local ok, failure = call(requests, state, list[i], "body_filter")
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
    responses.tell_source(ctx)

    local list = lists.log
    for i = 1, #list do
      local ok, failure = call(requests, state, list[i], "log")
      if not ok then
        failures.log(failure, failures.handler(failure, list[i], "log"),
                     failures.request_id(kong, ctx))
      end
    end

    contexts.forget(state)
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
