--- The `ngx.ctx` of requests, and what the life cycle keeps in it.
--
-- nginx drops `ngx.ctx` on an internal redirect (`error_page`, `try_files`, `ngx.exec`). Here it is
-- found again.

local BITS = require("kong.response.pdk.phases").BITS


local pairs = pairs
local pcall = pcall
local rawget = rawget
local setmetatable = setmetatable


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


local _M = {}


--- `ngx.ctx` and the state in it: found, found again, or made.
-- @treturn table
-- @treturn table `key`, `ctx`, `progress` by life cycle; `replaced`: whether a 500 took the place
--   of the response in header_filter; `capture`: what is known of an upstream that is being asked
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
    -- The phase that would have sent a delayed response was left.
    kept.delay_response = nil
    ngx.ctx = kept
    return kept, kept[STATE]
  end

  state = {
    key = key,
    ctx = ctx,
    progress = {}, -- by lifecycle
    replaced = false,
  }
  ctx[STATE] = state
  if key then
    contexts[key] = ctx
  end
  return ctx, state
end


--- Enters a phase that nginx runs by itself.
function _M.enter(phase)
  local ctx, state = _M.current()
  ctx.KONG_PHASE = BITS[phase]
  return ctx, state
end


--- Runs a filter. nginx does so inside of the phase that prints, whose handler then goes on: it
-- finds its own phase again.
function _M.filter(phase, run)
  local ctx, state = _M.current()
  local outer, delays = ctx.KONG_PHASE, ctx.delay_response
  ctx.KONG_PHASE, ctx.delay_response = BITS[phase], nil
  local failed = run(ctx, state)
  ctx.KONG_PHASE, ctx.delay_response = outer, delays
  return failed
end


--- Forgets a request that has ended.
function _M.forget(state)
  if state.key then
    contexts[state.key] = nil
  end
end


return _M
