--- Runs plugins in the phases of nginx without a gateway, in the way in which a gateway runs them.
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
-- Add `init_worker_by_lua_block { lifecycle.init_worker() }` if a plugin has `init_worker` or
-- `configure`, and `balancer_by_lua_block { lifecycle.balancer() }` if a plugin chooses the server.
--
-- A plugin is a table with a method for each phase in which it runs: `plugin:access(config)`.
-- Plugins with a higher `PRIORITY` run first. A plugin that is given by its name has the files
-- `kong/plugins/NAME/handler.lua` and, optionally, `kong/plugins/NAME/schema.lua`.
--
-- nginx drops `ngx.ctx` on an internal redirect (`error_page`, `try_files`, `ngx.exec`). The life
-- cycle restores it, so that `get_source`, `kong.ctx` and the fields of plugins stay. This needs
-- `lua_code_cache on`, nginx's default.

local buffering = require "kong.response.lifecycle.buffering"
local contexts = require "kong.response.lifecycle.contexts"
local entries_of = require "kong.response.lifecycle.entries"
local failures = require "kong.response.failures"
local globals = require "kong.response.lifecycle.globals"
local handlers = require "kong.response.lifecycle.handlers"
local missing_calls = require "kong.response.lifecycle.missing_calls"
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

-- Many plugins have `local kong = kong` at their top. The code that calls `new` loads them, so
-- `kong` must exist before.
if rawget(_G, "kong") == nil then
  globals.prepare()
end


local function read_all(plugins)
  entries_of.check(plugins)
  local kong, requests = globals.prepare()
  local entries = entries_of.read(plugins, function(reference)
    local secret, err = kong.vault.get(reference)
    if not secret and rawget(_G, "ngx") then
      ngx.log(ngx.WARN, "the secret ", reference, " is not available: ", err)
    end
    return secret or ""
  end)
  return entries, kong, requests
end


--- For each phase, the list of the entries that have a handler for it.
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


--- Makes the functions that run a list of plugins. Call it once, in `init_by_lua*`.
--
-- It adds the missing parts to the global `kong`: `kong.response`, and the parts that
-- `kong.response.pdk` makes. `kong.ctx.shared` is one table per request. `kong.ctx.plugin` is one
-- table per request and plugin, and nil outside of a plugin. As in gateways, a plugin that is twice
-- in the list has one table.
-- @tparam table plugins an array of entries:
--   `plugin`: the plugin's table, or its name;
--   `config`: a table, by default an empty one;
--   `name`: the name in the log, by default the plugin's name, or the file of its handlers;
--   `schema`: the schema's table, or the name of its module;
--   `row`: the objects that the plugin is bound to
-- @tparam ?table description the values of `kong` for the node and for these requests; see
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
--   `plugins[<i>]: <name> plugin is enabled but not installed;`,
--   `plugins[<i>]: schema violation (…)`,
--   `the response phase of plugin "<name>" needs buffering = "<location>" in the description`,
--   `the global kong must be a table, got <type>`, and the errors of `kong.response.pdk` about a
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
  -- Not the description of another list: its route is not the route of these requests.
  local of_requests = description or {}
  local lists = by_phase(entries)
  local buffered_by = type(of_requests.buffering) ~= "boolean" and of_requests.buffering or nil
  if lists.response[1] and not buffered_by then
    error(fmt("the response phase of plugin %q needs buffering = \"<location>\" in the description",
              lists.response[1].name), 2)
  end

  local called, check_calls = missing_calls.new(lists)
  local self = {}

  --- For `init_worker_by_lua*`. Calls the handlers `init_worker`, and then the handlers `configure`
  -- with an array of the plugin's configs. If a handler fails, the log says so, and the next one
  -- runs.
  function self.init_worker()
    ngx.ctx.KONG_PHASE = BITS.init_worker
    handlers.start_worker(entries)
  end


  --- For `balancer_by_lua*` of the upstream. Uses the server that `kong.service` has chosen,
  -- otherwise the host of the description's service.
  function self.balancer()
    return requests.balance()
  end


  local function run_until_response(phase)
    called(phase)
    check_calls(phase)
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
      -- If the handler redirects to another location, the next handler runs there.
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
      -- The callback returns only if it has failed. Otherwise `ngx.exit` ends the phase.
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


  --- For `rewrite_by_lua*`. If a handler makes a response, the client gets it. No later handler of
  -- this phase or of access runs, but header_filter, body_filter and log run. If a handler fails,
  -- the log says so, and the client gets a 500 from `kong.response.error`.
  --
  -- Each handler runs once per request, even if an internal redirect leads to a location that calls
  -- this function again.
  function self.rewrite()
    return run_until_response("rewrite")
  end


  --- For `access_by_lua*`; see `rewrite`. If a plugin has a response phase, or has called
  -- `enable_buffering`, a subrequest asks the upstream, and this function sends the response.
  function self.access()
    return run_until_response("access")
  end


  local function filter_head(ctx, state)
    if state.capture and ngx.is_subrequest then
      return buffering.note_answer(state.capture)
    end
    -- `filter_body` sets the end of the body before the chunk, so nginx keeps an empty body.
    ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true
    buffering.restore_conditions(state)
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


  --- For `header_filter_by_lua*`. After an exit, the other handlers still run, as in gateways,
  -- because nginx cannot interrupt this phase. If a handler fails, the others do not run, and the
  -- client gets a 500 without the headers of the old response.
  function self.header_filter()
    called "header_filter"
    check_calls "header_filter"
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
      -- Set the end first: nginx loses an end that is set on an empty chunk.
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
      -- Not all header filters have run, so the handlers' changes may not fit the headers: send the
      -- page itself. nginx can set the end only on a chunk that is not empty, so set one before.
      local arg = ngx.arg
      arg[1] = "."
      arg[2] = true
      arg[1] = body
    end
  end


  --- For `body_filter_by_lua*`. Sends `ngx.ctx.response_body` instead of the body. If a handler
  -- fails, this function raises the error again. nginx logs it and breaks off the response, so that
  -- the client sees that the body is not complete. If a header filter has failed, the client gets
  -- the 500 unchanged.
  function self.body_filter()
    called "body_filter"
    local failure = filter("body_filter", filter_body)
    if failure then
      error(failure, 0)
    end
  end


  --- For `log_by_lua*`. If a handler fails, the log says so, and the next one runs.
  function self.log()
    check_calls "log"
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


  --- For `content_by_lua*` of an internal location that `error_page` names. Answers with
  -- `kong.response.error` and nginx's status. The status is 500 if nginx hides it from the location
  -- (`error_page 504 = ...`).
  --
  -- The source is `error`, unless a plugin has asked for the page with an `exit` without a body.
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
