--- The `ngx.ctx` of requests, and the state of the life cycle in it.
--
-- nginx drops `ngx.ctx` on an internal redirect (`error_page`, `try_files`, `ngx.exec`). This
-- module restores it.

local BITS = require("kong.response.pdk.phases").BITS


local pairs = pairs
local pcall = pcall
local rawget = rawget
local setmetatable = setmetatable


-- The key of the state in `ngx.ctx`. It is a table, so it never equals a name that a plugin uses.
local STATE = {}

-- The `ngx.ctx` of each request, by `key_of_request`. The values are weak: nginx keeps each one
-- alive until its request ends. No request gets the context of an earlier one, because nginx does
-- not use a key twice.
local contexts = setmetatable({}, { __mode = "v" })


-- nginx numbers its connections and the requests of each connection. A subrequest has a context of
-- its own, but the numbers of its parent: so it gets no key.
local function key_of_request()
  if ngx.is_subrequest then
    return nil
  end
  local var = ngx.var
  return var.connection .. ":" .. var.connection_requests
end


local _M = {}


--- Returns `ngx.ctx` and the state in it. It restores them after an internal redirect, and makes
-- the state in the first phase.
-- @treturn table ctx
-- @treturn table state: `key`; `ctx`; `progress` by life cycle; `replaced`: whether a 500 has
--   replaced the response in header_filter; `capture`: a table while a subrequest asks the upstream
function _M.current()
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
    -- The redirect has left the phase that sends delayed responses.
    kept.delay_response = nil
    ngx.ctx = kept
    return kept, kept[STATE]
  end

  state = {
    key = key,
    ctx = ctx,
    progress = {}, -- by life cycle
    replaced = false,
  }
  ctx[STATE] = state
  if key then
    contexts[key] = ctx
  end
  return ctx, state
end


--- Enters a phase that does not run inside another phase.
function _M.enter(phase)
  local ctx, state = _M.current()
  ctx.KONG_PHASE = BITS[phase]
  return ctx, state
end


--- Runs a filter, and restores the phase afterwards: nginx runs filters inside the phase that
-- prints, and the handler of that phase then continues.
function _M.filter(phase, run)
  local ctx, state = _M.current()
  local outer, delays = ctx.KONG_PHASE, ctx.delay_response
  ctx.KONG_PHASE, ctx.delay_response = BITS[phase], nil
  local failed = run(ctx, state)
  ctx.KONG_PHASE, ctx.delay_response = outer, delays
  return failed
end


--- Removes the context of a request that has ended.
function _M.forget(state)
  if state.key then
    contexts[state.key] = nil
  end
end


return _M
